"""Settings of Sphinx for the pages of the notebooks; make_html.py calls it."""

import sys
from pathlib import Path

import minisora

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from mathjax_files import CONFIG, LOADER, copy_mathjax

project = "minisora"
author = "minisora maintainers"
copyright = "minisora maintainers, Apache-2.0"
release = minisora.__version__

extensions = ["myst_nb"]
nb_execution_mode = "off"  # execute.py has run them
nb_output_stderr = "error"  # nothing is to be said there
nb_merge_streams = True
nb_ipywidgets_js = {}  # would be fetched from elsewhere
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

mathjax_path = f"mathjax/{LOADER}"
mathjax3_config = CONFIG

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"minisora {release}"
html_static_path = [str(HERE / "static")]
html_css_files = ["notebooks.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False


def put_mathjax_beside_the_pages(app, error):
    if error is None:
        copy_mathjax(Path(app.outdir) / "_static" / "mathjax")


def setup(app):
    app.connect("build-finished", put_mathjax_beside_the_pages)
