"""Make the stripped .ipynb beside every lesson from its percent .py, which is the source.

    python notebooks/site/make_ipynb.py            # write those that differ
    python notebooks/site/make_ipynb.py --check    # write nothing; fail where one differs

The same source gives the same bytes: cells are numbered, and there are no outputs.
"""

import argparse
import sys

import jupytext
import nbformat
from lesson_files import FOLDER, sources

METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
}


def stripped_notebook(source):
    """The text of the .ipynb that belongs to a percent .py.

    Parameters
    ----------
    source : str
        The text of the .py.

    Returns
    -------
    str
        Notebook format 4.5, as nbformat writes it, with the ids cell-00, cell-01, ...
    """
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata.pop("lines_to_next_cell", None)  # how many blank lines the .py has: nothing of the notebook
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def differing():
    """Yield (path, text) of every .ipynb that is not what its source makes."""
    for source in sources():
        path, text = source.with_suffix(".ipynb"), stripped_notebook(source.read_text(encoding="utf-8"))
        if not path.exists() or path.read_bytes() != text.encode():
            yield path, text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a notebook differs")
    check = parser.parse_args().check
    stale = list(differing())
    for path, text in stale:
        if not check:
            path.write_bytes(text.encode())
        print(f"{path.relative_to(FOLDER)}: {'not what its .py makes' if check else 'written'}")
    if check and stale:
        sys.exit(f"{len(stale)} differ: run python notebooks/site/make_ipynb.py")


if __name__ == "__main__":
    main()
