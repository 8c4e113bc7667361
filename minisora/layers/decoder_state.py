"""What decoding keeps between two steps: of each layer, the keys and values of the past and of the memory."""

import numpy as np

from minisora.kernels import array_module


def remember(attention, x):
    """Return the arrays that an attention layer needs of x (B, S, D), or (B, D) for S = 1, for later queries.

    A layer with ``remember`` and ``attend`` says so itself (keys and values); of any other layer the vectors are kept.
    """
    if has_shortcut(attention):
        return attention.remember(x)
    return (x if x.ndim == 3 else x[:, None],)


def attend(attention, x, remembered, key_mask=None):
    """Attend from the newest vectors x (B K, D), K for each row of what `remember` returned; give (B K, D).

    Without ``attend``, as cross-attention.
    """
    if has_shortcut(attention):
        return attention.attend(x, remembered, key_mask)
    return attention(by_source(x, remembered), remembered[0], key_mask=key_mask).reshape(x.shape)


def weigh(attention, x, remembered, key_mask=None):
    """Return the weights (B K, H, S) with which `attend` does it; a layer with ``weigh`` says so, else the cache."""
    if has_shortcut(attention):
        if not has_shortcut(attention, "weigh"):
            raise ValueError(f"a method weigh is expected beside attend, got {type(attention).__name__} without one")
        return attention.weigh(x, remembered, key_mask)
    weights = weights_in(attention.forward(by_source(x, remembered), remembered[0], key_mask=key_mask)[1])
    return by_sequence(weights)


def by_source(x, remembered):
    """(B K, D) to (B, K, D): those of the same row of ``remembered`` together."""
    batch = len(remembered[0])
    return x.reshape(batch, len(x) // max(1, batch), x.shape[-1])


def by_sequence(weights):
    """Attention weights (B, H, K, S) to (B K, H, S)."""
    batch, heads, count, sources = weights.shape
    return weights.swapaxes(1, 2).reshape(batch * count, heads, sources)


def weights_in(cache):
    """Return the attention weights (B, H, T, S) of an attention layer's cache; ValueError where it has none."""
    if not hasattr(cache, "weights"):
        raise ValueError(f"an attention layer's cache is expected to have weights, got {type(cache).__name__} without")
    return cache.weights


def has_shortcut(attention, *more):
    """Whether ``remember`` and ``attend`` (and ``more``) belong to this layer's own ``forward``, by the same class.

    A subclass of `MultiHeadAttention` with a forward of its own must not decode with the one that it replaced.
    """
    owner = next(kind for kind in type(attention).__mro__ if "forward" in vars(kind))
    return {"remember", "attend", *more} <= vars(owner).keys()


class LayerState:
    """The state of one decoder layer. Written in place by every step; time is the axis before the last of each array.

    Parameters
    ----------
    memory : tuple of arrays
        What the cross-attention remembers of the encoder's output: computed once.
    max_len : int
        Steps to reserve room for.

    Attributes
    ----------
    watched : bool
        Whether each step leaves its attention weights in ``weights``.
    weights : tuple of two arrays, or None
        Of the last step: self-attention's (B K, H, length) and cross-attention's (B K, H, S).
    """

    def __init__(self, memory, max_len):
        self.memory = memory
        self.max_len = max_len
        self.length = 0
        self.watched, self.weights = False, None
        self._past = None  # of max_len steps, made when the first one shows shapes and dtype

    def extend(self, newest):
        """Append the arrays of one step, each (..., 1, d)."""
        if self._past is None:
            self._past = tuple(
                array_module(a).empty((*a.shape[:-2], self.max_len, a.shape[-1]), a.dtype) for a in newest
            )
        for past, a in zip(self._past, newest, strict=True):
            past[..., self.length : self.length + 1, :] = a
        self.length += 1

    def past(self):
        """Return the arrays of all steps so far, each (..., length, d)."""
        return tuple(a[..., : self.length, :] for a in self._past)

    def reorder_memory(self, rows):
        """Keep the memory's rows of these indices, in this order; an index may repeat."""
        self.memory = tuple(a[rows] for a in self.memory)

    def reorder_past(self, rows):
        """Keep the past's rows of these indices, in this order; an index may repeat."""
        if self._past is None:
            return
        if len(rows) == len(self._past[0]):  # only what moves is copied; a GPU would have to be asked what that is
            moved = (rows != np.arange(len(rows))).nonzero()[0] if isinstance(rows, np.ndarray) else slice(None)
            for past in self.past():  # room for steps to come need not move
                past[moved] = past[rows[moved]]
        else:
            self._past = tuple(a[rows] for a in self._past)


class DecoderState:
    """Everything between two decoding steps; the one object of this project that may be written in place.

    It has K sequences for each of B sources, one unless `widen` says how many; those of a source stand together.

    Attributes
    ----------
    layers : list of LayerState
    memory_mask : bool array (B, S) or None
    length : int
        How many tokens have been read.
    max_len : int
        How many there is room for.
    copied : tuple of arrays
        What the copy head remembers of the source; () without one.
    packed : Layer or None
        The decoder's twin that computes the steps, see `minisora.layers.packed`; None: the decoder itself.
    """

    def __init__(self, layers, memory_mask, max_len, copied=()):
        self.layers = layers
        self.memory_mask = memory_mask
        self.max_len = max_len
        self.copied = copied
        self.packed = None
        self.length = 0
        self._width = 1  # K

    @property
    def batch(self):
        """Number B K of sequences."""
        return len(self.layers[0].memory[0]) * self._width

    @property
    def xp(self):
        """The library that its arrays belong to."""
        return array_module(self.layers[0].memory[0])

    def watch(self):
        """Let every step leave its attention weights in the ``weights`` of each layer's state."""
        for layer in self.layers:
            layer.watched = True

    def widen(self, count):
        """Have ``count`` sequences for each source, before anything is read; they share what is kept of the source."""
        if self.length or count < 1:
            raise ValueError(
                f"a state is widened before its first step, to 1 or more, got {self.length} tokens and {count}"
            )
        self._width = count

    def reorder(self, rows):
        """Keep the sequences of these indices, in this order: what follows when a sequence has ended.

        With K sequences for each source, those of a source stay together, and are K.
        """
        sources = rows[:: self._width] // self._width
        if isinstance(rows, np.ndarray) and not np.array_equal(np.repeat(sources, self._width), rows // self._width):
            raise ValueError(f"the {self._width} rows of a source are expected side by side, got {rows.tolist()}")
        for layer in self.layers:
            layer.reorder_memory(sources)
        self.copied = tuple(a[sources] for a in self.copied)
        if self.memory_mask is not None:
            self.memory_mask = self.memory_mask[sources]
        self.reorder_past(rows)

    def reorder_past(self, rows):
        """The same where every sequence stays with its source: hypotheses of a beam search change places.

        What has been read of the sources, most of the state while answers are short, is not copied.
        """
        for layer in self.layers:
            layer.reorder_past(rows)
