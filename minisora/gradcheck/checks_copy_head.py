"""Checks of the copy head: tokens that stand several times in a source, hidden ones, a source that is all hidden."""

import numpy as np

from minisora.gradcheck.probe import Probe, randomize
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import V_TARGET, B, D, S, T, padding
from minisora.layers.copy_head import CopyHead


@register("CopyHead", {"visible": {"masked": False}, "padding": {"masked": True}})
def copy_head(rng, *, masked):
    """Eight tokens in eleven places: some come twice, one of them hidden; the last source is hidden altogether."""
    layer = randomize(CopyHead(D, rng, dtype=np.float64), rng)
    inputs = {name: rng.normal(size=(B, length, width)) for name, length, width in _SHAPES}
    inputs["source_ids"] = rng.integers(3, 11, (B, S))
    mask = padding(rng, B, S)
    mask[-1] = False
    return Probe(layer, inputs, masks={"memory_mask": mask} if masked else {})


_SHAPES = [("logits", T, V_TARGET), ("x", T, D), ("memory", S, D)]
