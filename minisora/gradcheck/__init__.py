"""Gradients of hand-written layers, held against finite differences.

The built-in checks cover every layer of `minisora.layers`, attention's kernels and the whole model::

    report = run_checks()  # or run_checks("LayerNorm"), run_checks(["Linear", "MultiHeadAttention/cross"])
    print(report)  # a table; of failed checks also every tensor, its worst entry and both values there
    report.passed, report.largest_relative_error
    report.to_json()  # {"largest_relative_error": x, "checks": [{"name", "largest_relative_error", "passed"}]}

A layer of one's own, anything that follows the protocol of `minisora.layers.layer.Layer` in float64::

    probe = Probe(randomize(layer, rng), {"x": rng.normal(size=(2, 3, 5))})
    print(check(probe))  # every entry; check(probe, mode="directional"): one direction over everything

How errors are measured is in `relative_error`; how derivatives are taken, in `minisora.gradcheck.differences`.
"""

from minisora.gradcheck import checks_attention, checks_basic, checks_stacks, checks_whole_model  # noqa: F401 (they register)
from minisora.gradcheck.checker import LAYER_TOLERANCE, MODEL_TOLERANCE, MODES, check
from minisora.gradcheck.errors import relative_error
from minisora.gradcheck.probe import FunctionPair, Probe, randomize
from minisora.gradcheck.registry import NamedCheck, named_checks, run_checks
from minisora.gradcheck.report import CheckResult, Report, TensorResult

__all__ = [
    "run_checks",
    "named_checks",
    "check",
    "Probe",
    "FunctionPair",
    "randomize",
    "relative_error",
    "Report",
    "CheckResult",
    "TensorResult",
    "NamedCheck",
    "MODES",
    "LAYER_TOLERANCE",
    "MODEL_TOLERANCE",
]
