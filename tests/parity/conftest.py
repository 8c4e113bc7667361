"""Torch's parameters in minisora's layout, both sides run on the same numbers, and the comparison of what came out.

Sizes, masks, parameters and upstream gradients are drawn from a seed, anew for every test. Torch is in the extra
``parity``; without it the test files of this folder skip themselves.
"""

import zlib
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from minisora.gradcheck.errors import largest_entry, relative_error

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    torch = nn = None

SEEDS = range(12)
TOLERANCE = 1e-10
VANISHING = "w_k.bias"  # adds the same to all scores of a row, which softmax does not see: the true gradient is 0

NAMES = {"self_attn": "self_attention", "multihead_attn": "cross_attention", "out_proj": "w_o"}
NAMES |= {"linear1": "feed_forward.w_1", "linear2": "feed_forward.w_2"}
NAMES |= {"norm1": "norm_1", "norm2": "norm_2", "norm3": "norm_3"}


class Pass(NamedTuple):
    """What one forward and one backward gave."""

    out: Any
    grads: dict[str, Any]  # of the inputs, "dx", and of the parameters, "w_q.weight", in minisora's layout


# --- drawing a configuration ------------------------------------------------------------------------------------------


def draw_sizes(rng, count, smallest=2):
    """Different sizes, so that no exchanged axis passes; at least two keys, as a lone one has weight 1 whatever q."""
    return rng.choice(np.arange(smallest, smallest + 7), count, replace=False).tolist()


def draw_key_mask(rng, batch, sources, causal=False):
    """(B, S) bool, True = may be attended, with holes; every query sees a key, where torch would give NaN.

    The first sequence sees all: were there one key for everybody, the gradients of q and k would vanish.
    """
    key_mask = rng.random((batch, sources)) < 0.6
    key_mask[np.arange(batch), 0 if causal else rng.integers(0, sources, batch)] = True
    key_mask[0] = True
    return key_mask


def hidden(mask):
    """The mask in torch's convention for nn.MultiheadAttention: True = hidden."""
    return None if mask is None else torch.from_numpy(~mask)


def past(targets, sources):
    """(T, S), True = may be attended: query t sees keys s <= t + (S - T), aligned at the bottom right."""
    return np.tril(np.ones((targets, sources), bool), sources - targets)


# --- torch's parameters and gradients in minisora's layout ------------------------------------------------------------


def in_our_layout(module, read):
    """Dict of minisora's names and axes; ``read`` takes from a torch parameter its value or its gradient."""
    arrays = {}
    for path, part in module.named_modules():
        prefix = "".join(f"{NAMES.get(word, word)}." for word in path.split(".") if word)
        own = {name: read(parameter) for name, parameter in part.named_parameters(recurse=False)}
        arrays |= {prefix + name: array for name, array in rearranged(part, own).items()}
    return arrays


def rearranged(part, own):
    """The arrays of one torch module, without those inside it, by minisora's names."""
    if isinstance(part, nn.Linear):
        return {name: array.T for name, array in own.items()}  # weight: (d_out, d_in) to (d_in, d_out)
    if isinstance(part, nn.Embedding):
        return {"table": own["weight"]}
    if isinstance(part, nn.LayerNorm):
        return {"gamma": own["weight"], "beta": own["bias"]}
    if isinstance(part, nn.MultiheadAttention):  # (3D, D): queries, keys, values
        thirds = {name.removeprefix("in_proj_"): np.split(array, 3) for name, array in own.items()}
        projections = enumerate(("w_q", "w_k", "w_v"))
        return {f"{w}.{name}": third[i].T for i, w in projections for name, third in thirds.items()}
    assert not own, f"no rule for the parameters of {type(part).__name__}"
    return {}


