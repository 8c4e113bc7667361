"""What is to be drawn, as matrices (T, S) by layer and head, whatever it was given as; and its labels, checked."""

import numpy as np

from minisora.kernels import AttentionCache, attention_steps
from minisora.layers.layer import mover


def matrices_by_layer(given, batch=0):
    """Return a list with one array (H, T, S) for each layer.

    Parameters
    ----------
    given : cache, array, or list of them
        The cache of attention or of an attention layer, whose weights are computed again; an array (T, S), (H, T, S)
        or (B, H, T, S); or a list with one of these for each layer, as `AttentionMaps` has.
    batch : int
        Which sequence, where there is an axis B.
    """
    layers = list(given) if type(given) in (list, tuple) else [given]
    if not layers:
        raise ValueError("an attention cache or an array (T, S), (H, T, S) is expected, got an empty list")
    matrices = [_of_one_layer(layer, batch) for layer in layers]
    if len(shapes := {each.shape for each in matrices}) > 1:
        raise ValueError(f"the layers are expected to have one shape (H, T, S), got {sorted(shapes)}")
    return matrices


def weights_of(given):
    """Return the weights (B, H, T, S) of a cache, computed again or as it has them; anything else stays as it is."""
    if isinstance(given, AttentionCache):
        return attention_steps(given).weights
    return getattr(given, "weights", given)


def _of_one_layer(given, batch):
    given = weights_of(given)
    array = np.asarray(mover("cpu")(given) if hasattr(given, "dtype") else given)
    if array.dtype.kind not in "fiu" or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise ValueError(
            "an attention cache or an array of numbers (T, S), (H, T, S) or (B, H, T, S) is expected, "
            f"got {_described(given, array)}"
        )
    if array.ndim == 4:
        array = array[place_of("batch", batch, len(array))]
    return array if array.ndim == 3 else array[None]


def _described(given, array):
    return f"{array.dtype} {array.shape}" if array.dtype != object else type(given).__name__


def place_of(name, value, length):
    """Return a place in an axis; ValueError when it has none such."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not -length <= value < length:
        raise ValueError(f"{name} is expected as an integer below {length}, got {value!r}")
    return int(value) % length


def chosen(name, place, length):
    """Return the places to draw: one, or all when None."""
    return range(length) if place is None else [place_of(name, place, length)]


def check_weights(matrices):
    """Raise ValueError unless all matrices hold weights: from 0 to 1, a row's sum at most 1, up to rounding."""
    for array in matrices:
        low, high, total = array.min(), array.max(), array.astype(np.float64).sum(axis=-1).max()
        if not (low >= 0 and high <= 1.001 and total <= 1.01):  # NaN is not either
            raise ValueError(
                "attention weights are expected from 0 to 1, with rows that sum to 1 or, where nothing is seen, 0; "
                f"got {low:.4g} to {high:.4g} with a row that sums to {total:.4g}; "
                "scores and gradients are drawn with signed=True"
            )


def check_finite(matrices):
    """Raise ValueError where anything is NaN or +inf; -inf is the score of a hidden key."""
    for array in matrices:
        if np.isnan(array).any() or np.isposinf(array).any():
            raise ValueError("finite numbers are expected, or -inf where a key is hidden, got NaN or inf")


def labels_of_axes(source, target, shape):
    """Return the labels of the keys and of the queries: numbers where None, the source's where they are the same.

    Parameters
    ----------
    source : list of str, or None
        S tokens.
    target : list of str, or None
        T tokens; None: the source's, in self-attention, where T = S.
    shape : tuple (..., T, S)
    """
    targets, sources = shape[-2:]
    target = source if target is None and targets == sources else target
    return _checked("source", source, "S", sources), _checked("target", target, "T", targets)


def _checked(name, labels, axis, length):
    if labels is None:
        return [str(place) for place in range(length)]
    labels = list(labels)
    if len(labels) != length:
        raise ValueError(f"{name} is expected to have {axis} = {length} tokens, one for each, got {len(labels)}")
    if strange := [label for label in labels if not isinstance(label, str)]:
        raise ValueError(f"{name} is expected as a list of str, got {type(strange[0]).__name__}: {strange[0]!r}")
    return labels
