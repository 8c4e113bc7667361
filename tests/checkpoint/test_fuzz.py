"""Damaged checkpoints by the thousand, in a process of their own; `fuzz.py` says what must hold of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")


def fuzz(*options):
    """What the program found, which is nothing."""
    result = subprocess.run([sys.executable, FUZZ, *map(str, options)], capture_output=True, text=True)
    assert result.stdout, f"it ended with {result.returncode}: {result.stderr[-2000:]}"
    found = json.loads(result.stdout)
    assert found["failures"] == []
    assert found["loaded"] + found["refused"] == found["mutations"]
    return found


def test_some_hundred_damaged_files():
    found = fuzz("--count", 500, "--seed", 1)
    assert found["refused"] > 350 and found["loaded"] > 20  # damage, but not so much that one check sees all of it


def test_a_few_at_full_size():
    fuzz("--count", 6, "--full")


@pytest.mark.slow
def test_twenty_thousand_damaged_files():
    found = fuzz("--count", 20_000, "--seed", 2)
    assert all(int(counts.split()[1]) > 100 for counts in found["loaded_refused"].values())


@pytest.mark.slow
def test_fifty_at_full_size():
    fuzz("--count", 50, "--full", "--seed", 2)


def test_the_fuzzer_sees_what_it_looks_for(tmp_path, monkeypatch):
    """A loader that lets a NaN through, raises something else, says it in two lines or takes memory is found out."""
    monkeypatch.syspath_prepend(str(FUZZ.parent))
    import fuzz as program

    files = program.small_models()[0]
    program.write(tmp_path, files)
    honest = program.load
    program.tracemalloc.start()
    try:
        for loader, outcome in [
            (lambda folder: 1 / 0, "ZeroDivisionError"),
            (lambda folder: 1 / (lambda: program.sys.exit())(), "SystemExit"),
            (lambda folder: raised("two\nlines"), "message"),
            (lambda folder: raised("x" * 1000), "message"),
            (lambda folder: with_nan(honest(folder)), "AssertionError"),
            (honest, "loaded"),
        ]:
            monkeypatch.setattr(program, "load", loader)
            assert program.attempt(tmp_path)[0] == outcome
        monkeypatch.setattr(program, "load", lambda folder: [honest(folder), bytes(9 << 20)][0])
        assert program.attempt(tmp_path)[2] > 9 << 20
    finally:
        program.tracemalloc.stop()


def raised(message):
    from minisora.checkpoint import CheckpointError

    raise CheckpointError(message)


def with_nan(pretrained):
    next(pretrained.model.parameters())[1].data.flat[0] = float("nan")
    return pretrained
