"""How widely attention is spread."""

import numpy as np

from minisora.layers.layer import mover
from minisora.plotting.matrices import check_weights, weights_of


def attention_entropy(weights):
    """Return the entropy of each query's weights, -Σ_s w log w, in nats: 0 for one key, log(n) for n keys alike.

    A row that sees nothing has entropy 0.

    Parameters
    ----------
    weights : cache or array (..., T, S)

    Returns
    -------
    float64 array (..., T)
    """
    array = np.asarray(mover("cpu")(weights_of(weights)))
    if array.ndim < 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        raise ValueError(f"an attention cache or weights (..., T, S) are expected, got {array.dtype} {array.shape}")
    check_weights([array])
    array = array.astype(np.float64)
    return -(array * np.log(np.where(array > 0, array, 1))).sum(axis=-1) + 0.0  # no -0
