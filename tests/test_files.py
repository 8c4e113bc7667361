"""Files and folders that appear whole or not at all."""

import os
import stat

import pytest

from minisora.files import new_folder, remove_folder, remove_leftovers, replace_file, write_file


@pytest.fixture
def umask():
    """A function that sets the umask; the former one comes back."""
    former = os.umask(0)
    os.umask(former)
    yield os.umask
    os.umask(former)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_modes_are_those_of_umask(tmp_path, umask, mask, file_mode, folder_mode):
    umask(mask)
    with new_folder(tmp_path / "a") as folder:
        write_file(folder / "one", b"1")
    replace_file(tmp_path / "b", b"2")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "one", tmp_path / "b")]
    assert modes == [folder_mode, file_mode, file_mode]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "deep" / "a") as folder:
        write_file(folder / "one", b"1")
        assert not (tmp_path / "deep" / "a").exists()
    assert (tmp_path / "deep" / "a" / "one").read_bytes() == b"1"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    with new_folder(tmp_path / "a") as folder:
        write_file(folder / "one", b"1")
    with pytest.raises(KeyError), new_folder(tmp_path / "a") as folder:
        write_file(folder / "one", b"2")
        raise KeyError
    assert (tmp_path / "a" / "one").read_bytes() == b"1"
    with new_folder(tmp_path / "a") as folder:
        write_file(folder / "two", b"2")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    replace_file(tmp_path / "a", b"old")

    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_everything_is_synced_before_the_rename(tmp_path, monkeypatch):
    """The order of the calls: the file's content, the folder that lists it, the rename, the folder above."""
    calls = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: (calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))), fsync(handle)),
    )
    monkeypatch.setattr(os, "rename", lambda old, new: (calls.append("rename"), rename(old, new)))
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    with new_folder(tmp_path / "a") as folder:
        write_file(folder / "one", b"1")
    assert calls == ["one", folder.name, "rename", tmp_path.name]


def test_leftovers_of_a_killed_process_go(tmp_path):
    (tmp_path / ".step-3.77.tmp").mkdir()
    (tmp_path / ".step-3.77.tmp" / "one").write_text("1")
    (tmp_path / ".latest.77.tmp").write_text("1")
    (tmp_path / ".step-1.77.old").mkdir()
    (tmp_path / ".hidden").write_text("the user's own")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_removing_what_is_not_there(tmp_path):
    remove_folder(tmp_path / "a")
