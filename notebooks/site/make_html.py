"""Make HTML pages of the notebooks, with what their cells printed and drew: offline, nothing is fetched by a reader.

    python notebooks/site/make_html.py build/site                               # run the notebooks, then make the pages
    python notebooks/site/make_html.py build/site --executed build/executed     # from notebooks that execute.py has run

Open index.html in the folder. A warning of Sphinx is an error, and so is a notebook that wrote to standard error.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from execute import copy_notebooks, execute
from lesson_files import FOLDER, sources, title
from offline import loads_in
from sphinx.cmd.build import build_main

ANNOUNCEMENT = "minisora: compiling the kernel "  # minisora/kernels/compilation.py says so on standard error


def contents():
    """The tables of contents, one a part, as directives for the end of README.md; lessons with their numbers."""
    parts = {"Lessons": [], "Applications": []}
    for source in sources():
        name = source.relative_to(FOLDER).with_suffix("").as_posix()
        number = name.partition("_")[0]
        entry = f"{int(number)}. {title(source)} <{name}>" if number.isdigit() else name
        parts["Applications" if "/" in name else "Lessons"].append(entry)
    for caption, entries in parts.items():
        yield "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""])


def without_announcements(path):
    """Take out of an executed notebook that a kernel was compiled: that depends on the computer, not on the lesson."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        for output in cell["outputs"]:
            if output.get("name") == "stderr":
                lines = "".join(output["text"]).splitlines(keepends=True)
                output["text"] = [line for line in lines if not line.startswith(ANNOUNCEMENT)]
        cell["outputs"] = [output for output in cell["outputs"] if output.get("text") != []]
    path.write_text(json.dumps(notebook), encoding="utf-8")


def make_html(executed, out):
    """Make the pages from a folder of executed notebooks; the exit status of Sphinx."""
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder, "pages")
        shutil.copytree(executed, pages)
        for path in pages.rglob("*.ipynb"):
            without_announcements(path)
        readme = pages.joinpath("README.md").read_text(encoding="utf-8")
        pages.joinpath("index.md").write_text(readme + "".join(contents()), encoding="utf-8")
        pages.joinpath("README.md").unlink()
        settings = ["-c", str(Path(__file__).parent), "-d", str(Path(folder, "doctrees"))]
        return build_main(["-b", "html", "-W", "-q", "-E", *settings, str(pages), str(out)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder of the pages, such as build/site")
    parser.add_argument(
        "--executed", type=Path, help="notebooks that execute.py has run; without it they are run first"
    )
    options = parser.parse_args()
    if options.executed and not (options.executed / "README.md").is_file():
        parser.error(f"--executed must be a folder that execute.py has made, not {options.executed}")
    with tempfile.TemporaryDirectory() as folder:
        executed = options.executed or Path(folder)
        if options.executed is None and (failed := execute(copy_notebooks(executed), executed)):
            sys.exit(failed)
        failed = make_html(executed, options.out)
    if failed:
        sys.exit(failed)
    if loads := [f"{path}: {piece}" for path, piece in loads_in(options.out)]:
        sys.exit("\n".join(["these pages would fetch something:", *loads]))
    print(f"{len(sources())} notebooks: {options.out / 'index.html'}")


if __name__ == "__main__":
    main()
