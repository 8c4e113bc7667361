"""What a check found, as text and as JSON."""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TensorResult:
    """How far one gradient is from finite differences.

    ``index`` is where they differ most, with both values there; ``skipped`` counts the entries that lie on a kink.
    """

    name: str
    shape: tuple
    error: float
    compared: int
    skipped: int
    index: tuple
    analytic: float
    numerical: float


@dataclass(frozen=True)
class CheckResult:
    """One named check: its tensors, and the broken promises of the layer protocol that it met (``problems``)."""

    name: str
    mode: str
    tolerance: float
    tensors: tuple[TensorResult, ...]
    problems: tuple[str, ...] = ()
    seconds: float = 0.0

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

    def __str__(self):
        lines = [f"{self.name}: {'passed' if self.passed else 'FAILED'} ({self.mode}, tolerance {self.tolerance:g})"]
        width = max(len(tensor.name) for tensor in self.tensors)
        for tensor in self.tensors:
            lines.append(
                f"  {tensor.name:{width}}  error {tensor.error:8.1e}  at {tensor.index}: "
                f"backward {tensor.analytic:.10g}, finite differences {tensor.numerical:.10g}"
            )
        return "\n".join(lines + [f"  problem: {problem}" for problem in self.problems])


@dataclass(frozen=True)
class Report:
    """The results of several checks. ``str(report)`` is a table for people, `to_json` one for programs."""

    checks: tuple[CheckResult, ...] = field(default=())

    @property
    def largest_relative_error(self):
        """The largest error over all checks."""
        return max((check.largest_relative_error for check in self.checks), default=0.0)

    @property
    def passed(self):
        """True when every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self):
        """Return ``{"largest_relative_error": x, "checks": [{"name", "largest_relative_error", "passed"}, ...]}``."""
        return {
            "largest_relative_error": self.largest_relative_error,
            "checks": [
                {"name": check.name, "largest_relative_error": check.largest_relative_error, "passed": check.passed}
                for check in self.checks
            ],
        }

    def to_json(self):
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self):
        width = max((len(check.name) for check in self.checks), default=5)
        lines = [f"{'check':{width}}  mode         entries  kinks  largest error   seconds"]
        for check in self.checks:
            compared = sum(tensor.compared for tensor in check.tensors)
            skipped = sum(tensor.skipped for tensor in check.tensors)
            lines.append(
                f"{check.name:{width}}  {check.mode:11}  {compared:7}  {skipped:5}  "
                f"{check.largest_relative_error:13.1e}  {check.seconds:8.2f}  {'passed' if check.passed else 'FAILED'}"
            )
        lines += [f"\n{check}" for check in self.checks if not check.passed]
        failed = sum(not check.passed for check in self.checks)
        verdict = f"{failed} FAILED" if failed else "all passed"
        worst = f"largest relative error {self.largest_relative_error:.1e}"
        return "\n".join(lines + ["", f"{len(self.checks)} checks, {verdict}, {worst}"])
