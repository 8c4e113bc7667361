"""A model's embedding that begins with word vectors from elsewhere."""

import numpy as np

from minisora.text.specials import SPECIALS


def start_embedding(embedding, tokens, vectors):
    """Put word vectors into the rows of the tokens that have one; return how many these are.

    Parameters
    ----------
    embedding : TokenEmbedding
        Its table (V, D) is written in place. Rows without a vector stay as they are, those of the special tokens too.
        Where the table is tied to others, they are the same parameter.
    tokens : list of str
        Label of each id, as `SoraTokenizer.tokens` gives them.
    vectors : WordVectors
        Of width D. All of them are multiplied by one factor, so that those that are used have the mean square of the
        random rows, 1 / D: the layers above expect that.
    """
    table = embedding.table.data
    width = vectors.vectors.shape[1]
    if width != table.shape[1]:
        raise ValueError(f"word vectors with d_model = {table.shape[1]} numbers are expected, got {width}")
    known = [(i, token) for i, token in enumerate(tokens) if i >= len(SPECIALS) and token in vectors]
    if not known:
        raise ValueError("word vectors of at least one of the model's tokens are expected, got none")
    rows = np.array([vectors[token] for _, token in known], np.float64)
    scale = np.sqrt((rows**2).mean() * width)
    if scale == 0:
        raise ValueError("word vectors are expected not to be all zero")
    table[[i for i, _ in known]] = rows / scale
    return len(known)
