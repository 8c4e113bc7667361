"""How the next token of each sequence is chosen: the most probable one, or one that is drawn."""

import numpy as np

from minisora.generation.filters import top_k, top_p
from minisora.generation.penalties import Penalties
from minisora.kernels import array_module
from minisora.kernels.random import uniforms


class Choice:
    """Chooses by the temperature, the filters and the penalties of a `GenerationConfig`.

    Parameters
    ----------
    config : GenerationConfig
    keys : list of DropoutKey
        One a sequence; of it depends what is drawn, and of nothing else.
    state : DecoderState
        Of these sequences, at their beginning.
    """

    def __init__(self, config, keys, state):
        self.config, self.step = config, 0
        self.penalties = Penalties(config, state)
        self._uniforms = None
        if config.temperature > 0:  # all at once: on a GPU one copy instead of one a token
            drawn = np.stack([uniforms(key, state.max_len) for key in keys])  # (B, max_len)
            self._uniforms = state.xp.asarray(drawn)

    def __call__(self, logits):
        """Return the next ids (B,) for logits (B, V)."""
        logits = self.penalties.apply(logits)
        if self._uniforms is None:
            ids = logits.argmax(axis=-1)
        else:
            ids = draw(self.scale(logits), self._uniforms[:, self.step])
        self.penalties.note(ids)
        self.step += 1
        return ids

    def scale(self, logits):
        """Return what is drawn from: logits / temperature in float64, 0 the largest, and -inf what the filters drop."""
        config = self.config
        logits = (logits - logits.max(axis=-1, keepdims=True)).astype(np.float64) / config.temperature
        if config.top_k:
            logits = top_k(logits, config.top_k)
        return top_p(logits, config.top_p) if config.top_p < 1 else logits

    def reorder(self, rows):
        """Keep the sequences of these indices, in this order."""
        self.penalties.reorder(rows)
        if self._uniforms is not None:
            self._uniforms = self._uniforms[rows]


def draw(logits, uniform):
    """Draw a token of each row of logits (B, V), the largest 0, by the inverse of the distribution function.

    Token w is drawn where sum_{v < w} p(v) <= u < sum_{v <= w} p(v); ``uniform`` (B,) holds u, in [0, 1).
    """
    reached = array_module(logits).exp(logits).cumsum(axis=-1)  # (B, V)
    return (reached > uniform[:, None] * reached[:, -1:]).argmax(axis=-1)
