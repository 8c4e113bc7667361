"""What attention looked at while an answer was generated: every layer's weights, of every step."""

from typing import NamedTuple

import numpy as np

from minisora.layers.decoder_state import weights_in
from minisora.layers.layer import mover


class AttentionMaps(NamedTuple):
    """Of one answer that took T steps from a source of S tokens; lists with one array a layer.

    The decoder reads bos first, so row t belongs to the choice of token t, and the last row to that of eos, unless the
    answer was cut. A forward pass over the source and (bos, answer) has the same weights in its caches.
    """

    encoder: list  # (H, S, S)
    decoder: list  # (H, T, T), 0 above the diagonal
    cross: list  # (H, T, S)


class Watch:
    """Notes the weights of a batch step by step, and puts together those of one answer."""

    def __init__(self):
        self._encoder, self._steps = [], []

    def begin(self, cache, state):
        """Take the encoder's weights from its cache, and let the decoder's state leave its own at every step."""
        state.watch()
        self._encoder = [mover("cpu")(weights_in(layer.self_attention)) for layer in cache.stack.layers]

    def look(self, state):
        """Note what the last step has left."""
        self._steps.append([tuple(map(mover("cpu"), layer.weights)) for layer in state.layers])

    def maps(self, source, length, rows):
        """Return the `AttentionMaps` of an answer.

        Parameters
        ----------
        source : int
            Which source of the batch it answers.
        length : int
            Tokens of that source, S.
        rows : list of int
            Which row of the state it was at each step.
        """
        encoder = [weights[source, :, :length, :length] for weights in self._encoder]
        layers = range(len(self._steps[0]))
        decoder = [self._rows(layer, 0, rows, len(rows)) for layer in layers]
        return AttentionMaps(encoder, decoder, [self._rows(layer, 1, rows, length) for layer in layers])

    def _rows(self, layer, kind, rows, width):
        """The weights (H, T, width) of one layer, self-attention's (kind 0) or cross-attention's (1)."""
        found = [self._steps[step][layer][kind][row] for step, row in enumerate(rows)]  # (H, width or less) each
        out = np.zeros((len(found[0]), len(rows), width), found[0].dtype)
        for step, weights in enumerate(found):
            seen = min(width, weights.shape[-1])
            out[:, step, :seen] = weights[:, :seen]
        return out
