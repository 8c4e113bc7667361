"""What a model must keep besides its gradients, as named properties.

Forward and backward may agree on a wrong function, and then no gradient is wrong. Each property is tried on small
random models in float64 and measured; where the limit is 0, to the last bit. ``check_properties()`` tries all of them,
``check_properties(layers={"attention": MyAttention})`` those that a layer of one's own can break.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisora.config import SoraConfig
from minisora.gradcheck import structure
from minisora.gradcheck.probe import randomize
from minisora.kernels import attention_backward, attention_forward
from minisora.layers.factory import LayerFactory
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.layers.positional import SinusoidalPositions
from minisora.layers.recurrent import Bidirectional
from minisora.model import SoraModel
from minisora.text import glove

V, D, H = 23, 6, 2
ROUNDING = 1e-12  # of the largest entry, in float64: where shapes differ, and with them the order of a sum


class Property(NamedTuple):
    """One property.

    Attributes
    ----------
    name, promise : str
    measure : callable
        ``measure(layers) -> float``: by how much it is broken, with layers replaced as `SoraModel` takes them.
    limit : float
        Up to which it counts as kept.
    ours_alone : bool
        Whether it speaks of minisora's own formula, which a layer of one's own need not have.
    """

    name: str
    promise: str
    measure: Callable
    limit: float = 0.0
    ours_alone: bool = False


@dataclass(frozen=True)
class PropertyResult:
    """By how much a property is broken; ``error`` is what was raised when it was tried, if anything was."""

    name: str
    promise: str
    broken_by: float
    limit: float
    error: str | None = None

    @property
    def passed(self):
        """True when it is kept."""
        return self.broken_by <= self.limit

    def to_dict(self):
        """Return everything as numbers and texts; broken_by is None where it is not finite."""
        broken_by = self.broken_by if np.isfinite(self.broken_by) else None
        return {**vars(self), "broken_by": broken_by, "passed": self.passed}

    def cells(self):
        """Return name, promise, by how much it is broken, and the verdict."""
        return self.name, self.promise, f"{self.broken_by:.1e}", "kept" if self.passed else "BROKEN"

    def __str__(self):
        name, promise, broken_by, verdict = self.cells()
        found = f" by {broken_by}" if self.error is None else f": {self.error}"
        return f"{name:16}  {promise}: {verdict}{'' if self.passed else found}"


def check_properties(names=None, layers=None):
    """Try the properties.

    Parameters
    ----------
    names : iterable of str, optional
        Which of `PROPERTIES`; all when None.
    layers : dict, optional
        Layers to be used instead of minisora's own, as `SoraModel` takes them; the properties of minisora's own
        formulas are then left out, and the others count as kept up to rounding.

    Returns
    -------
    list of PropertyResult
    """
    wanted = {one.name for one in PROPERTIES} if names is None else set(names)
    unknown = wanted - {one.name for one in PROPERTIES}
    if unknown:
        known = ", ".join(one.name for one in PROPERTIES)
        raise ValueError(f"the name of a property is expected ({known}), got {', '.join(sorted(map(repr, unknown)))}")
    return [_tried(one, layers) for one in PROPERTIES if one.name in wanted and not (layers and one.ours_alone)]


def _tried(known, layers):
    error = None
    try:
        with np.errstate(all="ignore"):
            broken_by = float(known.measure(layers))
    except Exception as raised:
        broken_by, error = np.inf, f"{type(raised).__name__}: {raised}"
    limit = max(known.limit, ROUNDING) if layers else known.limit  # the order of a sum is each layer's own affair
    return PropertyResult(known.name, known.promise, broken_by, limit, error)


def _case(layers, length=5, **changes):
    """A random model, the ids of three sources of length 7 with padding inside and behind, and of targets; an rng."""
    rng = np.random.default_rng(2024)
    config = SoraConfig(
        source_vocab_size=V, target_vocab_size=V, d_model=D, num_heads=H, d_ff=13, num_encoder_layers=2,
        num_decoder_layers=2, max_len=17, **changes,
    )  # fmt: skip
    model = randomize(SoraModel(config, rng, layers=layers, dtype=np.float64), rng)
    source, target = rng.integers(3, V, (3, 7)), rng.integers(3, V, (3, length))
    source[0, 2] = 0
    source[1, 4:] = source[2, 2:] = 0
    return model, source, target, rng


def _causal(layers):
    """At equal lengths: a cross-attention with its inputs exchanged does not run at others."""
    cases = [_case(layers, length=7, norm=norm, copy=norm == "post") for norm in ("pre", "post")]
    return max(structure.future_leak(model, source, target, 3) for model, source, target, _ in cases)


def _padding(layers):
    cases = [_case(layers, encoder=kind, copy=copy) for kind in ("transformer", "rnn") for copy in (False, True)]
    return max(structure.padding_leak(model, source, target, source != 0) for model, source, target, _ in cases)


def _without_padding(layers):
    """The padding behind a row alone: positions are counted where there is a hole in it."""
    gaps = []
    for kind in ("transformer", "rnn"):
        model, source, target, _ = _case(layers, encoder=kind, copy=kind == "rnn")
        together, lengths = model(source, target), [7, 4, 2]
        alone = [model(source[b : b + 1, :length], target[b : b + 1])[0] for b, length in enumerate(lengths)]
        gaps.append(np.abs(together - np.stack(alone)).max() / np.abs(together).max())
    return max(gaps)


def _deaf(layers):
    model, source, target, _ = _case(layers)
    return structure.source_echo(model, source, target) < 1e-3


def _batch_order(layers):
    cases = [_case(layers, copy=copy) for copy in (False, True)]
    return max(structure.batch_leak(model, source, target, np.array([2, 0, 1])) for model, source, target, _ in cases)


def _batch_of_one(layers):
    cases = [_case(layers, copy=copy) for copy in (False, True)]
    return max(structure.batch_of_one_gap(model, source, target) for model, source, target, _ in cases)


def _cache(layers):
    cases = [
        _case(layers, norm=norm, positions=kind, copy=kind == "learned")
        for norm in ("pre", "post")
        for kind in ("sinusoidal", "learned")
    ]
    return max(structure.cache_gap(model, source, target) for model, source, target, _ in cases)


def _reorder(layers):
    gaps = []
    for copy in (False, True):
        model, source, target, _ = _case(layers, copy=copy)
        wide = np.concatenate([target, target[::-1]])  # two for each source
        alone = structure.reorder_gap(model, source, target, np.array([2, 2, 1]))
        sharing = structure.reorder_gap(model, source, wide, np.array([5, 4, 2, 2]), width=2)
        gaps.append(max(alone, sharing) / np.abs(model(source, target)).max())
    return max(gaps)


def _known_gradient(layers):
    model, source, target, rng = _case(layers)
    return structure.gradient_leak(model, source, target, 2, rng)


def _reached(layers):
    model, source, target, rng = _case(layers)
    return len(structure.silent_parameters(model, source, target, rng))


def _tied_once(layers):
    return max(len(structure.repeated_parameters(_case(layers, tie=tie)[0])) for tie in ("output", "all"))


def _whole_positions(layers):
    model, _, _, rng = _case(layers)
    attention = randomize(LayerFactory(model.config, rng, layers, np.float64).attention(), rng)
    return structure.position_mixing(attention, rng.normal(size=(3, 5, D)), rng.permutation(5))


def _two_directions(layers):
    """How far the states from the left move with a later vector, and those from the right with an earlier one."""
    rng = np.random.default_rng(0)
    layer = randomize(Bidirectional(D, D, rng, dtype=np.float64), rng)
    x, changed = rng.normal(size=(2, 3, 7, D))
    states, half = layer(x), D // 2
    later, earlier = (
        np.concatenate([x[:, :4], changed[:, 4:]], axis=1),
        np.concatenate([changed[:, :4], x[:, 4:]], axis=1),
    )
    from_left = layer(later)[:, :4, :half] - states[:, :4, :half]
    from_right = layer(earlier)[:, 4:, half:] - states[:, 4:, half:]
    return max(np.abs(from_left).max(), np.abs(from_right).max())


def _blind_row(layers):
    """Output and gradients of a sequence whose keys are all hidden."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(3, 2, length, 5)) for length in (5, 7, 7))
    key_mask = np.ones((3, 7), bool)
    key_mask[1] = False
    out, cache = attention_forward(q, k, v, key_mask=key_mask)
    arrays = [array[1] for array in (out, *attention_backward(rng.normal(size=out.shape), cache))]
    return max(np.abs(array).max() if np.isfinite(array).all() else np.inf for array in arrays)


