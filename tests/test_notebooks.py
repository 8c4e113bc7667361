"""The rules of the notebooks, and that the .ipynb beside each source holds the same cells, without outputs.

The numbered lessons take minutes: they are run once, by notebooks/site/execute.py. The others take a second or two.
"""

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from lesson_files import FOLDER, sources, title

from minisora.cli import cli

NOTEBOOKS = sources()
LESSONS = [path for path in NOTEBOOKS if path.stem[0].isdigit()]
OTHERS = [path for path in NOTEBOOKS if path not in LESSONS]
README = (FOLDER / "README.md").read_text(encoding="utf-8")


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


def minutes(path):
    """What a notebook's opening line says: *25 minutes. Builds on: ... 目标：...*"""
    _, text = next(iter(cells_of_the_source(path)))
    return int(re.search(r"^\*(\d+) minutes\. (?:Builds on|Needs): .*?目标：.*?\*$", text, re.MULTILINE | re.DOTALL)[1])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_opens_with_its_minutes_and_ends_with_exercises(path):
    assert 10 <= minutes(path) <= 60
    kind, text = list(cells_of_the_source(path))[-1]
    heading, _, exercises = re.split("^## ", text, flags=re.MULTILINE)[-1].partition("\n")
    assert kind == "markdown" and heading == "Exercises"
    assert 2 <= len(re.findall(r"^\d\. ", exercises, re.MULTILINE)) <= 3
    assert re.search("gradcheck|check|assert|testing", exercises), "the exercises name what proves them"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_under_every_heading_of_a_lesson_stands_a_line_in_chinese(path):
    for kind, text in cells_of_the_source(path):
        if kind == "markdown":
            for section in re.split(r"^#+ .*\n", text, flags=re.MULTILINE)[1:]:
                assert re.search("[\u4e00-\u9fff]", section.strip().partition("\n\n")[0]), section


class TestReadme:
    @pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
    def test_the_table_has_the_title_and_the_minutes_of_the_lesson(self, path):
        assert f"| {int(path.stem[:2])} | [{title(path)}]({path.stem}.ipynb) | {minutes(path)} | " in README

    def test_the_calendar_has_every_lesson_once_and_two_hours_a_week(self):
        rows = {int(number): int(time) for number, time in re.findall(r"^\| (\d+) \| .*\) \| (\d+) \|", README, re.M)}
        weeks = [[int(n) for n in line.split(", ")] for line in re.findall(r"\*\*Lessons\*\*: ([\d, ]+)\.", README)]
        assert len(weeks) == README.count("### Week ") == 6
        assert [number for week in weeks for number in week] == list(rows) == list(range(1, len(rows) + 1))
        assert all(60 <= sum(rows[number] for number in week) <= 120 for week in weeks)

    def test_the_commands_of_the_exercises_exist(self):
        lines = [line.replace("\n", " ") for line in re.findall(r"`minisora (gradcheck [^`]*)`", README)]
        assert len(lines) >= 5
        for line in lines:  # read as they stand; the files are the reader's
            result = CliRunner().invoke(cli, [*line.split(), "--help"])
            assert result.exit_code == 0 and "Usage" in result.output, line
            kind = re.search(r"--as (\w+)", line)
            assert kind is None or re.search(rf"\b{kind[1]}\b", result.output.partition("--as ")[2].partition("]")[0])
