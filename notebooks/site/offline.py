"""Does a folder of pages fetch nothing? What a page would load by itself is looked for, and every known CDN by name.

A link that a reader may follow is no harm; a script, style, font, image or frame from elsewhere is.
"""

import html
import re

ELSEWHERE = r"""["']?\s*(?:https?:)?//[^\s"'>)]*"""
LOADS = re.compile(
    rf"""\b(?:src|srcset|poster|data)\s*=\s*{ELSEWHERE}      # scripts, images, frames, media
    |<link\b[^>]*\bhref\s*=\s*{ELSEWHERE}                     # style sheets, icons
    |\burl\(\s*{ELSEWHERE}|@import\s*{ELSEWHERE}              # fonts and images of a style sheet
    |\bcdn\.[\w.]+|\b(?:jsdelivr|unpkg|cloudflare|googleapis|gstatic|bootcdn)\.\w+""",
    re.VERBOSE | re.IGNORECASE,
)
TEXT = {".html", ".css", ".js", ".svg", ".json", ".txt", ".map"}


def loads_of(text):
    """Return the pieces of a page, style sheet or script that load something from elsewhere; a srcdoc is unescaped."""
    return [match.group(0) for match in LOADS.finditer(html.unescape(text))]


def loads_in(folder):
    """Yield (path, piece) of all that is loaded from elsewhere by any file under a folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in TEXT:
            yield from ((path, piece) for piece in loads_of(path.read_text(encoding="utf-8")))
