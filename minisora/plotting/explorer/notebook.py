"""What a notebook shows: a table that stays whatever is done to it, and under it the page in a frame.

JupyterLab takes frames and scripts out of a notebook that is not trusted, and leaves tables with colours.
"""

from html import escape

import numpy as np

from minisora.plotting.explorer.content import entry_of, weights_of

ROWS, PLACES = 40, 3  # tokens of the answer, and of the source for each
HEIGHT = 900


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
        f'<td style="background-color: rgba(23, 130, 115, {weight:.2f})">{escape(label)} {weight:.2f}</td>'
        for label, weight in looked
    )
    return f"<tr><th>{escape(token)}</th><td>{probability:.3f}</td>{cells}</tr>"


def frame(page, title):
    """A frame that holds a whole page; it may run its script and nothing else."""
    return (
        f'<iframe sandbox="allow-scripts" title="{escape(title)}" width="100%" height="{HEIGHT}" '
        f'style="border: 0" srcdoc="{escape(page)}"></iframe>'
    )
