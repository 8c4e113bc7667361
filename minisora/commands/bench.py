"""``minisora bench``: the benchmarks, found by the names of their files."""

import re
from pathlib import Path

import minisora
from minisora.commands.lazy import LazyCommands


def benchmarks():
    """Module by name of each benchmark: every file of minisora/benchmarks/ that defines a command."""
    folder = Path(minisora.__file__).parent / "benchmarks"
    defined = re.compile(r"^(def command\(|command = )", re.MULTILINE)
    files = [path for path in sorted(folder.glob("*.py")) if defined.search(path.read_text(encoding="utf-8"))]
    return {path.stem.replace("_", "-"): f"minisora.benchmarks.{path.stem}" for path in files}


command = LazyCommands(
    "bench",
    homes=benchmarks(),
    help="Measure minisora beside others; each benchmark is one file of minisora/benchmarks/.",
)
