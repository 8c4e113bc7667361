"""The checks of minisora's own layers: importing this module registers them."""

from minisora.gradcheck import (  # noqa: F401 (they register)
    checks_attention,
    checks_basic,
    checks_copy_head,
    checks_recurrent,
    checks_stacks,
    checks_whole_model,
    checks_word_vectors,
)
from minisora.gradcheck.registry import named_checks, run_checks

__all__ = ["named_checks", "run_checks"]
