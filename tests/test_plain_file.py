"""What is opened and what is not: plain files, and links inside the hub's cache."""

import os

import pytest

from minisora.plain_file import CheckpointError, open_plain, read_plain


def refused(path, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        open_plain(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_plain_file(tmp_path):
    (tmp_path / "a").write_bytes("天气".encode())
    with open_plain(str(tmp_path / "a")) as file:
        assert file.read() == "天气".encode()
    assert read_plain(tmp_path / "a", 6) == "天气"
    assert read_plain(tmp_path / "none", 6) is None


def test_more_than_agreed_and_what_is_no_text(tmp_path):
    (tmp_path / "a").write_bytes(b"1234567\xff")
    for most, message in ((7, "more than 7 bytes"), (8, "cannot read .* invalid start byte")):
        with pytest.raises(CheckpointError, match=message):
            read_plain(tmp_path / "a", most)


def test_what_is_no_plain_file(tmp_path):
    refused(tmp_path / "none", "cannot read .*: No such file")
    refused(tmp_path, "not a regular file")
    refused(tmp_path / "a\0b", "cannot read .*null")
    refused(tmp_path / ("a" * 5000), "cannot read .*name too long")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", "not a regular file")
    if os.path.exists("/dev/zero"):
        with pytest.raises(CheckpointError, match="not a regular file"):
            read_plain("/dev/zero", 9)


def test_a_link_is_refused_wherever_it_leads(tmp_path):
    (tmp_path / "a").write_text("1")
    for name, target in (("near", "a"), ("far", "/etc/hostname"), ("dead", "nothing"), ("round", "round")):
        (tmp_path / name).symlink_to(target)
        refused(tmp_path / name, "is a link, which only the hub's cache may hold")


def test_links_inside_the_hub_s_cache(tmp_path):
    """From a revision to a blob of the same model, and nowhere else, over however many links."""
    model, other = tmp_path / "hub" / "models--a--b", tmp_path / "hub" / "models--c--d"
    revision = model / "snapshots" / "0123"
    for folder in (revision, model / "blobs", other / "blobs"):
        folder.mkdir(parents=True)
    (model / "blobs" / "1").write_text("mine")
    (other / "blobs" / "1").write_text("another's")
    (tmp_path / "secret").write_text("secret")
    (model / "blobs" / "out").symlink_to(tmp_path / "secret")
    (revision / "good").symlink_to("../../blobs/1")
    assert read_plain(revision / "good", 9) == "mine"
    for target in ("../../blobs/out", "../../../models--c--d/blobs/1", "../../../../secret", "../../blobs"):
        (revision / "bad").symlink_to(target)
        refused(revision / "bad", "is a link, which only")
        (revision / "bad").unlink()


def test_a_cache_that_is_itself_reached_by_a_link(tmp_path):
    """People move caches to other disks."""
    revision = tmp_path / "disk" / "models--a--b" / "snapshots" / "0123"
    revision.mkdir(parents=True)
    (revision.parent.parent / "blobs").mkdir()
    (revision.parent.parent / "blobs" / "1").write_text("mine")
    (revision / "good").symlink_to("../../blobs/1")
    (tmp_path / "hub").symlink_to("disk")
    assert read_plain(tmp_path / "hub" / "models--a--b" / "snapshots" / "0123" / "good", 9) == "mine"