def _large_scores(layers):
    """Three rows whose scores are of the order of 1, 1e3 and 1e6, each against itself alone."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 2, length, 5)) for length in (3, 7, 7))
    q *= np.array([1.0, 1e3, 1e6])[:, None]
    together, _ = attention_forward(q, k, v)
    alone = [attention_forward(q[:, :, [t]], k, v)[0][:, :, 0] for t in range(3)]
    difference = np.abs(together - np.stack(alone, axis=2))
    return difference.max() if np.isfinite(difference).all() else np.inf


def _causal_corner(layers):
    """Three queries at the end of seven keys: query t sees s <= t + 4."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 2, length, 5)) for length in (3, 7, 7))
    out, _ = attention_forward(q, k, v, causal=True)
    alone = [attention_forward(q[:, :, [t]], k[:, :, : t + 5], v[:, :, : t + 5])[0][:, :, 0] for t in range(3)]
    return np.abs(out - np.stack(alone, axis=2)).max()


def _positions(layers):
    """Vaswani et al., section 3.5, worked out to 16 digits: sin and cos of t / 10000^(2i/6)."""
    table = SinusoidalPositions(6)(np.zeros((8, 6)))
    known = {
        (0, 0): 0.0, (0, 1): 1.0, (1, 0): 0.8414709848078965, (1, 1): 0.5403023058681398, (1, 2): 0.04639922346473127,
        (3, 3): 0.990320699135675, (7, 4): 0.015080471170057416, (7, 5): 0.9998862832288925,
    }  # fmt: skip
    return max(abs(table[index] - value) for index, value in known.items())


