"""The bug zoo: mistakes that others have shipped, to be switched on in the real layers and found again.

::

    for case in CASES:
        with planted(case):
            print(run_checks(case.caught_by))
"""

from minisora.gradcheck.bug_zoo.cases import CASES, Case
from minisora.gradcheck.bug_zoo.planting import planted

__all__ = ["CASES", "Case", "planted"]
