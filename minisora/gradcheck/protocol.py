"""The promises of the layer protocol that a gradient check relies on, tried out."""

import numpy as np

from minisora.gradcheck.errors import largest_entry


def protocol_problems(probe, out, dout):
    """Return one sentence for each broken promise: forward is pure, backward adds, shapes and dtypes fit.

    Parameters
    ----------
    probe : Probe
    out : array
        What forward returned once already.
    dout : array
        The upstream gradient, of the same shape.
    """
    before = {name: value.copy() for name, value in [*_arrays(probe).items(), ("dout", dout)]}
    again, cache = probe.forward()
    problems = [] if np.array_equal(out, again) else ["forward gives two different results for the same inputs"]
    once, second = probe.backward(dout, cache), probe.backward(dout, cache)
    problems += _shape_problems(probe, once)
    problems += _alias_problems(probe, out, once)
    for name in once:
        if once[name] is not None and not np.array_equal(once[name], second[name], equal_nan=True):
            problems.append(f"backward gives two different results for {name}: it must not write to its cache")
    for name, gradient in probe.backward_twice(dout, cache).items():
        if not np.allclose(gradient, 2 * once[name], rtol=0, atol=1e-12 * largest_entry(once[name]), equal_nan=True):
            problems.append(f"backward twice does not double the gradient of {name}: it must add, not assign")
    for name, value in [*_arrays(probe).items(), ("dout", dout)]:
        if not np.array_equal(value, before[name]):
            problems.append(f"forward or backward changed {name}")
    return problems


def _arrays(probe):
    """The inputs, parameters and masks, none of which a pass may write to."""
    masks = {name: value for name, value in probe.masks.items() if isinstance(value, np.ndarray)}
    return {**probe.inputs, **probe.variables, **masks}


def _shape_problems(probe, gradients):
    problems = []
    for name, value in probe.variables.items():
        gradient = gradients[name]
        if gradient is None:
            problems.append(f"backward returns no gradient for {name}")
        elif np.shape(gradient) != value.shape or gradient.dtype != value.dtype:
            problems.append(
                f"the gradient of {name} must be {value.dtype} {value.shape}, got {gradient.dtype} {np.shape(gradient)}"
            )
    return problems


def _alias_problems(probe, out, gradients):
    """Arrays that lie in the same memory: whoever adds to one of them in place changes the other.

    A layer that does nothing may hand its input or dout on as it is.
    """
    parameters = {name: value for name, value in probe.variables.items() if name not in probe.inputs}
    problems = [f"the output shares memory with {name}" for name, value in parameters.items() if _shared(out, value)]
    held = _arrays(probe)
    inputs = [(name, gradients[name]) for name in gradients if name in probe.inputs]
    for i, (name, gradient) in enumerate(inputs):
        problems += [
            f"the gradient of {name} shares memory with {other}" for other in held if _shared(gradient, held[other])
        ]
        problems += [
            f"the gradients of {name} and {other} share memory"
            for other, it in inputs[i + 1 :]
            if _shared(gradient, it)
        ]
    return problems


def _shared(a, b):
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)
