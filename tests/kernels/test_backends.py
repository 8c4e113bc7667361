"""The list of backends."""

import subprocess
import sys

import pytest

from minisora.kernels import attention_backward, attention_forward, backend_names, get_backend


def test_the_specification_comes_first():
    assert backend_names() == ["numpy", "numba-loops", "numba-tiles", "numba"]
    assert get_backend("numpy") == ("numpy", attention_forward, attention_backward)


@pytest.mark.parametrize("name", backend_names())
def test_each_is_a_pair_of_functions_of_its_module(name):
    backend = get_backend(name)
    module = {"numpy": "numpy_attention", "numba": "numba_attention"}.get(name, name.replace("-", "_"))
    assert backend.name == name
    assert backend.forward.__module__ == backend.backward.__module__ == f"minisora.kernels.{module}"
    assert (backend.forward.__name__, backend.backward.__name__) == ("attention_forward", "attention_backward")


def test_auto_tells_what_it_is():
    assert get_backend("auto").name in backend_names()


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'fast', expected one of: auto, numpy, numba-loops, numba-tiles, numba"):
        get_backend("fast")


def test_numba_is_imported_when_it_is_asked_for():
    code = "import sys, minisora.model; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
