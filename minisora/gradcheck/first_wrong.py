"""Where a backward goes wrong first: its intermediate gradients, in the order of backward, against the true ones."""

from typing import NamedTuple

import numpy as np

from minisora.gradcheck.claims import recorded
from minisora.gradcheck.composite import first_wrong_call, sublayers
from minisora.gradcheck.differences import NARROW, entry_lines, two_point, unit_of
from minisora.gradcheck.errors import largest_entry, relative_error
from minisora.gradcheck.probe import must_vanish
from minisora.gradcheck.stages import arguments, evaluate, stages_of

WRONG = 1e-6  # relative error of a step: far above that of one difference of two points, far below a mistake
_LARGEST = 20_000  # entries of all tensors together: beyond, looking for the step would take minutes


class WrongStep(NamedTuple):
    """The first wrong gradient: its name, what backward made of it, what it is, and the layer in which it stands."""

    name: str
    claimed: np.ndarray | None = None
    true: np.ndarray | None = None
    probe: object = None
    dout: np.ndarray | None = None
    tensor: str | None = None  # the input or parameter that it is the gradient of


def first_wrong_step(probe, dout):
    """Return the first `WrongStep` of a layer whose gradients are wrong; None where none is found."""
    if sum(value.size for value in probe.variables.values()) > _LARGEST:
        return None
    stages = stages_of(probe)
    if stages is not None:
        return _among_stages(probe, dout, stages)
    if sublayers(probe.layer):
        call = first_wrong_call(probe, dout)
        if call is not None:
            return _inside(call)
    parameters = [name for name in probe.variables if name not in probe.inputs]
    inputs = [name for name in probe.variables if name in probe.inputs]
    return _among_tensors(probe, dout, [*reversed(parameters), *inputs])  # as a backward comes by them, mostly


def _inside(call):
    """Return the step of a sub-layer that is wrong, with the sub-layer's path before its name."""
    if call.wiring:
        return WrongStep(f"the gradient that reaches {call.path}")
    inner = None if call.probe is None else first_wrong_step(call.probe, call.dout)
    return WrongStep(call.path) if inner is None else inner._replace(name=f"{call.path}.{inner.name}")


def _among_stages(probe, dout, stages):
    values = evaluate(stages, probe.inputs)
    last = list(stages)[-1]
    with recorded({name: values[name].shape for name in stages}) as seen:
        out, cache = probe.forward()
    factor = _common_factor(out, values[last])
    if factor is None:
        wrong = [name for name in stages if name in seen and relative_error(seen[name], values[name]) > WRONG]
        return WrongStep(f"{wrong[0] if wrong else last} (forward)")
    with recorded({f"d{name}": values[name].shape for name in stages}) as claims:
        probe.backward(dout, cache)
    dout_of_stages = factor * dout
    entering = _entering(probe, stages, values)
    for number, name in reversed(list(enumerate(stages))):
        if name != last and f"d{name}" in claims:
            true = _stage_gradient(stages, values, number, dout_of_stages)
            if relative_error(claims[f"d{name}"], true, largest_entry(claims[f"d{name}"])) > WRONG:
                return WrongStep(f"d{name}", claims[f"d{name}"], true, probe, dout)
        step = _among_tensors(probe, dout, entering[name])
        if step is not None:
            return step
    return None


def _common_factor(out, specified):
    """Return the factor between forward's output and the specified one, such as 1 / N for a mean; None without one."""
    factor = float((out * specified).sum() / max((specified * specified).sum(), np.finfo(float).tiny))
    return factor if factor and relative_error(out, factor * specified) <= WRONG else None


def _entering(probe, stages, values):
    """Return ``{stage: names}`` of the inputs and parameters whose gradient is complete after that stage's backward.

    That is the earliest stage that reads them. A parameter is read by the stages that change when it is moved.
    """
    entering = {name: [] for name in stages}
    for variable, value in probe.variables.items():
        saved = value.copy()
        value += 0.1
        try:
            first = next(name for name in stages if _reads(stages[name], variable, values, values[name], probe))
        except StopIteration:
            continue
        finally:
            value[...] = saved
        entering[first].append(variable)
    return entering


def _reads(stage, variable, values, value, probe):
    """Whether a stage has this input among its arguments, or changes now that this parameter is another."""
    read = arguments(stage)
    if variable in probe.inputs:
        return variable in read
    return not np.array_equal(stage(*(values[name] for name in read)), value)


def _stage_gradient(stages, values, number, dout):
    """Return the true gradient of the stage of this number, by differences of the stages after it."""
    name = list(stages)[number]
    value = values[name].copy()
    last = list(stages)[-1]

    def line(i):
        def terms(t):
            moved = value.copy()
            moved.flat[i] += t
            return dout * evaluate(stages, values | {name: moved}, number + 1)[last]

        return terms

    step = NARROW * unit_of(value)
    return np.array([two_point(line(i), step) for i in range(value.size)]).reshape(value.shape)


def _among_tensors(probe, dout, names):
    """Return the first wrong gradient among those of these inputs and parameters."""
    _, cache = probe.forward()
    probe.disturb()
    gradients = probe.backward(dout, cache)
    largest = max((largest_entry(gradient) for gradient in gradients.values() if gradient is not None), default=0.0)
    for name in names:
        true, claimed = numerical_gradient(probe, dout, name), gradients[name]
        floor = 1e6 * largest if must_vanish(name) else largest
        fits = isinstance(claimed, np.ndarray) and claimed.shape == true.shape
        if not fits or relative_error(claimed, true, floor) > WRONG:
            return WrongStep(f"d{name}", claimed, true, probe, dout, name)
    return None


def numerical_gradient(probe, dout, name):
    """Return the true gradient of one input or parameter, by two points an entry."""
    value = probe.variables[name]
    with probe.weighted(dout) as terms:
        line_at, step = entry_lines(value, terms), NARROW * unit_of(value)
        return np.array([two_point(line_at(i), step) for i in range(value.size)]).reshape(value.shape)
