import sys
from types import ModuleType

import numpy as np
import pytest

from minisora.kernels import array_module


@pytest.mark.parametrize("array", [np.zeros((2, 3)), np.float32(1), np.zeros(3, int)])
def test_numpy(array):
    assert array_module(array) is np


def test_an_array_of_cupy_belongs_to_cupy(monkeypatch):
    cupy = ModuleType("cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    array = type("ndarray", (), {"__module__": "cupy._core.core"})()
    assert array_module(array) is cupy


@pytest.mark.parametrize(("wrong", "name"), [(None, "NoneType"), ([1.0, 2.0], "list"), (3.0, "float")])
def test_what_is_no_array_is_refused(wrong, name):
    with pytest.raises(TypeError, match=f"expected an array of NumPy or CuPy, got {name}"):
        array_module(wrong)
