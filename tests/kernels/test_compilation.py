"""Long compilations are announced, once for each kernel and dtype; what is read from disk is not."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from minisora.kernels import compilation
from minisora.kernels.compilation import announced, drop_stale


class Kernel:
    """Tells, as Numba's do, how often it was compiled for each signature."""

    def __init__(self):
        self.stats = SimpleNamespace(cache_misses={"another signature": 1})

    def compile(self, seconds=0.0):
        self.stats.cache_misses["this one"] = 1
        time.sleep(seconds)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(compilation, "_PATIENCE", 0.05)
    monkeypatch.setattr(compilation, "_known", set())


def test_a_second_is_not_long(capsys):
    assert compilation._PATIENCE == 1.0
    with announced("a kernel of this test", "float32", Kernel()):
        pass
    assert ("a kernel of this test", "float32") in compilation._known
    assert capsys.readouterr().err == ""


def test_a_long_compilation_is_announced_and_the_second_call_is_not(impatient, capsys):
    for _ in range(2):
        kernel = Kernel()
        with announced("the kernel", "float32", kernel):
            kernel.compile(0.3)
    printed = capsys.readouterr()
    assert printed.err == (
        "minisora: compiling the kernel the kernel for float32; it is kept on disk for the next time\n"
    )
    assert printed.out == ""


def test_a_long_call_that_compiles_nothing_is_not_announced(impatient, capsys):
    with announced("the kernel", "float32", Kernel()):
        time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_each_kernel_and_dtype_has_a_first_call(impatient, capsys):
    for name, dtype in (("a", "float32"), ("a", "float64"), ("b", "float32")):
        kernel = Kernel()
        with announced(name, dtype, kernel):
            kernel.compile(0.3)
    assert capsys.readouterr().err.count("compiling") == 3


def test_two_threads_that_wait_for_one_compilation_hear_of_it_once(impatient, capsys):
    kernel = Kernel()
    with announced("a", "float32", kernel), announced("a", "float32", kernel):
        kernel.compile(0.3)
    assert capsys.readouterr().err.count("compiling") == 1


def test_a_short_compilation_is_not_announced(impatient, capsys):
    kernel = Kernel()
    with announced("a", "float32", kernel):
        kernel.compile()
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_a_call_that_fails_is_tried_again(impatient, capsys):
    kernel = Kernel()
    with pytest.raises(ZeroDivisionError), announced("a", "float32", kernel):
        kernel.compile()
        raise ZeroDivisionError
    time.sleep(0.3)
    assert capsys.readouterr().err == ""
    kernel = Kernel()
    with announced("a", "float32", kernel):
        kernel.compile(0.3)
    assert "compiling" in capsys.readouterr().err


def test_a_launch_is_announced_with_its_kernel_and_dtype(impatient, capsys):
    class Launched(Kernel):
        def __call__(self, progress, seconds):
            self.compile(seconds)

    compilation.launch("the kernel", Launched(), "float64", 0, 0.3)
    assert "compiling the kernel the kernel for float64;" in capsys.readouterr().err


def test_numba_tells_of_its_compilations(tmp_path):
    """The same program twice: the first compiles, the second reads from disk."""
    (tmp_path / "numba_slow.py").write_text(
        "from numba import njit\n"
        "@njit(cache=True)\n"
        "def slow(progress, x):\n"
        "    return x.copy().sum() + x.reshape(-1).max()\n"
    )
    (tmp_path / "call.py").write_text(
        "import numpy as np, time\n"
        "from minisora.kernels import compilation\n"
        "from numba_slow import slow\n"
        "compilation._PATIENCE = 0.2\n"
        "with compilation.announced('slow', 'float64', slow):\n"
        "    slow(None, np.ones((2, 3)))\n"
        "    time.sleep(0.5)\n"
    )
    errors = [
        subprocess.run([sys.executable, "call.py"], cwd=tmp_path, capture_output=True, check=True).stderr
        for _ in range(2)
    ]
    assert b"compiling the kernel slow for float64" in errors[0]
    assert errors[1] == b""


def test_what_was_compiled_from_other_sources_is_forgotten(tmp_path):
    cache = tmp_path / "__pycache__"
    (tmp_path / "numba_a.py").write_text("1")
    drop_stale(tmp_path)
    for name in ("numba_a.f.nbi", "numba_b.g.1.nbc", "other.pyc"):
        (cache / name).touch()
    drop_stale(tmp_path)
    assert len(list(cache.iterdir())) == 4
    (tmp_path / "numba_a.py").write_text("22")
    drop_stale(tmp_path)
    assert sorted(path.name for path in cache.iterdir()) == ["kernels.stamp", "other.pyc"]


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path):
    """Where `__pycache__` is a file, nothing can be kept, and nothing is stale."""
    (tmp_path / "numba_one.py").write_text("x = 1\n")
    (tmp_path / "__pycache__").write_text("not a folder")
    drop_stale(tmp_path)
    assert (tmp_path / "__pycache__").read_text() == "not a folder"


def test_a_kernel_that_calls_what_has_changed_is_compiled_again(tmp_path):
    """The reason for all this: Numba alone would give the old answer."""
    package = tmp_path / "kernels_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from pathlib import Path\n"
        "from minisora.kernels.compilation import drop_stale\n"
        "drop_stale(Path(__file__).parent)\n"
    )
    (package / "numba_outer.py").write_text(
        "from numba import njit\n"
        "from kernels_of_this_test.numba_inner import inner\n"
        "@njit(cache=True)\n"
        "def outer(x):\n"
        "    return inner(x) + 1\n"
    )
    command = [sys.executable, "-c", "from kernels_of_this_test.numba_outer import outer; print(outer(5))"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    for factor, expected in ((2, "11"), (2, "11"), (30, "151")):
        (package / "numba_inner.py").write_text(f"from numba import njit\ninner = njit(lambda x: {factor} * x)\n")
        result = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
        assert result.stdout.strip() == expected
