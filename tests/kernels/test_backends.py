"""The list of backends."""

import subprocess
import sys

import numpy as np
import pytest

from minisora.kernels import attention_backward, attention_forward, auto_attention, backend_names, get_backend
from minisora.kernels.auto_attention import picked


def test_the_specification_comes_first():
    host = ["numpy", "numba-loops", "numba-tiles", "numba-blas", "numba"]
    gpu = ["cuda-naive", "cuda-tiled", "cuda-3xtf32", "cuda", "cuda-fp16", "cuda-bf16"]
    gpu += ["cuda-hopper-fp16", "cuda-hopper-bf16"]
    assert backend_names() == host + gpu
    assert backend_names("cpu") == host
    assert backend_names("cuda") == ["numpy", *gpu]
    assert get_backend("numpy") == ("numpy", attention_forward, attention_backward)


@pytest.mark.parametrize("name", backend_names("cpu"))
def test_each_is_a_pair_of_functions_of_its_module(name):
    backend = get_backend(name)
    module = {"numpy": "numpy_attention", "numba": "numba_attention"}.get(name, name.replace("-", "_"))
    assert backend.name == name
    assert backend.forward.__module__ == backend.backward.__module__ == f"minisora.kernels.{module}"
    assert (backend.forward.__name__, backend.backward.__name__) == ("attention_forward", "attention_backward")


@pytest.mark.parametrize(("length", "name"), [(7, "numpy"), (1023, "numpy"), (1024, "numba")])
def test_auto_picks_by_size(length, name):
    shape = (2, 8, length, 64)
    q = np.zeros(shape, np.float32)
    assert picked(q, q) == name
    assert picked(q.astype(complex), q) == "numpy"


def test_auto_is_what_it_picks(rng, monkeypatch):
    q, k, v, dout = rng.normal(size=(4, 2, 3, 7, 5))
    auto = get_backend("auto")
    for name, large in (("numpy", 1 << 32), ("numba", 1)):
        monkeypatch.setattr(auto_attention, "LARGE", large)
        chosen = get_backend(name)
        (out, cache), (expected, expected_cache) = (b.forward(q, k, v, causal=True) for b in (auto, chosen))
        np.testing.assert_array_equal(out, expected)
        for a, b in zip(auto.backward(dout, cache), chosen.backward(dout, expected_cache), strict=True):
            np.testing.assert_array_equal(a, b)


def test_auto_refuses_what_the_specification_refuses():
    for function in (get_backend("auto").forward, attention_forward):
        with pytest.raises(ValueError, match="attention expects q"):
            function(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3)))
        with pytest.raises(ValueError, match="attention expects q"):
            function(np.ones((2, 3, 5, 7)), np.ones((2, 3, 5, 7)), np.ones((2, 3)))


def test_an_unknown_name_is_refused():
    with pytest.raises(
        ValueError, match=r"'fast', expected one of: auto, numpy, numba-loops, .*, cuda-hopper-fp16, cuda-hopper-bf16"
    ):
        get_backend("fast")


def test_numba_is_imported_when_it_is_asked_for():
    code = "import sys, minisora.model; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_backend_that_cannot_run_names_what_to_install():
    code = (
        "import sys; sys.modules['scipy'] = None\n"
        "from minisora.kernels import get_backend\n"
        "get_backend('numba-tiles')\n"
        "get_backend('numba-blas')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert result.returncode == 1
    assert "ValueError: the backend 'numba-blas' needs SciPy: pip install 'minisora[blas]'" in result.stderr


@pytest.mark.parametrize("name", backend_names("cuda")[1:])
def test_without_cupy_a_gpu_backend_says_what_to_install(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ValueError, match=rf"the backend '{name}' needs CuPy: pip install 'minisora\[cuda12\]' or"):
        get_backend(name)
