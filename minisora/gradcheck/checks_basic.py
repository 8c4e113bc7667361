"""Checks of the layers without attention: from linear to feed-forward."""

import numpy as np

from minisora.gradcheck.probe import Probe, randomize
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import D_FF, V_TARGET, B, D, T
from minisora.kernels import DropoutKey
from minisora.layers.activation import GELU, ReLU
from minisora.layers.dropout import Dropout
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.feed_forward import FeedForward
from minisora.layers.layer import Parameter
from minisora.layers.linear import Linear, TiedLinear
from minisora.layers.normalization import LayerNorm
from minisora.layers.positional import LearnedPositions, SinusoidalPositions


@register("Linear", {"bias": {"bias": True}, "no-bias": {"bias": False}})
def linear(rng, *, make=Linear, bias=True):
    ours = {} if bias else {"bias": False}
    layer = randomize(make(D, D_FF, rng, dtype=np.float64, **ours), rng)
    return Probe(layer, {"x": rng.normal(size=(B, T, D))})


@register("TiedLinear", {"table": {}})
def tied_linear(rng):
    return Probe(TiedLinear(Parameter(rng.normal(size=(V_TARGET, D)))), {"x": rng.normal(size=(B, T, D))})


@register("TokenEmbedding", {"repeated-ids": {}})
def token_embedding(rng, *, make=TokenEmbedding):
    """Fewer rows than ids, so that ids repeat, within a sequence and between sequences; row 3 is never used."""
    ids = rng.choice([0, 1, 2, 4], (B, T))
    return Probe(make(5, D, rng, dtype=np.float64), {"ids": ids})


@register("SinusoidalPositions", {"start": {"offset": 0}, "offset": {"offset": 3}})
def sinusoidal_positions(rng, *, offset):
    return Probe(SinusoidalPositions(D), {"x": rng.normal(size=(B, T, D))}, masks={"offset": offset})


@register("LearnedPositions", {"start": {"offset": 0}, "offset": {"offset": 3}})
def learned_positions(rng, *, offset):
    layer = LearnedPositions(11, D, rng, dtype=np.float64)
    return Probe(layer, {"x": rng.normal(size=(B, T, D))}, masks={"offset": offset})


@register(
    "LayerNorm",
    {"vector": {"shape": (D_FF,)}, "rows": {"shape": (B, T, D_FF)}, "large-eps": {"shape": (B, D_FF), "eps": 0.3}},
)
def layer_norm(rng, *, shape, eps=1e-5, make=LayerNorm):
    """The large eps shows a derivative that forgets it in the first digits."""
    layer = randomize(make(D_FF, eps=eps, dtype=np.float64), rng)
    return Probe(layer, {"x": rng.normal(0.5, 1.5, shape)})


@register("ReLU", {"rows": {"layer": ReLU()}})
@register("GELU", {"exact": {"layer": GELU("none")}, "tanh": {"layer": GELU("tanh")}})
def activation(rng, *, layer=None, make=None):
    """Values out to where both tails are flat."""
    return Probe(make() if layer is None else layer, {"x": rng.normal(0, 2, (B, T, D_FF))})


@register("Dropout", {"off": {"key": None}, "on": {"key": DropoutKey(31)}})
def dropout(rng, *, key, make=Dropout):
    return Probe(make(0.3), {"x": rng.normal(size=(B, T, D))}, key=key)


@register(
    "FeedForward",
    {
        "relu": {"activation": "relu"},
        "gelu": {"activation": "gelu"},
        "gelu-tanh": {"activation": "gelu_tanh"},
        "relu-dropout": {"activation": "relu", "dropout": 0.3, "key": DropoutKey(37)},
    },
)
def feed_forward(rng, *, activation, dropout=0.0, key=None, make=FeedForward):
    layer = randomize(make(D, D_FF, rng, activation=activation, dropout=dropout, dtype=np.float64), rng)
    return Probe(layer, {"x": rng.normal(size=(B, T, D))}, key=key)
