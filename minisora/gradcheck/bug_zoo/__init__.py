"""The bug zoo: mistakes that others have shipped, to be switched on in the real layers and found again.

::

    for case in CASES:
        with planted(case):
            print(run_checks(case.caught_by))
    for case in WIRING:
        with planted(case):
            print(*check_properties(case.broken), sep="\n")
"""

from minisora.gradcheck.bug_zoo.cases import CASES, WIRING, Case, Wiring
from minisora.gradcheck.bug_zoo.planting import planted

__all__ = ["CASES", "WIRING", "Case", "Wiring", "planted"]
