"""The check itself: a layer's backward against finite differences of its forward."""

import time
from dataclasses import replace

import numpy as np

from minisora.gradcheck.complex_step import NotAnalytic, complex_derivative, complex_terms, require_analytic
from minisora.gradcheck.differences import NARROW, entry_lines, is_kink, swept, two_point, unit_of
from minisora.gradcheck.errors import (
    FLOOR,
    LARGEST_ERROR,
    error_against_scale,
    gradient_scale,
    largest_entry,
    relative_error,
)
from minisora.gradcheck.first_wrong import first_wrong_step
from minisora.gradcheck.hints import hints
from minisora.gradcheck.probe import must_vanish
from minisora.gradcheck.protocol import protocol_problems
from minisora.gradcheck.report import CheckResult, TensorResult

LAYER_TOLERANCE = 1e-8
MODEL_TOLERANCE = 1e-6
MODES = ("auto", "central", "complex", "directional")
_DOUBT = 1e-9  # of the relative error: an entry that agrees less well is looked at again
_LARGE = 20_000  # entries: above, mode auto samples them
_SAMPLED = 32  # of each tensor, then
_DIRECTIONS = 4  # drawn one after the other until one has no kink


def check(
    probe, *, mode="central", entries=None, tolerance=LAYER_TOLERANCE, seed=0, dout=None, name=None, explain=True
):
    """Hold the gradients of a layer against finite differences, along a random upstream gradient.

    Parameters
    ----------
    probe : Probe
        The layer with its inputs.
    mode : "central", "complex", "directional" or "auto"
        ``central``: one entry after the other, every one of every input and parameter, by the difference of two points;
        an entry that does not agree to nine digits gets a five-point stencil and a sweep over its step.
        ``complex``: every entry by the complex step, to 15 digits; for analytic layers only.
        ``directional``: all entries at once along one direction of random signs, which costs two evaluations however
        large the layer is, and says only whether all of it is right.
        ``auto``: complex where the layer is analytic, else central; of a layer with more than 20,000 entries a sample
        of each tensor, and one direction over all. What was done is the result's ``mode``.
    entries : int, optional
        Look only at so many random entries of each tensor; not in directional mode.
    tolerance : float
        Of the relative error (`minisora.gradcheck.relative_error`).
    seed : int
        Of the upstream gradient, the sampled entries and the direction.
    dout : array, optional
        The upstream gradient, random when None.
    name : str, optional
        Of the result; the layer's class when None.
    explain : bool
        Of a failed check, look for the first wrong step and its reason.

    Returns
    -------
    CheckResult

    Raises
    ------
    ValueError
        For an unknown mode, an upstream gradient that is the same everywhere, a layer with nothing to differentiate;
        in complex mode also for one that is not analytic (`minisora.gradcheck.complex_step.NotAnalytic`).
    """
    if mode not in MODES:
        raise ValueError(f"a mode of gradient checks is expected, one of {', '.join(MODES)}, got {mode!r}")
    if not probe.variables:
        raise ValueError(
            f"{type(probe.layer).__name__} has no float64 input and no trainable parameter to differentiate"
        )
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    out, cache = probe.forward()
    dout = _upstream(out, dout, rng)
    problems = protocol_problems(probe, out, dout.copy())
    probe.disturb()
    gradients = probe.backward(dout, cache)
    tensors, usable = _missing_gradients(probe, gradients)
    if not any(gradient.any() for gradient in usable.values()):
        problems.append("every gradient is zero: nothing that could be wrong was checked")
    mode, compare, entries = _chosen(mode, probe, out, dout, entries, rng)
    if usable:
        for comparison in compare:
            tensors = tensors + comparison(probe, dout, usable, rng, entries, tolerance)
    result = CheckResult(name or type(probe.layer).__name__, mode, tolerance, tuple(tensors), tuple(problems))
    if explain and result.largest_relative_error > tolerance:
        result = _explained(result, probe, dout)
    return replace(result, seconds=time.perf_counter() - started)


