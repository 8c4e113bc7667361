"""Mutation testing itself: which mutants there are, that one is noticed, and that what changes nothing survives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="mutation testing needs the extra mutation")
HERE = Path(__file__).parent


def python(code):
    """Run code beside the scripts, in a process that has not imported minisora; return what it prints as JSON."""
    ready = f"import sys, json; sys.path.insert(0, {str(HERE)!r}); import run; from dataclasses import replace\n"
    done = subprocess.run([sys.executable, "-c", ready + code], capture_output=True, text=True, cwd=HERE.parents[1])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_change_is_made_once_and_messages_are_spared():
    mutants = python(
        "print(json.dumps([[m.before, m.after, m.nth] for m in run.mutants_of(run.ROOT / 'kernels/array_module.py')]))"
    )
    assert ['return sys.modules["cupy"]', 'return sys.modules["CUPY"]', 0] in mutants
    assert len({tuple(mutant) for mutant in mutants}) == len(mutants)
    assert not any("expected an array" in before for before, _, _ in mutants)


@pytest.mark.slow
def test_a_change_is_noticed_and_none_is_not():
    noticed, unnoticed = python(
        "run.TESTS = ['kernels']\n"
        "mutants = run.mutants_of(run.ROOT / 'kernels/array_module.py')\n"
        "(mutant,) = (mutant for mutant in mutants if mutant.after.endswith('[\"CUPY\"]'))\n"
        "same = replace(mutant, source=(run.ROOT / mutant.file).read_text(encoding='utf-8'))\n"
        "print(json.dumps([run.killed_by(mutant), run.killed_by(same)]))"
    )
    assert noticed.endswith("test_array_module.py::test_an_array_of_cupy_belongs_to_cupy")
    assert unnoticed is None


def test_a_module_that_cannot_be_imported_is_noticed():
    broken = python(
        "run.TESTS = ['kernels']\n"
        "mutant = replace(run.mutants_of(run.ROOT / 'kernels/array_module.py')[0], source='raise ImportError')\n"
        "print(json.dumps(run.killed_by(mutant)))"
    )
    assert "import" in broken or "exit status" in broken


@pytest.mark.slow
def test_every_known_survivor_is_still_a_mutant():
    stale = python(
        "there = {m.key for path in run.SOURCES for m in run.mutants_of(path)}\n"
        "print(json.dumps([list(key) for key in run.known_survivors() if key not in there]))"
    )
    assert stale == []
