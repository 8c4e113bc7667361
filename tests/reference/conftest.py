"""Reading the frozen arrays, and holding a layer against them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minisora.gradcheck.errors import largest_entry, relative_error

TOLERANCE = 1e-10
VANISHING = "w_k.bias"  # adds the same to all scores of a row, which softmax does not see: the true gradient is 0


def read_case(file, name):
    """One case of ``file.npz``: dicts inputs, masks, parameters, dinputs, grads; arrays out, dout, losses."""
    with np.load(Path(__file__).parent / f"{file}.npz", allow_pickle=False) as archive:
        arrays = {}
        for prefix in ("shared/", f"{name}/"):
            arrays |= {key.removeprefix(prefix): archive[key] for key in archive if key.startswith(prefix)}
        assert any(key.startswith(f"{name}/") for key in archive), f"no case {name} in {file}.npz"

    def group(prefix):
        return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}

    return SimpleNamespace(
        inputs=group("in/"), masks=group("mask/"), parameters=group("parameter/"), dinputs=group("din/"),
        grads=group("grad/"), **{key: arrays[key] for key in ("out", "dout", "losses") if key in arrays},
    )  # fmt: skip


def set_parameters(layer, values):
    """Give a layer the frozen parameters; it must have exactly these names."""
    parameters = dict(layer.parameters())
    assert parameters.keys() == values.keys()
    for name, parameter in parameters.items():
        assert parameter.data.shape == values[name].shape, name
        parameter.data[...] = values[name]


def assert_close(ours, frozen, tolerance=TOLERANCE):
    """Compare two dicts of arrays, each tensor relative to its largest entry; all of them together are one check.

    A gradient that is truly 0 is rounding on both sides and has no relative error: it must be 0 beside the others.
    """
    assert ours.keys() == frozen.keys()
    largest = max(largest_entry(array) for array in frozen.values())
    zeros = {name for name in frozen if name.endswith(VANISHING)}
    assert all(largest_entry(ours[name]) <= 1e-14 * largest for name in zeros)
    errors = {name: relative_error(ours[name], frozen[name], largest) for name in frozen if name not in zeros}
    assert max(errors.values()) <= tolerance, sorted(errors.items(), key=lambda item: -item[1])[:5]


def hold(layer, case, *arguments, **options):
    """Forward and backward of a layer, called with ``arguments``, against one case: output and every gradient."""
    set_parameters(layer, case.parameters)
    out, cache = layer.forward(*arguments, **case.masks, **options)
    assert out.shape == case.out.shape
    assert_close({"out": out}, {"out": case.out})
    dinputs = layer.backward(case.dout, cache)
    dinputs = dinputs if isinstance(dinputs, tuple) else (dinputs,)
    found = {f"d{name}": array for name, array in zip(case.inputs, dinputs, strict=True) if name in case.dinputs}
    found |= {name: parameter.grad for name, parameter in layer.parameters()}
    assert_close(found, {f"d{name}": array for name, array in case.dinputs.items()} | case.grads)


@pytest.fixture
def frozen():
    """What the tests of this folder need: ``read_case``, ``set_parameters``, ``assert_close``, ``hold``."""
    return SimpleNamespace(read_case=read_case, set_parameters=set_parameters, assert_close=assert_close, hold=hold)
