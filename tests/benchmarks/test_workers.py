"""Processes that take turns."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minisora.benchmarks.workers import Worker, memory_beyond, peak_memory_mib, take_turns

TASKS = """
import os, time

def prepare(start, megabytes=0):
    count, held = start, b"x" * (megabytes << 20)
    print("noise on standard output")

    def task():
        nonlocal count
        count += 1
        time.sleep(0.01 * (count == start + 1))
        return {"count": count, "threads": os.environ["OPENBLAS_NUM_THREADS"], "process": os.getpid()}

    return task

def sleeper():
    calls = []

    def task():
        calls.append(None)
        time.sleep(60 * (len(calls) > 1))
        return os.getpid()

    return task

def broken():
    def task():
        raise RuntimeError("not today")
    return task
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """A module of tasks that the other process can import."""
    (tmp_path / "worker_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return "worker_tasks"


def test_turns_go_on_in_one_process_each_and_leave_out_the_warm_up(tasks):
    workers = {"a": (f"{tasks}:prepare", {"start": 0}, 3), "b": (f"{tasks}:prepare", {"start": 10, "megabytes": 50}, 1)}
    turns = take_turns(workers, rounds=3, warm_up=2)
    assert turns["a"].value["count"] == 5 and turns["b"].value["count"] == 15
    assert turns["a"].value["threads"] == "3" and turns["b"].value["threads"] == "1"
    assert len({turns["a"].value["process"], turns["b"].value["process"], os.getpid()}) == 3
    for turn in turns.values():
        assert turn.fastest <= turn.seconds <= turn.slowest < 5


def test_a_turn_of_some_length_runs_the_task_again_and_again(tasks):
    with Worker(f"{tasks}:prepare", {"start": 0}, 1) as worker:
        assert worker.run()["value"]["count"] == 1
        reply = worker.run(at_least=0.2)
        assert reply["value"]["count"] > 3
        assert 0 < reply["seconds"] < 0.1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("megabytes", [0, 40])
def test_memory_beyond_what_is_returned(megabytes):
    def run():
        out, scratch = np.empty(30 << 17), np.ones((megabytes << 17) + 1)
        out[:] = scratch.sum()
        return (out,)

    assert abs(memory_beyond(run) - megabytes) < 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_is_the_process_own(tasks):
    held = b"x" * (300 << 20)  # by us, before the worker starts
    workers = {
        "light": (f"{tasks}:prepare", {"start": 0}, 1),
        "heavy": (f"{tasks}:prepare", {"start": 0, "megabytes": 99}, 1),
    }
    turns = take_turns(workers, rounds=1, warm_up=0)
    assert len(held) and peak_memory_mib() > 300
    assert 3 < turns["light"].peak_memory_mib < 250
    assert turns["heavy"].peak_memory_mib - turns["light"].peak_memory_mib > 60


def test_a_worker_that_dies_is_one_sentence(tasks, capfd):
    with Worker(f"{tasks}:broken", {}, 1) as worker, pytest.raises(ValueError, match="broken ended with code 1"):
        worker.run()
    assert "not today" in capfd.readouterr().err


PARENT = """
from minisora.benchmarks.workers import Worker
worker = Worker("worker_tasks:sleeper", {}, 1)
print(worker.run()["value"], flush=True)
worker.run()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system must tell a process that its parent ended")
def test_a_worker_ends_with_its_parent(tasks):
    """A benchmark that is killed in the midst of a turn leaves nobody behind who goes on writing into its folder."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, encoding="utf-8")
    worker = int(parent.stdout.readline())
    assert is_running(worker)
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(number):
    """Whether a process is there, and no zombie."""
    path = Path(f"/proc/{number}/stat")
    return path.exists() and path.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
