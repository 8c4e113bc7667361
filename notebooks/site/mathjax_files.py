"""MathJax for pages that fetch nothing: the few files of it that they need, beside its licence.

They are taken from the package django-static-mathjax (MathJax 3.2.2, Apache-2.0), which is only a folder of files. Its
ready-made bundles name a content delivery network, for speech in a browser; these parts of it name none.
"""

import shutil
from importlib.resources import files

LOADER = "startup.js"
PARTS = ["core", "input/tex-full", "output/svg", "a11y/assistive-mml"]
FONT = "output/svg/fonts/tex"  # output/svg loads it itself: asked for beside it, it may come too early
CONFIG = {"loader": {"load": PARTS}}


def copy_mathjax(folder):
    """Copy the loader, the parts and the licence into a folder, which is made."""
    package = files("mathjax") / "static" / "mathjax"
    for name in [LOADER, *(f"{part}.js" for part in [*PARTS, FONT])]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / "es5" / name, target)
    shutil.copyfile(package / "LICENSE", folder / "LICENSE")