def _explained(result, probe, dout):
    """Return the result of a failed check with its first wrong step and what would explain it."""
    try:
        step = first_wrong_step(probe, dout)
    except Exception as error:  # whatever a layer does when it is looked at closely, what was found is reported
        told = f"the first wrong step could not be looked for, {type(error).__name__}: {error}"
        return replace(result, problems=(*result.problems, told))
    if step is None:
        return result
    return replace(result, first_wrong_step=step.name, hints=hints(step))


def _chosen(mode, probe, out, dout, entries, rng):
    """Return what a mode comes to here: its name, the comparisons to make, and how many entries of a tensor."""
    if mode == "directional":
        return mode, [_compare_direction], entries
    if mode == "central":
        return mode, [_compare_entries], entries
    try:
        require_analytic(probe, out, dout, rng)
        exact, compare = "complex", [_compare_by_complex_step]
    except NotAnalytic:
        if mode == "complex":
            raise
        exact, compare = "central", [_compare_entries]
    if mode == "auto" and entries is None and sum(value.size for value in probe.variables.values()) > _LARGE:
        return f"{exact} and directional", [*compare, _compare_direction], _SAMPLED
    return exact, compare, entries


def _upstream(out, dout, rng):
    if not np.isfinite(out).all():
        raise ValueError("a gradient check needs a finite output, got one with values that are not")
    if dout is None:
        return np.asarray(rng.normal(size=out.shape))
    if dout.shape != out.shape or dout.dtype != np.float64:
        raise ValueError(f"an upstream gradient is expected as float64 {out.shape}, got {dout.dtype} {dout.shape}")
    if dout.size > 1 and np.ptp(dout) == 0:
        raise ValueError(
            f"a random upstream gradient is expected, got {dout.flat[0]:g} everywhere: the gradient of a sum of "
            "softmax outputs is exactly 0, so that a wrong backward passes"
        )
    return dout


def _missing_gradients(probe, gradients):
    """Return results for gradients that cannot be compared at all, and the others."""
    bad, usable = [], {}
    for name, value in probe.variables.items():
        gradient = gradients[name]
        if isinstance(gradient, np.ndarray) and gradient.shape == value.shape and np.isfinite(gradient).all():
            usable[name] = gradient
        else:
            bad.append(TensorResult(name, value.shape, LARGEST_ERROR, 0, 0, (), float("nan"), float("nan")))
    return bad, usable


def _compare_entries(probe, dout, gradients, rng, entries, tolerance):
    largest = max(largest_entry(gradient) for gradient in gradients.values())
    results = []
    with probe.weighted(dout) as terms:
        for name, gradient in gradients.items():
            chosen = _choose(gradient.size, entries, rng)
            line_at, unit = entry_lines(probe.variables[name], terms), unit_of(probe.variables[name])
            analytic = gradient.reshape(-1)[chosen]
            numerical = np.array([two_point(line_at(i), NARROW * unit) for i in chosen])
            # A gradient that must vanish has no size of its own: rounding would be compared with rounding.
            own_scale = gradient_scale(gradient, numerical, largest)
            scale = max(largest, own_scale) if must_vanish(name) else own_scale
            lines = [line_at(i) for i in chosen]
            on_kink = _look_again(lines, unit, analytic, numerical, scale, largest, tolerance)
            results.append(_tensor_result(name, gradient.shape, chosen, analytic, numerical, on_kink, scale))
    return results


