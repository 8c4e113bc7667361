"""What the wheel and the source distribution carry, and that the wheel works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import minisora

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DATA = (".cu", ".cuh", ".json", ".safetensors", ".md", ".typed", ".html", ".css", ".js", ".svg", ".otf", ".txt")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with a wheel and an sdist, built from a copy that has a .cu file whatever the checkout has."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "copy"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs")
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / "kernels" / "deep").mkdir()
    for path in ("kernels/probe.cu", "kernels/deep/probe.cuh", "minisora/benchmarks/results/probe.json"):
        (copy / path).touch()
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def names_in_wheel(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def expected_in_wheel():
    """Every module and data file of minisora/ and kernels/, as the wheel names it."""
    for folder, package in ((ROOT / "minisora", "minisora"), (ROOT / "kernels", "minisora/kernels")):
        for path in folder.rglob("*"):
            if path.suffix == ".py" or path.suffix in DATA:
                yield f"{package}/{path.relative_to(folder).as_posix()}"


def test_the_wheel_carries_all_modules_and_data(built):
    names = names_in_wheel(built)
    assert set(expected_in_wheel()) <= names
    assert "minisora/py.typed" in names
    assert {"minisora/kernels/probe.cu", "minisora/kernels/deep/probe.cuh"} <= names
    assert "minisora/benchmarks/results/probe.json" in names


def test_the_wheel_carries_nothing_else(built):
    tops = {name.split("/")[0] for name in names_in_wheel(built)}
    assert tops == {"minisora", f"minisora-{minisora.__version__}.dist-info"}


def test_the_source_distribution_carries_code_data_and_tests(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    modules = {name.replace("minisora/kernels/", "kernels/") for name in expected_in_wheel()}
    assert modules <= names
    assert {"kernels/probe.cu", "kernels/deep/probe.cuh", "setup.cfg", "pyproject.toml", "LICENSE"} <= names
    assert "tests/test_packaging.py" in names


def test_the_installed_wheel_runs_outside_the_checkout(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    code = "import minisora, minisora.kernels as k; print(minisora.__file__); print(k.__file__); import minisora.model"
    run = {"capture_output": True, "encoding": "utf-8", "check": True, "cwd": tmp_path}
    env = os.environ | {"PYTHONPATH": str(target)}
    result = subprocess.run([sys.executable, "-c", code], env=env, **run)
    assert all(Path(line).is_relative_to(target) for line in result.stdout.split())
    version = subprocess.run([sys.executable, "-m", "minisora", "--version"], env=env, **run)
    assert version.stdout == f"minisora, version {minisora.__version__}\n"
