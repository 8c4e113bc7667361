"""The notebooks run, and the .ipynb beside each source holds the same cells, without outputs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").rglob("*.py"))


def cells_of_the_source(path):
    """The (kind, text) of each percent cell, Markdown without its comment signs."""
    _, *parts = re.split(r"^# %%(.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for marker, body in zip(parts[::2], parts[1::2], strict=True):
        if "[markdown]" in marker:
            yield "markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()
        else:
            yield "code", body.strip()


def test_there_are_notebooks():
    assert {"first_look", "customer_service", "dialogue", "exercises"} <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_headings_have_a_word_in_chinese(path):
    for kind, text in cells_of_the_source(path):
        if kind == "code":
            assert len(text.splitlines()) <= 25, text
        elif text.startswith("#"):
            assert re.search("[\u4e00-\u9fff]", text), text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_beside_the_source_is_the_same(path):
    cells = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells] == list(cells_of_the_source(path))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_wherever_it_is_started(path, tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