def randomize(module, rng):
    """Draw every parameter of a torch module, gamma around 1 and biases away from 0; return the module."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            shape = tuple(parameter.shape)
            is_gamma = isinstance(part, nn.LayerNorm) and name == "weight"
            values = rng.normal(is_gamma, shape[-1] ** -0.5 if len(shape) == 2 else 0.5, shape)
            parameter.detach().copy_(torch.from_numpy(values))
    return module


def move_parameters(module, layer):
    """Give a minisora layer the parameters of a torch module; all must have a partner of the same shape."""
    values, parameters = in_our_layout(module, value_of), dict(layer.parameters())
    assert parameters.keys() == values.keys()
    for name, parameter in parameters.items():
        assert parameter.data.shape == values[name].shape, name
        parameter.data[...] = values[name]


def value_of(tensor):
    return tensor.detach().numpy()


def grad_of(tensor):
    return tensor.grad.numpy()


# --- both sides on the same numbers -----------------------------------------------------------------------------------


def run_torch(call, module, inputs, rng):
    """Return torch's Pass and the random upstream gradient; integer inputs (ids) get no gradient."""
    tensors = {name: torch.tensor(x, requires_grad=x.dtype == np.float64) for name, x in inputs.items()}
    out = call(*tensors.values())
    dout = rng.normal(size=tuple(out.shape))
    out.backward(torch.from_numpy(dout))
    grads = {f"d{name}": grad_of(tensor) for name, tensor in tensors.items() if tensor.requires_grad}
    return Pass(value_of(out), grads | ({} if module is None else in_our_layout(module, grad_of))), dout


def run_ours(layer, inputs, dout, options):
    """Return minisora's Pass."""
    out, cache = layer.forward(*inputs.values(), **options)
    dinputs = layer.backward(dout, cache)
    dinputs = dinputs if isinstance(dinputs, tuple) else (dinputs,)
    grads = {f"d{name}": dx for name, dx in zip(inputs, dinputs, strict=True) if dx is not None}
    return Pass(out, grads | {name: parameter.grad for name, parameter in layer.parameters()})


def run_both(layer, module, inputs, rng, *, call=None, **options):
    """Return minisora's and torch's Pass over the same inputs, parameters and random upstream gradient.

    ``options`` go to the layer's forward. Torch computes ``call(*inputs)``, which is the module itself when None; the
    module is None where there are no parameters.
    """
    if module is not None:
        move_parameters(randomize(module, rng), layer)
    theirs, dout = run_torch(call or module, module, inputs, rng)
    return run_ours(layer, inputs, dout, options), theirs


# --- the comparison ---------------------------------------------------------------------------------------------------


def assert_close(ours, theirs):
    """Compare two dicts of arrays; each is measured against its own largest entry, see `relative_error`.

    A gradient that is truly 0 is rounding on both sides and has no relative error: it must be 0 beside the others.
    """
    assert ours.keys() == theirs.keys()
    largest = max(largest_entry(array) for array in theirs.values())
    assert largest > 0, "nothing to compare: torch gave zeros alone"
    errors = {}
    for name, array in theirs.items():
        if name.endswith(VANISHING):
            assert largest_entry(ours[name]) <= 1e-14 * largest, name
        else:
            errors[name] = relative_error(ours[name], array, largest)
    assert max(errors.values()) <= TOLERANCE, sorted(errors.items(), key=lambda item: -item[1])[:5]


def assert_parity(ours, theirs):
    """Compare two Pass: the outputs are one check, all gradients together another."""
    assert_close({"out": ours.out}, {"out": theirs.out})
    assert_close(ours.grads, theirs.grads)


def hold(*arguments, **options):
    """`run_both`, then `assert_parity`."""
    assert_parity(*run_both(*arguments, **options))


@pytest.fixture
def parity():
    """What the tests of this folder need; test files cannot import each other."""
    tools = (draw_sizes, draw_key_mask, hidden, past, randomize, move_parameters)
    tools += (run_both, assert_close, assert_parity, hold, Pass)
    return SimpleNamespace(**{tool.__name__: tool for tool in tools})


@pytest.fixture(params=SEEDS, ids="seed-{}".format)
def rng(request):
    """A generator for each seed, and another for each test."""
    return np.random.default_rng([request.param, zlib.crc32(request.node.name.encode())])
