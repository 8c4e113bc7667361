"""What a check found, as text, as JSON and as HTML."""

import json
import math
from dataclasses import asdict, dataclass, field

from minisora.gradcheck.html import check_html, report_html


@dataclass(frozen=True)
class TensorResult:
    """How far one gradient is from its numerical value.

    Attributes
    ----------
    error : float
        Relative to the tensor's largest entry (`minisora.gradcheck.relative_error`), in [0, 2].
    compared, skipped : int
        Entries that were compared, and that lie on a kink.
    index, analytic, numerical
        Where they differ most, and both values there.
    cosine : float or None
        Of the angle between the two: 1 where only the size is wrong. None where one of them is 0 or they are numbers.
    scale : float or None
        The factor s for which s times the numerical gradient is nearest to the analytic one.
    """

    name: str
    shape: tuple
    error: float
    compared: int
    skipped: int
    index: tuple
    analytic: float
    numerical: float
    cosine: float | None = None
    scale: float | None = None


@dataclass(frozen=True)
class CheckResult:
    """One named check.

    Attributes
    ----------
    tensors : tuple of TensorResult
    problems : tuple of str
        Broken promises of the layer protocol.
    first_wrong_step : str or None
        Of a check that failed: in the order of backward, the first gradient that is not the true one, such as
        ``"dscores"`` or ``"self_attention.dscores"``. None where it could not be told.
    hints : tuple of str
        What would explain the error exactly.
    """

    name: str
    mode: str
    tolerance: float
    tensors: tuple[TensorResult, ...]
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    first_wrong_step: str | None = None
    hints: tuple[str, ...] = ()

    @property
    def largest_relative_error(self):
        """The largest error over the tensors, in [0, 2]."""
        return max(tensor.error for tensor in self.tensors)

    @property
    def passed(self):
        """True when no error is above the tolerance and no promise is broken."""
        return self.largest_relative_error <= self.tolerance and not self.problems

    @property
    def worst(self):
        """The tensor with the largest error."""
        return max(self.tensors, key=lambda tensor: tensor.error)

    def rows(self):
        """Return the cells of the report's table, one row a tensor."""
        return [
            (
                tensor.name,
                tensor.shape,
                f"{tensor.error:.1e}",
                _short(tensor.cosine),
                _short(tensor.scale),
                tensor.index,
                f"{tensor.analytic:.10g}",
                f"{tensor.numerical:.10g}",
                tensor.skipped,
            )
            for tensor in self.tensors
        ]

    def remarks(self):
        """Return what is to be said below the table, one sentence each."""
        step = [] if self.first_wrong_step is None else [f"first wrong step: {self.first_wrong_step}"]
        return [*step, *(f"hint: {hint}" for hint in self.hints), *(f"problem: {text}" for text in self.problems)]

    def to_dict(self):
        """Return everything as numbers, texts, lists and dicts; a number that is not finite becomes None."""
        others = {name: value for name, value in asdict(self).items() if name not in ("name", "tensors")}
        tensors = [{name: _finite(value) for name, value in asdict(tensor).items()} for tensor in self.tensors]
        return {
            "name": self.name,
            "largest_relative_error": self.largest_relative_error,
            "passed": self.passed,
            **others,
            "tensors": tensors,
        }

    def _repr_html_(self):
        return check_html(self)

    def __str__(self):
        head = ("tensor", "shape", "error", "cosine", "scale", "worst at", "backward", "numerical", "kinks")
        table = [[str(cell) for cell in row] for row in [head, *self.rows()]]
        widths = [max(len(row[column]) for row in table) for column in range(len(head))]
        lines = [f"{self.name}: {'passed' if self.passed else 'FAILED'} ({self.mode}, tolerance {self.tolerance:g})"]
        lines += [
            "  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        return "\n".join(lines + [f"  {remark}" for remark in self.remarks()])


@dataclass(frozen=True)
class Report:
    """The results of several checks. ``str(report)`` is a table for people, `to_json` one for programs.

    Attributes
    ----------
    checks : tuple of CheckResult
    properties : tuple of minisora.gradcheck.properties.PropertyResult
        What the whole model must keep besides, where that was tried.
    """

    checks: tuple[CheckResult, ...] = field(default=())
    properties: tuple = ()

    @property
    def largest_relative_error(self):
        """The largest error over all checks."""
        return max((check.largest_relative_error for check in self.checks), default=0.0)

    @property
    def passed(self):
        """True when every check passed and every property is kept."""
        return all(result.passed for result in (*self.checks, *self.properties))

    def rows(self):
        """Return the cells of the report's table, one row a check."""
        return [
            (
                check.name,
                check.mode,
                sum(tensor.compared for tensor in check.tensors),
                sum(tensor.skipped for tensor in check.tensors),
                f"{check.largest_relative_error:.1e}",
                f"{check.seconds:.2f}",
                "passed" if check.passed else "FAILED",
            )
            for check in self.checks
        ]

    def to_dict(self):
        """Return ``{"largest_relative_error": x, "checks": [...], "properties": [...]}``, each by its own `to_dict`."""
        return {
            "largest_relative_error": self.largest_relative_error,
            "checks": [check.to_dict() for check in self.checks],
            "properties": [kept.to_dict() for kept in self.properties],
        }

    def to_json(self):
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def _repr_html_(self):
        return report_html(self)

    def __str__(self):
        width = max((len(check.name) for check in self.checks), default=5)
        lines = [f"{'check':{width}}  mode         entries  kinks  largest error   seconds"]
        for name, mode, compared, skipped, error, seconds, verdict in self.rows():
            lines.append(f"{name:{width}}  {mode:11}  {compared:7}  {skipped:5}  {error:>13}  {seconds:>8}  {verdict}")
        lines += [f"\n{check}" for check in self.checks if not check.passed]
        failed = sum(not check.passed for check in self.checks)
        verdict = f"{failed} FAILED" if failed else "all passed"
        worst = f"largest relative error {self.largest_relative_error:.1e}"
        lines += ["", f"{len(self.checks)} checks, {verdict}, {worst}"]
        return "\n".join(lines + self._property_lines())

    def _property_lines(self):
        if not self.properties:
            return []
        broken = sum(not kept.passed for kept in self.properties)
        verdict = f"{broken} BROKEN" if broken else "all kept"
        return ["", *map(str, self.properties), "", f"{len(self.properties)} properties, {verdict}"]


def _short(number):
    return "-" if number is None else f"{number:.6g}"


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value
