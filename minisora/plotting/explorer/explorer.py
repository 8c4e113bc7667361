"""`attention_explorer`: attention and its gradients behind one answer, as a page."""

import os

import numpy as np

from minisora.files import replace_file
from minisora.plotting.explorer.budget import GRADIENTS
from minisora.plotting.explorer.content import entry_of, explore, weights_of
from minisora.plotting.explorer.notebook import frame, table_html, table_text
from minisora.plotting.explorer.page import html


class AttentionExplorer:
    """What `attention_explorer` returns; as the last value of a notebook's cell it shows itself.

    Attributes
    ----------
    content : dict
        Tokens, weights and gradients as the page has them, see `minisora.plotting.explorer.content`.
    """

    def __init__(self, content):
        self.content = content

    @property
    def html(self):
        """The page: one HTML document that needs no server and no network."""
        return html(self.content)

    def save(self, path):
        """Write the page to a file."""
        replace_file(os.fspath(path), self.html.encode("utf-8"))

    def figure(self, kind="cross", *, layer=None, head=None):
        """The weights as a figure of `minisora.plotting.plot_attention`.

        Parameters
        ----------
        kind : {"cross", "encoder", "decoder", "copy"}
        layer, head : int, optional
            Which to draw, counted from 0; all when None.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from minisora.plotting.attention import plot_attention

        entry = entry_of(self.content, kind)
        source, target = self.content["source"]["tokens"], self.content["target"]
        columns, rows = {"encoder": (source, source), "decoder": (target["read"], target["written"])}.get(
            kind, (source, target["written"])
        )
        least = 1e-9  # a weight that was rounded to 0 is none of a hidden key
        layers = [
            np.maximum(one, np.tril(np.full(one.shape[1:], least)) if entry["causal"] else least)
            for one in (weights_of(entry, i, self.content["bits"]) for i in range(entry["layers"]))
        ]
        return plot_attention(layers, columns, rows, layer=layer, head=head)

    def __str__(self):
        return table_text(self.content)

    def __repr__(self):
        source, target = self.content["source"]["tokens"], self.content["target"]["written"]
        return f"AttentionExplorer({len(source)} tokens read, {len(target)} written)"

    def _repr_mimebundle_(self, include=None, exclude=None):
        shown = table_html(self.content) + frame(self.html, "minisora")
        return {"text/plain": str(self), "text/html": shown}


def attention_explorer(
    model, tokenizer, text, *, target_tokenizer=None, answer=None, gradients=True, tokens=None, **options
):
    """Look at attention behind an answer, and at the gradients of every token's loss: a page of one file.

    The page shows encoder, decoder and cross-attention of every layer and head, as lines and as matrices; the answer
    step by step; and beside the weights their gradients, dweights and dscores, of -log p of one token or of the whole
    answer, made by the model's own backward passes. A click on a number shows where it comes from.

    Parameters
    ----------
    model : SoraModel
        Its parameters, gradients and backend are left as they are.
    tokenizer : SoraTokenizer
    text : str
        What the model reads.
    target_tokenizer : SoraTokenizer, optional
        Of the answer; the same one when None.
    answer : str, optional
        What the model is to say; None: what it says.
    gradients : bool
        Whether the page has gradients. Those of the whole answer are always among them; those of single tokens as many
        as fit into four million numbers, the least certain first.
    tokens : list of int, optional
        The places in the answer whose gradients the page has instead, however large it gets.
    **options
        Of `minisora.generation.generate`: max_len, beams and so on.

    Returns
    -------
    AttentionExplorer
        With ``html``, ``save(path)``, ``figure(kind)``, and its picture in a notebook.

    Raises
    ------
    ValueError
        For a text or an answer that does not fit the model, places that are not in the answer, and gradients of an
        attention layer of one's own that computes without a backend.

    Examples
    --------
    >>> from minisora.checkpoint import load
    >>> from minisora.plotting.explorer import attention_explorer
    >>> model, tokenizer, _ = load("sora/sora-base")
    >>> attention_explorer(model, tokenizer, "今天天气怎么样？").save("attention.html")  # doctest: +SKIP
    """
    if tokens is not None and not gradients:
        raise ValueError("expected gradients=True with tokens, whose gradients they are")
    content = explore(
        model,
        tokenizer,
        text,
        target_tokenizer=target_tokenizer,
        answer=answer,
        tokens=tokens,
        most=GRADIENTS if gradients else 0,
        **options,
    )
    return AttentionExplorer(content)
