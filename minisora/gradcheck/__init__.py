"""Gradients of hand-written layers, held against finite differences.

The built-in checks cover every layer of `minisora.layers`, attention's kernels and the whole model::

    report = run_checks()  # or run_checks("LayerNorm"), run_checks(["Linear", "MultiHeadAttention/cross"])
    print(report)  # a table; of failed checks also every tensor, its worst entry and both values there
    report.passed, report.largest_relative_error
    report.to_json()  # {"largest_relative_error": x, "checks": [{"name", "largest_relative_error", "passed", ...}]}

What no gradient shows, a mask that is ignored or a cache that forgets, the properties of the whole model show::

    for kept in check_properties():
        print(kept)

A layer of one's own, anything that follows the protocol of `minisora.layers.layer.Layer` in float64::

    probe = Probe(randomize(layer, rng), {"x": rng.normal(size=(2, 3, 5))})
    print(check(probe))  # every entry; check(probe, mode="directional"): one direction over everything

How errors are measured is in `relative_error`; how derivatives are taken, in `minisora.gradcheck.differences`.
"""

from importlib import import_module

_HOMES = {
    "run_checks": "built_in",
    "named_checks": "built_in",
    "check": "checker",
    "Probe": "probe",
    "FunctionPair": "probe",
    "randomize": "probe",
    "relative_error": "errors",
    "check_properties": "properties",
    "PROPERTIES": "properties",
    "Property": "properties",
    "PropertyResult": "properties",
    "Report": "report",
    "CheckResult": "report",
    "TensorResult": "report",
    "NamedCheck": "registry",
    "NotAnalytic": "complex_step",
    "MODES": "checker",
    "LAYER_TOLERANCE": "checker",
    "MODEL_TOLERANCE": "checker",
}

__all__ = list(_HOMES)


def __getattr__(name):
    """Load a name when it is used: pytest imports this package for its plugin, in tests that have no gradients."""
    if name not in _HOMES:
        raise AttributeError(f"module 'minisora.gradcheck' has no attribute {name!r}")
    return getattr(import_module(f"minisora.gradcheck.{_HOMES[name]}"), name)


def __dir__():
    return sorted({*globals(), *__all__})
