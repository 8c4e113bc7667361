"""The explorer: one page on which attention and its gradients can be looked at, number by number.

`attention_explorer` sends a text through a model, forward and back, and puts what it found into one HTML file that
needs no server and no network. What the file holds is described in `minisora.plotting.explorer.content`; `page/` is
what the file is made of, and what `minisora serve` shows behind an answer.
"""

from minisora.plotting.explorer.explorer import AttentionExplorer, attention_explorer

__all__ = ["AttentionExplorer", "attention_explorer"]
