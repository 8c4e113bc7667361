"""The checks of minisora's own layers: importing this module registers them."""

from minisora.gradcheck import checks_attention, checks_basic, checks_stacks, checks_whole_model  # noqa: F401 (they register)
from minisora.gradcheck.registry import named_checks, run_checks

__all__ = ["named_checks", "run_checks"]
