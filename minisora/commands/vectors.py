"""``minisora vectors``: word vectors, trained, looked at and judged."""

from minisora.commands.lazy import LazyCommands

command = LazyCommands(
    "vectors",
    homes={name: f"minisora.commands.vectors_{name}" for name in ("train", "nearest", "evaluate")},
    help="Word vectors: word2vec and GloVe. minisora train --embedding lets a model begin with them.",
)