def _layer_norm(layers):
    """The formula written out once more, and beta for a constant vector."""
    rng = np.random.default_rng(0)
    layer = randomize(LayerNorm(7, eps=0.3, dtype=np.float64), rng)
    x = rng.normal(size=(3, 5, 7))
    mean = x.sum(axis=-1, keepdims=True) / 7
    variance = ((x - mean) ** 2).sum(axis=-1, keepdims=True) / 7
    formula = layer.gamma.data * (x - mean) / np.sqrt(variance + 0.3) + layer.beta.data
    of_constant = layer(np.full((3, 7), 5.0)) - layer.beta.data
    errors = np.concatenate([(layer(x) - formula).ravel(), of_constant.ravel()])
    return np.abs(errors).max() if np.isfinite(errors).all() else np.inf


def _loss_is_a_sum(layers):
    """Of a batch twice over, loss and count are twice those of the batch."""
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 5, 7)), rng.integers(0, 7, (3, 5))
    loss = SoftmaxCrossEntropy()
    (once, count), _ = loss.forward(logits, targets)
    (twice, double), _ = loss.forward(np.concatenate([logits, logits]), np.concatenate([targets, targets]))
    return max(abs(twice / once - 2), abs(double / count - 2))


def _counts(layers):
    """Three cells: of X = 0.5, 7 and 40, where f is (0.5/10)^0.75, (7/10)^0.75 and 1."""
    rng = np.random.default_rng(0)
    counts, f = np.array([0.5, 7.0, 40.0]), np.array([0.05**0.75, 0.7**0.75, 1.0])
    w, c = rng.normal(size=(2, 3, 5))
    b, ids = rng.normal(size=3), np.arange(3)
    d = np.log(counts) - (w * c).sum(axis=1) - b
    met, beside = (
        glove.least_squares_forward(w, c, b, moved, ids, ids, counts=counts, x_max=10.0)[0] for moved in (d, d + 1)
    )
    return max(np.abs(met).max(), np.abs(beside - f).max())


PROPERTIES = (
    Property("causal", "a later token changes no earlier logit", _causal),
    Property("known gradient", "no gradient reaches a later token, another sequence or hidden memory", _known_gradient),
    Property("padding", "what the mask hides changes no logit", _padding),
    Property("without padding", "a row's padding can be cut off", _without_padding, ROUNDING),
    Property("batch order", "the order of a batch changes no logit", _batch_order),
    Property("batch of one", "a sequence alone has the logits that it has in a batch", _batch_of_one, ROUNDING),
    Property("listening", "another source gives other logits", _deaf),
    Property("whole positions", "attention without a mask mixes whole positions", _whole_positions, ROUNDING),
    Property("cache", "token by token gives the logits of all at once", _cache, ROUNDING),
    Property("reorder", "a state reordered on the way goes on as one begun in that order", _reorder, ROUNDING),
    Property("reached", "every parameter gets a gradient", _reached),
    Property("tied once", "a parameter in two places is walked once", _tied_once),
    Property(
        "two directions",
        "from the left no state knows what comes later, from the right what came earlier",
        _two_directions,
        0.0,
        True,
    ),
    Property("blind row", "a row that sees no key gives output 0 and gradient 0", _blind_row, 0.0, True),
    Property("large scores", "a row is what it is alone, however large scores are", _large_scores, ROUNDING, True),
    Property("causal corner", "the last query sees every key", _causal_corner, ROUNDING, True),
    Property("positions", "sines and cosines are those of the paper", _positions, 1e-14, True),
    Property("layer norm", "LayerNorm is its formula, also for a constant vector", _layer_norm, 1e-13, True),
    Property("summed loss", "the loss is a sum over tokens, and its count", _loss_is_a_sum, 1e-13, True),
    Property("counts", "GloVe's loss is 0 where w c + b + d = log X, and f(X) beside it", _counts, 1e-13, True),
)
