"""What a notebook shows: a table that stays whatever is done to it, and under it the page in a frame.

JupyterLab takes frames and scripts out of a notebook that is not trusted, and leaves tables with colours; of a frame it
leaves the text inside, which a browser that shows the frame does not show. The table takes its dark or light colours
from the notebook, as a picture could not.
"""

from html import escape

import numpy as np

from minisora.plotting.explorer.content import entry_of, weights_of

ROWS, PLACES = 40, 3  # tokens of the answer, and of the source for each
HEIGHT = 900
OPAQUE = 0.8  # a weight of 1: dark text on it, and light text, has a contrast above 4.5
NOTE = (
    "A notebook that is not trusted shows no more. For the page that answers to clicks, run the command Trust Notebook "
    "or write it to a file with save(path)."
)


def table(content):
    """Of each written token its probability, and where cross-attention's last layer looked most, heads averaged."""
    return [
        (token, float(np.exp(-loss)), looked)
        for token, loss, looked in zip(content["target"]["written"], content["target"]["losses"], most_seen(content))
    ]


def most_seen(content):
    """For each step the places of the source with the largest weights: [(label, weight), ...]."""
    weights = weights_of(entry_of(content, "cross"), -1, content["bits"]).mean(axis=0)  # (T, S)
    tokens = content["source"]["tokens"]
    best = np.argsort(-weights, axis=-1, kind="stable")[:, :PLACES]
    return [[(tokens[i], float(row[i])) for i in places] for row, places in zip(weights, best.tolist())]


def table_text(content):
    """The table for a terminal."""
    lines = [f"{content['source']['text']}  →  {content['target']['text']}"]
    for token, probability, looked in table(content):
        seen = "  ".join(f"{label} {weight:.2f}" for label, weight in looked)
        lines.append(f"  {token}  {probability:.3f}  ←  {seen}")
    return "\n".join(lines)


def table_html(content):
    """The table for a notebook, coloured by weight; nothing in it but text and colours."""
    rows = table(content)
    more = f"<p>… {len(rows) - ROWS} more</p>" if len(rows) > ROWS else ""
    text = f"{escape(content['source']['text'])} → <b>{escape(content['target']['text'])}</b>"
    head = f'<tr><th>written</th><th>p</th><th colspan="{PLACES}">cross-attention, last layer, heads averaged</th></tr>'
    body = "".join(_row(*row) for row in rows[:ROWS])
    return f"<div><p>{text}</p><table><thead>{head}</thead><tbody>{body}</tbody></table>{more}</div>"


def _row(token, probability, looked):
    cells = "".join(
        f'<td style="background-color: rgba(23, 130, 115, {OPAQUE * weight:.3f})">{escape(label)} {weight:.2f}</td>'
        for label, weight in looked
    )
    plain = 'style="background-color: transparent"'  # JupyterLab's stripes would show through the colours
    return f"<tr {plain}><th>{escape(token)}</th><td>{probability:.3f}</td>{cells}</tr>"


def frame(page, title):
    """A frame for a whole page, which may run its script and nothing else; its lower right corner drags."""
    return (
        f'<iframe sandbox="allow-scripts" title="{escape(title)}" width="100%" height="{HEIGHT}" '
        f'style="border: 0; margin-top: 1em; resize: vertical" srcdoc="{escape(page)}">{escape(NOTE)}</iframe>'
    )
