"""Long compilations are announced, once for each kernel and dtype."""

import time

import pytest

from minisora.kernels import compilation
from minisora.kernels.compilation import announced


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(compilation, "_PATIENCE", 0.05)
    monkeypatch.setattr(compilation, "_known", set())


def test_a_second_is_not_long(capsys):
    assert compilation._PATIENCE == 1.0
    with announced("a kernel of this test", "float32"):
        pass
    assert ("a kernel of this test", "float32") in compilation._known
    assert capsys.readouterr().err == ""


def test_a_long_first_call_is_announced_and_the_second_is_not(impatient, capsys):
    for _ in range(2):
        with announced("the kernel", "float32"):
            time.sleep(0.3)
    printed = capsys.readouterr()
    assert printed.err == (
        "minisora: compiling the kernel the kernel for float32; it is kept on disk for the next time\n"
    )
    assert printed.out == ""


def test_each_kernel_and_dtype_has_a_first_call(impatient, capsys):
    for name, dtype in (("a", "float32"), ("a", "float64"), ("b", "float32")):
        with announced(name, dtype):
            time.sleep(0.3)
    assert capsys.readouterr().err.count("compiling") == 3


def test_a_short_call_is_not_announced(impatient, capsys):
    with announced("a", "float32"):
        pass
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_a_call_that_fails_is_tried_again(impatient, capsys):
    with pytest.raises(ZeroDivisionError), announced("a", "float32"):
        raise ZeroDivisionError
    time.sleep(0.3)
    assert capsys.readouterr().err == ""
    with announced("a", "float32"):
        time.sleep(0.3)
    assert "compiling" in capsys.readouterr().err
