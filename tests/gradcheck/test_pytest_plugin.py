"""The fixture ``gradcheck`` and its options, in a pytest of their own."""

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import numpy as np
import pytest
from minisora.gradcheck import randomize
from minisora.layers.linear import Linear

rng = np.random.default_rng(0)


def test_layer(gradcheck):
    result = gradcheck(randomize(Linear(5, 3, rng, dtype=np.float64), rng), {"x": rng.normal(size=(2, 7, 5))})
    print("mode", result.mode)


def test_pair(gradcheck):
    gradcheck((lambda x, *, power: (x**power, x), lambda dout, x: 3 * dout * x**2),
              {"x": rng.normal(size=(2, 3))}, masks={"power": 3})


def test_wrong_pair(gradcheck):
    gradcheck((lambda x: (np.sin(x), x), lambda dout, x: -dout * np.cos(x)), {"x": rng.normal(size=(2, 3))})


def test_float32(gradcheck):
    gradcheck(Linear(5, 3, rng), {"x": rng.normal(size=(2, 7, 5))})
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs the tests above with more arguments, in a process that loads this plugin alone."""
    (tmp_path / "test_student.py").write_text(TESTS, encoding="utf-8")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "minisora.gradcheck.pytest_plugin", "-p", "no:cacheprovider",
             "-rA", *arguments, "."],
            cwd=tmp_path, env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True,
        )  # fmt: skip

    return run


def test_right_layers_pass_and_wrong_ones_fail_with_the_report(run):
    out = run().stdout
    assert "2 failed, 2 passed" in out
    assert "PASSED test_student.py::test_layer" in out
    assert "PASSED test_student.py::test_pair" in out
    assert "first wrong step: dx" in out
    assert "the wrong sign" in out
    assert "a gradient check needs float64, got float32" in out
    assert "mode complex" in out


def test_the_mode_can_be_chosen(run):
    assert "mode directional" in run("--gradcheck-mode", "directional", "-k", "test_layer").stdout
    assert "invalid choice" in run("--gradcheck-mode", "guess").stderr


def test_the_report_holds_every_check(run, tmp_path):
    run("--gradcheck-report", "found.json")
    content = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [(check["test"].partition("::")[2], check["passed"]) for check in content["checks"]] == [
        ("test_layer", True),
        ("test_pair", True),
        ("test_wrong_pair", False),
    ]
    assert content["checks"][2]["first_wrong_step"] == "dx"
    assert content["largest_relative_error"] == 2.0


def test_a_report_that_cannot_be_written_is_a_mistake_at_the_start(run):
    result = run("--gradcheck-report", "no/such/folder/found.json")
    assert result.returncode == 4
    assert "--gradcheck-report expects a file in a folder that is there" in result.stderr


def test_pytest_finds_the_plugin_and_loads_no_layer_for_it():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    assert "= minisora.gradcheck.pytest_plugin" in setup["options.entry_points"]["pytest11"]
    code = "import sys, minisora.gradcheck.pytest_plugin; assert 'minisora.layers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
