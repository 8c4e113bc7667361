"""Jobs are shared among threads: every one is done once, by as many threads as are worth it."""

import gc
import os
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from numba import njit

from minisora.kernels import threads
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.threads import at_most, num_threads, share, usable_cores


@pytest.fixture(autouse=True)
def three(monkeypatch):
    monkeypatch.setenv("MINISORA_NUM_THREADS", "3")


@njit(nogil=True)
def count_up(progress, done, work):
    """done[job] += 1, after some work."""
    for job in jobs(progress.ctypes.data, done.size):
        total = 0.0
        for i in range(work):
            total += np.sqrt(i + job)
        done[job] += 1 + 0 * total


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 1000])
@pytest.mark.parametrize("cost", [0, 1e9])
def test_every_job_is_done_once(count, cost):
    for work in (0, 1000):
        done = np.zeros(count)
        share(count_up, cost, done, work)
        np.testing.assert_array_equal(done, 1)


def test_a_kernel_lets_go_of_its_arguments():
    """A generator of Numba keeps the arrays that it is given for ever, hence the address in their place."""
    arrays = np.zeros(3, np.int64), np.zeros(5)
    count_up(*arrays, 1)
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(10):
        arrays[0][:] = 0
        count_up(*arrays, 1)
    assert [sys.getrefcount(array) for array in arrays] == before


class Meeting:
    """A kernel that waits in its first call of each thread until as many have come as are expected."""

    def __init__(self, expected):
        self.barrier = threading.Barrier(expected, timeout=30)
        self.names = []

    def __call__(self, progress):
        self.names.append(threading.current_thread().name)
        self.barrier.wait()


@pytest.mark.parametrize(("cost", "expected"), [(0, 1), (99_999, 1), (100_000, 2), (1e9, 3)])
def test_as_many_threads_as_the_work_is_worth_at_the_same_time(cost, expected):
    meeting = Meeting(expected)
    share(meeting, cost)
    assert len(set(meeting.names)) == expected
    assert threading.current_thread().name in meeting.names


def test_the_environment_and_the_cores_give_the_number(monkeypatch):
    assert num_threads() == 3
    monkeypatch.delenv("MINISORA_NUM_THREADS")
    assert num_threads() == usable_cores()


def test_cores_are_those_that_may_be_used_or_else_all(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7, 8, 9}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 11)
    assert usable_cores() == 5
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 11


def test_helpers_have_names_and_do_not_outlive_the_program():
    share(Meeting(3), 1e9)
    helpers = {thread.name: thread for thread in threading.enumerate() if thread.name.startswith("minisora-kernel-")}
    assert {"minisora-kernel-0", "minisora-kernel-1"} <= helpers.keys()
    assert all(helper.daemon for helper in helpers.values())


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_another_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("MINISORA_NUM_THREADS", text)
    with pytest.raises(ValueError, match=f"MINISORA_NUM_THREADS is expected to be a positive integer, got '{text}'"):
        num_threads()


def test_a_block_allows_fewer_for_its_own_thread_and_never_more():
    seen = []
    with at_most(2):
        assert num_threads() == 2
        other = threading.Thread(target=lambda: seen.append(num_threads()))
        other.start()
        other.join()
        with at_most(1):
            share(Meeting(1), 1e9)
        assert num_threads() == 2
        with at_most(9):
            assert num_threads() == 2
    with at_most(9):
        assert num_threads() == 3
    assert (num_threads(), seen) == (3, [3])
    with pytest.raises(ValueError, match="a number of threads is expected to be positive, got 0"), at_most(0):
        pass


def test_after_an_error_nobody_works_on():
    finished = []

    def kernel(progress):
        if threading.current_thread() is threading.main_thread():
            raise KeyError("here")
        time.sleep(0.2)
        finished.append(True)

    with pytest.raises(KeyError, match="here"):
        share(kernel, 1e9)
    assert finished == [True, True]


def test_an_error_of_a_helper_is_told_and_the_helper_lives_on():
    def kernel(progress):
        progress[2] = 1  # a job that the helper would have to do
        if threading.current_thread().name.startswith("minisora-kernel"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        share(kernel, 1e9)
    share(Meeting(3), 1e9)


def test_nothing_is_kept_alive_by_a_helper_that_waits():
    class Kept:
        pass

    kept = Kept()
    reference = weakref.ref(kept)
    meeting = Meeting(3)
    share(lambda progress, _: meeting(progress), 1e9, kept)
    del kept
    for _ in range(100):
        gc.collect()
        if reference() is None:
            break
        threading.Event().wait(0.01)
    assert reference() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_helpers_of_its_own():
    share(Meeting(3), 1e9)
    child = os.fork()
    if child == 0:
        share(Meeting(3), 1e9)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_helpers_are_kept():
    share(Meeting(3), 1e9)
    kept = list(threads._queues)
    share(Meeting(3), 1e9)
    assert threads._queues == kept
