"""What makes an answer repeat itself less: a penalty on tokens that have been said, and no n-gram twice."""

from minisora.kernels import array_module


def penalize_repetition(logits, said, penalty):
    """Make the tokens that have been said less probable: divide a positive logit by the penalty, multiply another.

    Parameters
    ----------
    logits : array (B, V)
    said : int array (B, T)
        The tokens so far.
    penalty : float
        theta; 1 changes nothing.

    Returns
    -------
    array (B, V)

    References
    ----------
    Keskar et al., "CTRL: A Conditional Transformer Language Model for Controllable Generation", 2019, section 4.1,
    which divides in both cases; a negative logit would become more probable.
    """
    xp = array_module(logits)
    at = xp.arange(len(logits))[:, None], said
    here = logits[at]  # (B, T)
    out = logits.copy()
    out[at] = xp.where(here > 0, here / penalty, here * penalty)  # a token said twice gets the same value twice
    return out


def block_ngrams(logits, said, n):
    """Set to -inf every token that would make the last n tokens ones that have stood together before.

    Parameters
    ----------
    logits : array (B, V)
    said : int array (B, T)
        The tokens so far.
    n : int
        1: no token twice.

    Returns
    -------
    array (B, V)

    References
    ----------
    Paulus, Xiong, Socher, "A Deep Reinforced Model for Abstractive Summarization", 2017, section 2.5, with n = 3.
    """
    xp = array_module(logits)
    batch, length = said.shape
    windows = length - n + 1  # n-grams so far
    if windows < 1:
        return logits
    begun = xp.ones((batch, windows), bool)  # which of them begin with the last n - 1 tokens
    for i in range(n - 1):
        begun = begun & (said[:, i : i + windows] == said[:, windows + i, None])
    nothing = logits.shape[1]  # a column of its own, since a token may end an n-gram here and another one there
    blocked = xp.zeros((batch, nothing + 1), bool)
    blocked[xp.arange(batch)[:, None], xp.where(begun, said[:, n - 1 :], nothing)] = True
    return xp.where(blocked[:, :-1], logits.dtype.type(-xp.inf), logits)


class Penalties:
    """The penalties of a `GenerationConfig`, with the tokens that each sequence has said; nothing where none is on.

    Parameters
    ----------
    config : GenerationConfig
    state : DecoderState
        Of these sequences, at their beginning.
    """

    def __init__(self, config, state):
        self.penalty, self.n = config.repetition_penalty, config.no_repeat_ngram
        self.length, self._said = 0, None
        if self.penalty != 1 or self.n:
            self._said = state.xp.zeros((state.batch, state.max_len), int)

    def apply(self, logits):
        """Return the logits (B, V) under all penalties that are on."""
        if self._said is None or self.length == 0:
            return logits
        said = self._said[:, : self.length]
        if self.penalty != 1:
            logits = penalize_repetition(logits, said, self.penalty)
        return block_ngrams(logits, said, self.n) if self.n else logits

    def note(self, ids):
        """Append the tokens (B,) of one step."""
        if self._said is not None:
            self._said[:, self.length] = ids
            self.length += 1

    def reorder(self, rows):
        """Keep the sequences of these indices, in this order."""
        if self._said is not None:
            self._said = self._said[rows]
