"""The twin of a layer for one decoding: its weights copied once into the order in which the products read them.

A step multiplies a few vectors by every weight of the decoder, and its time is that of reading them. BLAS copies them
for each product into an order of its own; where a backend has a product for weights that have been copied before, a
`minisora.layers.decoder_state.DecoderState` keeps them for all its steps.
"""

import math
from copy import copy

import numpy as np

from minisora.layers.layer import Layer
from minisora.layers.linear import Linear, TiedLinear

FEW = 4  # vectors from which on it is worth it


class PackedLinear:
    """out = x W + b for the vectors x (..., d_in) of a step, with the W and b that a layer had when this was made.

    It stands for a layer in inference alone: nothing is trained through it, and it has no parameters.
    """

    def __init__(self, weight, bias, fused):
        self.operations, self.weight = fused, fused.pack(weight, weight.dtype)
        self.bias = np.zeros(weight.shape[1], weight.dtype) if bias is None else bias.copy()

    def forward(self, x, *, key=None):
        """Map x (..., d_in) to (..., d_out); there is no cache."""
        return self(x), None

    def __call__(self, x):
        """Map x (..., d_in) to (..., d_out)."""
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        return self.operations.packed_product(rows, self.weight, self.bias).reshape(*x.shape[:-1], len(self.bias))


def packed(layer, fused):
    """Return a copy of a layer with a `PackedLinear` in the place of each Linear below it; all else is shared."""
    if type(layer) is Linear:
        return PackedLinear(layer.weight.data, None if layer.bias is None else layer.bias.data, fused)
    if type(layer) is TiedLinear:
        return PackedLinear(layer.table.data.T, None, fused)
    twin = copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, Layer):
            setattr(twin, name, packed(value, fused))
        elif isinstance(value, list):
            setattr(twin, name, [packed(one, fused) if isinstance(one, Layer) else one for one in value])
    return twin