def _compare_by_complex_step(probe, dout, gradients, rng, entries, tolerance):
    largest = max(largest_entry(gradient) for gradient in gradients.values())
    chosen = {name: _choose(gradient.size, entries, rng) for name, gradient in gradients.items()}
    with complex_terms(probe, dout) as (variables, terms):
        found = {
            name: np.array([complex_derivative(variables[name], i, terms) for i in chosen[name]]) for name in gradients
        }
    results = []
    with probe.weighted(dout) as terms:
        for name, gradient in gradients.items():
            analytic = gradient.reshape(-1)[chosen[name]]
            own_scale = gradient_scale(gradient, found[name], largest)
            scale = max(largest, own_scale) if must_vanish(name) else own_scale
            line_at, unit = entry_lines(probe.variables[name], terms), unit_of(probe.variables[name])
            on_kink = np.zeros(len(analytic), bool)
            for j in np.flatnonzero(np.abs(analytic - found[name]) > tolerance * scale):
                on_kink[j] = is_kink(line_at(chosen[name][j]), largest, unit)
                if not on_kink[j]:
                    break
            results.append(_tensor_result(name, gradient.shape, chosen[name], analytic, found[name], on_kink, scale))
    return results


def _choose(size, entries, rng):
    if entries is None or entries >= size:
        return np.arange(size)
    return np.sort(rng.choice(size, entries, replace=False))


def _look_again(lines, unit, analytic, numerical, scale, largest, tolerance):
    """Sweep the entries that do not agree well, the worst first, in place; return which of them lie on a kink.

    Whether an entry is looked at again depends on the gradient that is checked; what is then found there does not. One
    entry that stays wrong settles the check, and the others are left as they are.
    """
    on_kink = np.zeros(len(lines), bool)
    doubt = np.abs(analytic - numerical)
    for j in np.argsort(-doubt)[: np.count_nonzero(doubt > _DOUBT * scale)]:
        numerical[j] = swept(lines[j], _DOUBT * scale, unit)
        if abs(analytic[j] - numerical[j]) > tolerance * scale:
            on_kink[j] = is_kink(lines[j], largest, unit)
            if not on_kink[j]:
                break
    return on_kink


def _tensor_result(name, shape, chosen, analytic, numerical, on_kink, scale):
    kept = ~on_kink
    error = error_against_scale(analytic[kept], numerical[kept], scale) if kept.any() else LARGEST_ERROR
    worst = int(np.argmax(np.abs(analytic - numerical) * kept))
    cosine, best = _agreement(analytic[kept], numerical[kept])
    return TensorResult(
        name=name,
        shape=shape,
        error=error,
        compared=int(kept.sum()),
        skipped=int(on_kink.sum()),
        index=tuple(int(i) for i in np.unravel_index(chosen[worst], shape)),
        analytic=float(analytic[worst]),
        numerical=float(numerical[worst]),
        cosine=cosine,
        scale=best,
    )


def _agreement(analytic, numerical):
    """Return the cosine of the angle between the two, and the s with s numerical nearest to analytic; or None, None."""
    product, square, own = (float(np.dot(*pair)) for pair in ((analytic, numerical), (numerical,) * 2, (analytic,) * 2))
    if len(analytic) < 2 or not square or not own:
        return None, None
    return product / (square * own) ** 0.5, product / square


def _compare_direction(probe, dout, gradients, rng, entries, tolerance):
    units = {name: unit_of(probe.variables[name]) for name in gradients}
    largest = max(largest_entry(gradient) * units[name] for name, gradient in gradients.items())
    size = sum(gradient.size for gradient in gradients.values())
    for skipped in range(_DIRECTIONS):
        signs = {name: units[name] * rng.choice([-1.0, 1.0], gradient.shape) for name, gradient in gradients.items()}
        analytic = sum(float((gradients[name] * signs[name]).sum()) for name in gradients)
        with probe.weighted(dout) as terms:
            line = probe.direction(signs, terms)
            numerical = two_point(line)
            if abs(analytic - numerical) > _DOUBT * max(abs(analytic), abs(numerical), FLOOR * largest):
                numerical = swept(line)
            error = relative_error(np.array([analytic]), np.array([numerical]), largest)
            if error <= tolerance or not is_kink(line, max(largest, abs(analytic))):
                return [TensorResult("all together", (size,), error, size, skipped, (), analytic, numerical)]
    return [TensorResult("all together", (size,), LARGEST_ERROR, 0, _DIRECTIONS, (), analytic, numerical)]
