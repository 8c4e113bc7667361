"""A layer made of layers: which of its calls receives a wrong gradient, or makes a wrong one of a right one."""

import inspect
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from minisora.gradcheck.differences import swept, two_point, unit_of
from minisora.gradcheck.probe import Probe
from minisora.layers.layer import is_layer

_WRONG = 1e-6
_WATCHED = ("forward", "backward")


class WrongCall(NamedTuple):
    """A call of a sub-layer: ``wiring`` when it received a wrong gradient, else its own backward is wrong."""

    path: str
    wiring: bool
    probe: Probe | None
    dout: np.ndarray


class _Call:
    """One call of one sub-layer: what went in, what came out, and the same of its backward."""

    def __init__(self, path, layer, inputs, options, out, cache):
        self.path, self.layer, self.inputs, self.options = path, layer, inputs, options
        self.out, self.cache = out, cache
        self.dout = self.returned = self.added = None


def sublayers(layer):
    """Return ``{path: layer}`` of what a layer is made of, one level down, lists and dicts included."""
    found = {}
    for name, value in vars(layer).items():
        _collect(name, value, found)
    return found


def _collect(path, value, found):
    if isinstance(value, list | tuple | dict):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            _collect(f"{path}.{key}", part, found)
    elif is_layer(value) and all(value is not other for other in found.values()):
        found[path] = value


def first_wrong_call(probe, dout):
    """Return the first `WrongCall` in the order of backward; None where each received and made the right thing."""
    calls, order = [], []
    with _watched(probe.layer, calls, order):
        _, cache = probe.forward()
        probe.backward(dout, cache)
    rng = np.random.default_rng(0)
    for call in order:
        if not isinstance(call.out, np.ndarray):
            continue
        if not _agrees(*_received(probe, dout, call, calls.index(call), rng)):
            return WrongCall(call.path, True, None, call.dout)
        if not _agrees(*_made(call, rng)):
            return WrongCall(call.path, False, _probe_of(call), call.dout)
    return None


def _agrees(analytic, line):
    scale = abs(analytic)
    for numerical in (two_point(line), swept(line)):
        if abs(analytic - numerical) <= _WRONG * max(scale, abs(numerical)):
            return True
    return abs(analytic - numerical) <= 1e-12


def _direction(value, rng):
    return rng.normal(size=value.shape) * unit_of(value)


def _received(probe, dout, call, number, rng):
    """The slope along one direction of the call's output: by the gradient that it received, and by differences."""
    direction = _direction(call.out, rng)

    def line(t):
        with _watched(probe.layer, [], [], moved=(number, t * direction)):
            return dout * probe.forward()[0]

    return float((call.dout * direction).sum()), line


def _made(call, rng):
    """The slope along one direction of the call's inputs and parameters, for the gradient that it received."""
    inputs = [isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in call.inputs]
    directions = [_direction(value, rng) if moves else None for value, moves in zip(call.inputs, inputs)]
    parameters = [(p, _direction(p.data, rng), added) for p, added in call.added if p.trainable]
    returned = call.returned if isinstance(call.returned, tuple) else (call.returned,)
    if len(returned) != len(call.inputs):
        returned = (*returned, *[None] * (len(call.inputs) - len(returned)))
    slope = sum(float((g * d).sum()) for g, d in zip(returned, directions) if d is not None and g is not None)
    slope += sum(float((added * d).sum()) for _, d, added in parameters)

    def line(t):
        moved = [v if d is None else v + t * d for v, d in zip(call.inputs, directions)]
        saved = [p.data for p, _, _ in parameters]
        try:
            for p, d, _ in parameters:
                p.data = p.data + t * d
            return call.dout * call.layer.forward(*moved, **call.options)[0]
        finally:
            for (p, _, _), data in zip(parameters, saved, strict=True):
                p.data = data

    return slope, line


def _probe_of(call):
    """Return a probe of the sub-layer at the values of the call; None where it could prove nothing there."""
    names = list(inspect.signature(call.layer.forward).parameters)
    given = {name: value for name, value in zip(names, call.inputs) if value is not None}
    inputs = {name: value for name, value in given.items() if value.dtype != bool}
    masks = {name: value for name, value in (given | call.options).items() if name not in (*inputs, "key")}
    try:
        return Probe(call.layer, inputs, key=call.options.get("key"), masks=masks)
    except ValueError:
        return None


@contextmanager
def _watched(layer, calls, order, moved=None):
    """Record the calls of the sub-layers in ``calls``, and in ``order`` of their backward; add to the output of one."""
    parts = sublayers(layer)
    own = {path: {name: vars(part)[name] for name in _WATCHED if name in vars(part)} for path, part in parts.items()}
    for path, part in parts.items():
        part.forward = _watched_forward(path, part, part.forward, calls, moved)
        part.backward = _watched_backward(part, part.backward, calls, order)
    try:
        yield
    finally:
        for path, part in parts.items():
            for name in _WATCHED:
                delattr(part, name)
            vars(part).update(own[path])


def _watched_forward(path, part, original, calls, moved):
    def forward(*inputs, **options):
        out, cache = original(*inputs, **options)
        if moved is not None and len(calls) == moved[0]:
            out = out + moved[1]
        calls.append(_Call(path, part, inputs, options, out, cache))
        return out, cache

    return forward


def _watched_backward(part, original, calls, order):
    def backward(dout, cache):
        before = [(p, p.grad.copy()) for _, p in part.parameters()] if hasattr(part, "parameters") else []
        received = dout.copy() if isinstance(dout, np.ndarray) else dout
        returned = original(dout, cache)
        call = _call_of(part, cache, calls)
        if call is not None:
            call.dout = received
            call.returned = tuple(map(_copied, returned)) if isinstance(returned, tuple) else _copied(returned)
            call.added = [(p, p.grad - old) for p, old in before]
            order.append(call)
        return returned

    return backward


def _copied(gradient):
    return gradient.copy() if isinstance(gradient, np.ndarray) else gradient


def _call_of(part, cache, calls):
    """The call that made a cache; else the last one of that layer that has had no backward."""
    waiting = [call for call in calls if call.layer is part and call.dout is None]
    return next((call for call in waiting if call.cache is cache), waiting[-1] if waiting else None)
