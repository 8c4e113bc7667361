"""The rules of the notebooks, and that the .ipynb beside each source holds the same cells, without outputs.

The numbered lessons take minutes: they are run once, by notebooks/site/execute.py. The others take a second or two.
"""

import json
import re
import subprocess
import sys

import pytest
from lesson_files import FOLDER, sources

NOTEBOOKS = sources()
LESSONS = [path for path in NOTEBOOKS if path.stem[0].isdigit()]
OTHERS = [path for path in NOTEBOOKS if path not in LESSONS]


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


def test_no_source_is_left_out():
    found = {path for path in FOLDER.rglob("*.py") if path.read_text(encoding="utf-8").startswith("# ---\n# jupyter:")}
    assert found == set(NOTEBOOKS)
    notebooks = {path for path in FOLDER.rglob("*.ipynb") if path.parent.name != ".ipynb_checkpoints"}
    assert {path.with_suffix(".ipynb") for path in found} == notebooks


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


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_the_notebook_runs_wherever_it_is_started(path, tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
