"""From content to one HTML file: what lies in ``page/`` put together, and the content as text beside it."""

import base64
import json
import re
from functools import cache
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (
    "texts.js",
    "content.js",
    "colours.js",
    "elements.js",
    "state.js",
    "lines.js",
    "matrices.js",
    "number.js",
    "overview.js",
    "answer.js",
    "explorer.js",
    "start.js",
)  # fmt: skip  (each imports from those before it alone)
IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def html(content):
    """Return the page of a content as one HTML document that fetches nothing.

    Its policy lets nothing run but the script that is written here. The content stands in an element that is no script
    to a browser, as JSON without any character that could end it.
    """
    parts = parts_of_page()
    return parts["before"] + json_in_html(content) + parts["after"]


def json_in_html(content):
    """JSON that can stand inside an element: what HTML or JavaScript could take for its own is escaped."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: ESCAPES[found[0]], text)


@cache
def parts_of_page():
    """The document before and after the content."""
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    script = joined_script()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{digest(script)}'",
            f"style-src '{digest(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    page = replaced(page, '  <link rel="icon" href="../icon.svg" type="image/svg+xml">\n', "")  # the server's
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n  <style>{style}</style>'
    page = replaced(page, '<link rel="stylesheet" href="style.css">', head)
    page = replaced(page, '<script type="module" src="start.js"></script>', f'<script type="module">{script}</script>')
    before, after = page.split("</body>")
    return {"before": f'{before}<script type="application/json" id="content">', "after": f"</script>\n</body>{after}"}


def joined_script():
    """The modules of the page as one script, each after those that it imports from."""
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(EXPORT.sub("", IMPORT.sub("", text)) for text in texts)


def digest(text):
    """The hash by which a policy knows a script or a style."""
    return f"sha256-{base64.b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}"


def replaced(text, old, new):
    """The text with ``new`` in the place of ``old``, which stands there once."""
    before, after = text.split(old)
    return before + new + after
