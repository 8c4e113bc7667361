"""When a training is asked to end."""

import os
import signal
import threading

import pytest

from minisora.training.stopping import Stopping


def test_nothing_happens():
    with Stopping() as stopping:
        assert stopping.reason() is None


def test_a_second_interrupt_does_not_wait():
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping.reason() == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_leave_signals_alone():
    former, inside = signal.getsignal(signal.SIGINT), []

    def work():
        with Stopping(max_minutes=0) as stopping:
            inside.extend([signal.getsignal(signal.SIGINT), stopping.reason()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [former, "max_minutes"]
