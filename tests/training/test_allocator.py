"""Freed memory stays in the process: large arrays made again and again touch no new pages."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from minisora.training.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(1 << 20)  # 8 MB, 2,048 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

done = keep_freed_memory() if sys.argv[1] == "keep" else None
np.ones(1 << 20)
print(done, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc is asked on Linux alone")
def test_large_arrays_are_not_mapped_anew():
    def run(mode):
        program = [sys.executable, "-c", PROGRAM, mode]
        return subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()

    (done, kept), (_, default) = run("keep"), run("default")
    if done != "True":
        pytest.skip("this C library has no mallopt")
    assert int(kept) < 50 < int(default)
