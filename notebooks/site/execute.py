"""Run every notebook once, by nbmake, in a copy that keeps what the cells printed and drew.

    python notebooks/site/execute.py build/executed

The notebooks in the checkout stay as they are. A warning in a cell is an error, as in the suite.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lesson_files import FOLDER, sources

CELL_SECONDS = 1800  # one training takes minutes, and many on a busy computer; a cell that hangs ends
# IPython runs this file in the kernel before the first cell. What the kernel does itself may warn.
STARTUP = Path("profile_default", "startup", "warnings_are_errors.py")
WARNINGS_ARE_ERRORS = """import warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")
"""


def copy_notebooks(folder):
    """Copy README.md and the .ipynb of every source into a folder, which must be empty or new; return the copies."""
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} must be empty or new: the executed notebooks are written there")
    copies = []
    for path in [FOLDER / "README.md", *(source.with_suffix(".ipynb") for source in sources())]:
        copy = folder / path.relative_to(FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copies.append(copy)
    return copies[1:]


def execute(notebooks, folder):
    """Run notebooks in place; the exit status of pytest. What fails is printed by nbmake, cell and traceback."""
    options = ["--nbmake", "--overwrite", f"--nbmake-timeout={CELL_SECONDS}", "--durations=0", "--durations-min=0.1"]
    # no configuration of a project around the folder, and no cache in it
    options += ["-c", os.devnull, "--rootdir", folder, "-p", "no:cacheprovider", "-v"]
    with tempfile.TemporaryDirectory() as profile:
        startup = Path(profile) / STARTUP
        startup.parent.mkdir(parents=True)
        startup.write_text(WARNINGS_ARE_ERRORS, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", *options, *notebooks]
        return subprocess.run(command, cwd=folder, env=os.environ | {"IPYTHONDIR": profile}).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the executed notebooks go: empty or new")
    folder = parser.parse_args().folder.resolve()
    sys.exit(execute(copy_notebooks(folder), folder))


if __name__ == "__main__":
    main()
