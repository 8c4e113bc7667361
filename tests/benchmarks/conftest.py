"""Where the benchmarks' data sets are, which are not part of minisora."""

import os
from pathlib import Path

import pytest

VARIABLE = "MINISORA_DATA"


@pytest.fixture
def real_data():
    """A function from the name of a data set to its folder; a set that is not here skips the test."""

    def find(name):
        folder = os.environ.get(VARIABLE)
        if folder is None:
            pytest.skip(f"needs {VARIABLE}, the folder with the data sets {name} and others")
        if not (Path(folder) / name).is_dir():
            pytest.skip(f"needs the data set {name} in {VARIABLE}, {folder}")
        return Path(folder) / name

    return find
