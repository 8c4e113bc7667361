"""A decoder's twin with copied weights: the same steps, and nothing of the decoder is changed."""

import numpy as np
import pytest

from minisora.generation import GenerationConfig, beam_search, greedy
from minisora.kernels import get_elementwise
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.packed import FEW, PackedLinear, packed


class MyAttention(MultiHeadAttention):
    """A student's own, which decodes by its forward."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        return super().forward(x, memory, key=key, key_mask=key_mask, causal=causal)


def start(model, batch):
    source_ids = np.random.default_rng(1).integers(3, 23, (batch, 7))
    return model.decoder.start(model.encoder(source_ids), None, 5, source_ids)


@pytest.mark.parametrize("batch", [1, FEW - 1, FEW, 11])
@pytest.mark.parametrize("changes", [{}, {"tie": "all", "copy": True}, {"norm": "post", "activation": "gelu"}])
def test_a_step_is_the_same_with_packed_weights(tiny_model, batch, changes):
    ids = np.random.default_rng(2).integers(3, 23, (3, batch))
    logits = []
    for backend in ("numpy", "numba"):
        model = tiny_model(1, **changes).use_backend(backend)
        state = start(model, batch)
        logits.append([model.decoder.step(token, state)[0] for token in ids])
        assert (state.packed is not None) == (backend == "numba" and batch >= FEW)
    for one, other in zip(*logits, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(one).max())


def test_the_twin_of_a_changed_model_is_another_one(tiny_model):
    """The weights are copied for one decoding: a training step between two of them is seen by the second."""
    model = tiny_model(1).use_backend("numba")
    source_ids = np.random.default_rng(1).integers(3, 23, (7, 5))
    before = greedy(model, source_ids, max_len=6)
    for _, parameter in model.parameters():
        parameter.data[...] *= -0.5
    after = greedy(model, source_ids, max_len=6)
    assert before != after == greedy(model.use_backend("numpy"), source_ids, max_len=6)


def test_an_attention_of_ones_own_decodes_with_packed_weights(tiny_model):
    """It says nothing of decoding, and so gets whole sequences: of one vector, or of a beam."""
    model = tiny_model(1, layers={"attention": MyAttention})
    source_ids, config = np.random.default_rng(1).integers(3, 23, (5, 4)), GenerationConfig(beams=3)

    def decode():
        trees = beam_search(model, source_ids, config, max_len=6)
        return greedy(model, source_ids, max_len=6), [tree.ids(tree.best(1)[0]) for tree in trees]

    expected = decode()
    model.use_backend("numba")
    assert decode() == expected


def test_the_layer_itself_stays_as_it_is(tiny_model):
    """The twin has no Linear left; what it was made of has no packed one."""
    decoder = tiny_model(1, layers={"attention": MyAttention}).decoder
    before = [type(layer).__name__ for layer in decoder.layers_below()]
    twin = packed(decoder, get_elementwise("numba", np.ones(1)))
    assert [type(layer).__name__ for layer in decoder.layers_below()] == before
    kinds = [type(layer).__name__ for layer in twin.layers_below()]
    assert "Linear" not in kinds and kinds.count("MyAttention") == 4
    assert count_packed(twin) == before.count("Linear") > 0


def count_packed(layer):
    return sum(isinstance(value, PackedLinear) for one in layer.layers_below() for value in vars(one).values())
