"""Why a gradient is wrong: only what explains the error to a residual below one millionth is said."""

import numpy as np

from minisora.gradcheck.errors import largest_entry
from minisora.gradcheck.first_wrong import numerical_gradient

RESIDUAL = 1e-6
_SMALL = 3_000  # entries: larger tensors are not differentiated again for a hypothesis


def hints(step):
    """Return what would explain a `WrongStep`, one sentence each; most often none or one.

    Factors come from the sizes of the layer; where two of them have the same value, both are named.
    """
    claimed, true = step.claimed, step.true
    if true is None or not isinstance(claimed, np.ndarray) or not np.isfinite(claimed).all() or not true.any():
        return ()
    if claimed.shape != true.shape:
        return _unsummed(step)
    if stateful := _kept_in_the_layer(step):
        return stateful
    if not claimed.any():
        return (f"{step.name} is 0 everywhere: nothing is added to it",)
    return _factor(step) or _transposed(step) or _partial(step)


def _explains(hypothesis, claimed):
    return largest_entry(hypothesis - claimed) < RESIDUAL * largest_entry(claimed)


def _unsummed(step):
    if step.claimed.shape[1:] == step.true.shape and _explains(step.claimed.sum(axis=0), step.true):
        return (f"{step.name} summed over its first axis is right: a missing sum over the batch",)
    return ()


def _factor(step):
    claimed, true = step.claimed, step.true
    factor = float((claimed * true).sum() / (true * true).sum())
    if not factor or not _explains(factor * true, claimed):
        return ()
    reasons = [text for value, text in _known_factors(step) if abs(value - factor) < RESIDUAL * abs(factor)]
    reason = " or ".join(dict.fromkeys(reasons))
    return (f"{step.name} is {factor:.6g} times the true gradient" + (reason and f": {reason}"),)


def _known_factors(step):
    """Yield ``(factor, what it would mean)``."""
    yield -1.0, "the wrong sign"
    yield 2.0, "counted twice, or a factor 1/2 missing"
    yield 0.5, "only half of it, or a factor 2 missing"
    if scale := step.probe.masks.get("scale"):
        yield 1 / scale, f"a missing factor scale ({scale:g})"
        yield float(scale), f"multiplied by scale once too often ({scale:g})"
    for name, size in _sizes(step.probe, step.dout).items():
        if size > 1 or 0 < size < 1:
            yield float(size), f"a missing 1/{name} ({name} = {size:g})"
            yield 1 / size, f"divided by {name} once too often ({name} = {size:g})"


def _sizes(probe, dout):
    """Return the quantities that formulas divide by, by name."""
    first = next(iter(probe.inputs.values()))
    sizes = {"B": first.shape[0]} if first.ndim > 1 else {}
    if first.ndim == 3:
        sizes |= {"T": first.shape[1], "(B T)": first.shape[0] * first.shape[1]}
    heads = getattr(probe.layer, "num_heads", None)
    d_k = first.shape[-1] / heads if heads else first.shape[-1] if {"q", "k", "v"} <= probe.inputs.keys() else None
    if d_k is not None:
        sizes |= {"sqrt(d_k)": d_k**0.5, "d_k": d_k}
    elif first.dtype.kind == "f":
        sizes |= {"D": first.shape[-1], "sqrt(D)": first.shape[-1] ** 0.5}
    else:
        sizes |= {"sqrt(D)": dout.shape[-1] ** 0.5 if dout.ndim else 1}
    if "targets" in probe.inputs:
        targets = probe.inputs["targets"]
        sizes["N"] = int((targets != getattr(probe.layer, "pad_id", -1)).sum())
    return sizes | _kept(probe)


def _kept(probe):
    """The probability that dropout keeps a value, where there is dropout."""
    if probe.masks.get("dropout"):
        return {"(1 - p)": 1 - probe.masks["dropout"][0]}
    p = getattr(probe.layer, "p", getattr(probe.layer, "dropout", None))
    return {"(1 - p)": 1 - p} if probe.key is not None and isinstance(p, float) and p else {}


def _transposed(step):
    square = step.true.ndim >= 2 and step.true.shape[-1] == step.true.shape[-2]
    if square and _explains(step.true.swapaxes(-1, -2), step.claimed):
        return (f"{step.name} is the transpose of the true gradient",)
    return ()


def _kept_in_the_layer(step):
    """Whether backward is right when nothing comes between it and its forward."""
    if step.tensor is None:
        return ()
    _, cache = step.probe.forward()
    at_once = step.probe.backward(step.dout, cache)[step.tensor]
    if not _explains(at_once, step.true):
        return ()
    return (f"{step.name} is right when backward follows its forward at once: the layer keeps something of a call",)


def _partial(step):
    """Only one sequence of the batch, or only the last place of each id, where the gradient is a sum over all."""
    if step.tensor is None or step.true.size > _SMALL or step.dout.ndim < 2:
        return ()
    if step.tensor not in step.probe.inputs:
        for row in (0, len(step.dout) - 1):
            only = np.zeros_like(step.dout)
            only[row] = step.dout[row]
            if _explains(numerical_gradient(step.probe, only, step.tensor), step.claimed):
                return (f"{step.name} counts sequence {row} of the batch alone: a missing sum over the batch",)
        return _last_places(step)
    return ()


def _last_places(step):
    for ids in step.probe.inputs.values():
        if ids.dtype.kind in "iu" and step.dout.shape[: ids.ndim] == ids.shape:
            flat = ids.reshape(-1)
            last = flat.size - 1 - np.unique(flat[::-1], return_index=True)[1]
            only = np.zeros_like(step.dout).reshape(flat.size, -1)
            only[last] = step.dout.reshape(flat.size, -1)[last]
            if _explains(numerical_gradient(step.probe, only.reshape(step.dout.shape), step.tensor), step.claimed):
                return (
                    f"{step.name} counts the last place of each repeated id alone: table[ids] += rows drops the others",
                )
    return ()
