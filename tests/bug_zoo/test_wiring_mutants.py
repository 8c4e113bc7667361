"""Mistakes that no gradient check can see, and what sees them instead.

Forward and backward make them together, so that every gradient is the right one, of the wrong function.
"""

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.gradcheck import FunctionPair, Probe, check, randomize, run_checks, structure
from minisora.kernels import attention_backward, attention_forward, numpy_attention
from minisora.layers import positional
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.decoder import Decoder, DecoderLayer
from minisora.layers.decoder_state import DecoderState, LayerState
from minisora.layers.layer import Layer
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.layers.positional import SinusoidalPositions
from minisora.model import Embedded, SoraModel
from minisora.training.optimizers import SGD


def build(rng, *, attention=None, **changes):
    config = SoraConfig(
        source_vocab_size=23,
        target_vocab_size=23,
        d_model=6,
        num_heads=2,
        d_ff=13,
        num_encoder_layers=2,
        num_decoder_layers=2,
        max_len=17,
        **changes,
    )
    layers = None if attention is None else {"attention": attention}
    return randomize(SoraModel(config, rng, layers=layers, dtype=np.float64), rng)


def ids(rng, batch, length):
    return rng.integers(3, 23, (batch, length))


# Cross-attention miswired


class QueriesFromMemory(MultiHeadAttention):
    """Cross-attention with x and memory exchanged: the memory asks, and the target answers, its future too."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        if memory is None:
            return super().forward(x, key=key, key_mask=key_mask, causal=causal)
        return super().forward(memory, x, key=key)

    def backward(self, dout, cache):
        gradients = super().backward(dout, cache)
        return gradients[::-1] if cache.is_cross else gradients


class KeysFromTarget(MultiHeadAttention):
    """Cross-attention that looks at the target instead of the memory."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        if memory is None:
            return super().forward(x, key=key, key_mask=key_mask, causal=causal)
        out, cache = super().forward(x, key=key)
        return out, (cache, memory)

    def backward(self, dout, cache):
        if isinstance(cache[0], tuple) and len(cache) == 2:
            return super().backward(dout, cache[0]), np.zeros_like(cache[1])
        return super().backward(dout, cache)


@pytest.mark.parametrize("attention", [QueriesFromMemory, KeysFromTarget])
def test_a_miswired_cross_attention_passes_its_own_gradient_check(rng, attention):
    layer = randomize(attention(6, 2, rng, dtype=np.float64), rng)
    assert check(Probe(layer, {"x": rng.normal(size=(3, 5, 6)), "memory": rng.normal(size=(3, 7, 6))})).passed


@pytest.mark.parametrize("attention", [QueriesFromMemory, KeysFromTarget])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_miswired_cross_attention_leaks_the_future(rng, attention, norm):
    source, target = ids(rng, 3, 7), ids(rng, 3, 7)  # of one length, else it would not run at all
    assert structure.future_leak(build(rng, norm=norm), source, target, 4) == 0
    assert structure.future_leak(build(rng, norm=norm, attention=attention), source, target, 4) > 1e-3


def test_keys_from_the_target_do_not_listen_to_the_source(rng):
    source, target = ids(rng, 3, 7), ids(rng, 3, 5)
    assert structure.source_echo(build(rng), source, target) > 1e-3
    assert structure.source_echo(build(rng, attention=KeysFromTarget), source, target) == 0


def test_queries_from_the_memory_do_not_fit_where_lengths_differ(rng):
    with pytest.raises(ValueError, match="broadcast"):
        build(rng, attention=QueriesFromMemory)(ids(rng, 3, 7), ids(rng, 3, 5))


# A missing head permutation


def heads_without_permutation(monkeypatch):
    """(B, T, D) is cut into (B, H, T, d_k) as it lies in memory; merge undoes it, so that gradients are right."""

    def split(self, x):
        return x.reshape(len(x), self.num_heads, -1, x.shape[-1] // self.num_heads)

    def merge(self, heads):
        batch, num_heads, length, d_k = heads.shape
        return heads.reshape(batch, length, num_heads * d_k)

    monkeypatch.setattr(MultiHeadAttention, "split", split)
    monkeypatch.setattr(MultiHeadAttention, "merge", merge)


def test_missing_head_permutation(monkeypatch, rng):
    layer = randomize(MultiHeadAttention(6, 2, rng, dtype=np.float64), rng)
    model, x, order = build(rng), rng.normal(size=(3, 5, 6)), rng.permutation(5)
    source, target = ids(rng, 3, 7), ids(rng, 3, 5)
    source[1, 4:] = source[2, 2:] = 0
    assert structure.position_mixing(layer, x, order) < 1e-14
    assert structure.padding_leak(model, source, target, source != 0) == 0
    assert structure.cache_gap(model, source, target) < 1e-12
    heads_without_permutation(monkeypatch)
    assert run_checks(["MultiHeadAttention/self", "MultiHeadAttention/cross"]).passed  # no gradient is wrong
    assert structure.future_leak(model, source, target, 2) == 0  # rows keep their order inside a head: still causal
    assert structure.position_mixing(layer, x, order) > 1e-2
    assert structure.padding_leak(model, source, target, source != 0) > 1e-3  # the mask hides other rows
    assert structure.cache_gap(model, source, target) > 1e-3  # a single position is permuted rightly


# Rows that see nothing


def blind_rows(rng):
    """Return attention's output and gradients where the second sequence has no visible key."""
    q, k, v = (rng.normal(size=(3, 2, length, 5)) for length in (5, 7, 7))
    key_mask = np.ones((3, 7), bool)
    key_mask[1] = False
    out, cache = attention_forward(q, k, v, key_mask=key_mask)
    return [array[1] for array in (out, *attention_backward(rng.normal(size=out.shape), cache))]


def test_a_row_that_sees_nothing_gives_zero(rng):
    for array in blind_rows(rng):
        np.testing.assert_array_equal(array, 0)


def test_minus_infinity_gives_a_row_that_sees_nothing_nan(monkeypatch, rng):
    def softmax_forward(scores, visible=None):
        largest = scores.max(axis=-1, keepdims=True)
        weights = np.exp(scores - largest)
        total = weights.sum(axis=-1, keepdims=True)
        return weights / total, (largest + np.log(total))[..., 0]

    monkeypatch.setattr(numpy_attention, "softmax_forward", softmax_forward)
    with np.errstate(invalid="ignore"):
        assert np.isnan(blind_rows(rng)[0]).all()
        with pytest.raises(ValueError, match="finite output"):
            run_checks("attention/blind-sequence")
    assert run_checks("attention/padding").passed


def test_minus_a_billion_gives_a_row_that_sees_nothing_an_average(monkeypatch, rng):
    hide, softmax_forward = numpy_attention.hide, numpy_attention.softmax_forward
    monkeypatch.setattr(numpy_attention, "hide", lambda scores, visible: np.maximum(hide(scores, visible), -1e9))
    monkeypatch.setattr(numpy_attention, "softmax_forward", lambda scores, visible: softmax_forward(scores))
    assert np.abs(blind_rows(rng)[0]).min() > 1e-4
    assert run_checks(["attention/padding", "attention/causal"]).passed  # every other row is right


# Formulas that are wrong in the same way forward and backward


def test_positions_follow_the_paper():
    """Vaswani et al., section 3.5, worked out to 16 digits: sin and cos of t / 10000^(2i/6)."""
    expected = {
        (0, 0): 0.0,
        (0, 1): 1.0,
        (1, 0): 0.8414709848078965,
        (1, 1): 0.5403023058681398,
        (1, 2): 0.04639922346473127,
        (3, 3): 0.990320699135675,
        (7, 4): 0.015080471170057416,
        (7, 5): 0.9998862832288925,
    }
    table = SinusoidalPositions(6)(np.zeros((8, 6)))
    for index, value in expected.items():
        assert table[index] == pytest.approx(value, abs=1e-15), index


@pytest.mark.parametrize("base", [100000.0, 1000.0])
def test_another_positional_base_is_seen(monkeypatch, base):
    def table(length, d_model, xp):
        angles = np.arange(length)[:, None] / base ** (np.arange(0, d_model, 2) / d_model)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, d_model)

    monkeypatch.setattr(positional, "sinusoidal_table", table)
    assert run_checks("SinusoidalPositions").passed
    with pytest.raises(AssertionError):
        test_positions_follow_the_paper()


def layer_norm_errors():
    """Return how far LayerNorm is from its formula, written out once more, and from beta for a constant vector."""
    rng = np.random.default_rng(0)
    layer = randomize(LayerNorm(7, eps=0.3, dtype=np.float64), rng)
    x = rng.normal(size=(3, 5, 7))
    mean = x.sum(axis=-1, keepdims=True) / 7
    variance = ((x - mean) ** 2).sum(axis=-1, keepdims=True) / 7
    formula = layer.gamma.data * (x - mean) / np.sqrt(variance + 0.3) + layer.beta.data
    return np.abs(layer(x) - formula).max(), np.abs(layer(np.full((3, 7), 5.0)) - layer.beta.data).max()


def test_layer_norm_is_its_formula():
    assert max(layer_norm_errors()) < 1e-14


@pytest.mark.parametrize(
    ("rstd", "constant_is_nan"),
    [
        pytest.param(lambda var, eps: 1 / np.sqrt(var), True, id="without-eps"),
        pytest.param(lambda var, eps: 1 / (np.sqrt(var) + eps), False, id="std-plus-eps"),
        pytest.param(lambda var, eps: 1 / np.sqrt(var * 7 / 6 + eps), False, id="unbiased"),
    ],
)
def test_another_layer_norm_is_seen(monkeypatch, rstd, constant_is_nan):
    def forward(self, x, *, key=None):
        centered = x - x.mean(axis=-1, keepdims=True)
        scale = rstd((centered**2).mean(axis=-1, keepdims=True), self.eps)
        return self.gamma.data * centered * scale + self.beta.data, None

    monkeypatch.setattr(LayerNorm, "forward", forward)
    with np.errstate(all="ignore"):
        general, constant = layer_norm_errors()
    assert general > 1e-3
    assert np.isnan(constant) == constant_is_nan  # 0 * inf: a constant vector does not map to beta


def loss_of_one_and_two():
    """Return the loss of a batch, of the batch twice over, and their token counts."""
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 5, 7)), rng.integers(0, 7, (3, 5))
    loss = SoftmaxCrossEntropy()
    (once, count), _ = loss.forward(logits, targets)
    (twice, double), _ = loss.forward(np.concatenate([logits, logits]), np.concatenate([targets, targets]))
    return once, twice, count, double


def test_the_loss_is_a_sum_and_its_count():
    once, twice, count, double = loss_of_one_and_two()
    assert twice == pytest.approx(2 * once, rel=1e-14)
    assert double == 2 * count > 0


def test_a_loss_that_divides_by_itself_is_seen(monkeypatch):
    """Rightly differentiated, but the trainer divides once more, and batches of unequal length get unequal weights."""
    right_forward, right_backward = SoftmaxCrossEntropy.forward, SoftmaxCrossEntropy.backward

    def forward(self, logits, targets, *, key=None):
        (total, count), cache = right_forward(self, logits, targets)
        return (total / count, count), cache

    monkeypatch.setattr(SoftmaxCrossEntropy, "forward", forward)
    monkeypatch.setattr(
        SoftmaxCrossEntropy, "backward", lambda self, d, cache: right_backward(self, d, cache) / cache.counted.sum()
    )
    assert run_checks("SoftmaxCrossEntropy").passed
    with pytest.raises(AssertionError):
        test_the_loss_is_a_sum_and_its_count()


def test_a_batch_of_padding_alone_is_nothing():
    loss = SoftmaxCrossEntropy()
    (total, count), cache = loss.forward(np.random.default_rng(0).normal(size=(3, 5, 7)), np.zeros((3, 5), int))
    assert (total, count) == (0, 0)
    np.testing.assert_array_equal(loss.backward(1.0, cache), 0)


# Tied weights


def sgd_moves_the_tied_table_once(tie):
    model = build(np.random.default_rng(0), tie=tie)
    table = model.decoder.embedded.embedding.table
    before = table.data.copy()
    table.grad[...] = np.random.default_rng(1).normal(size=table.grad.shape)
    SGD(model.parameters(), lr=0.5).step()
    np.testing.assert_array_equal(table.data, before - 0.5 * table.grad)


@pytest.mark.parametrize("tie", ["output", "all"])
def test_tied_weights_are_updated_once(monkeypatch, tie):
    model = build(np.random.default_rng(0), tie=tie)
    assert structure.repeated_parameters(model) == []
    sgd_moves_the_tied_table_once(tie)
    monkeypatch.setattr(Layer, "parameters", Layer._walk)
    monkeypatch.setattr(Layer._walk, "__defaults__", ("",))
    assert len(structure.repeated_parameters(model)) == (1 if tie == "output" else 2)
    with pytest.raises(AssertionError):
        sgd_moves_the_tied_table_once(tie)


# A cached step that differs from the uncached one


def step_forgets_the_position(monkeypatch):
    right = Embedded.forward
    monkeypatch.setattr(Embedded, "forward", lambda self, ids, *, key=None, offset=0: right(self, ids, key=key))


def step_forgets_the_memory_mask(monkeypatch):
    right = DecoderLayer.step
    monkeypatch.setattr(DecoderLayer, "step", lambda self, x, state, memory_mask: right(self, x, state, None))


def step_forgets_the_last_norm(monkeypatch):
    def step(self, x, states, memory_mask=None):
        for layer, state in zip(self.layers, states, strict=True):
            x = layer.step(x, state, memory_mask)
        return x

    monkeypatch.setattr(Decoder, "step", step)


def step_forgets_the_newest_key(monkeypatch):
    """The keys of the newest token are not kept."""
    right = DecoderLayer.step

    def step(self, x, state, memory_mask):
        out = right(self, x, state, memory_mask)
        state.past()[0][..., -1, :] = 0
        return out

    monkeypatch.setattr(DecoderLayer, "step", step)


@pytest.mark.parametrize(
    "plant",
    [
        step_forgets_the_position,
        step_forgets_the_memory_mask,
        step_forgets_the_last_norm,
        step_forgets_the_newest_key,
    ],
)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_cached_step_that_differs(monkeypatch, rng, plant, positions):
    model = build(rng, positions=positions)
    source, target = ids(rng, 3, 7), ids(rng, 3, 5)
    source[1, 4:] = source[2, 2:] = 0
    assert structure.cache_gap(model, source, target) < 1e-12
    plant(monkeypatch)
    assert structure.cache_gap(model, source, target) > 1e-6


def reorder_forgets_the_memory(monkeypatch):
    right = LayerState.reorder

    def reorder(self, rows):
        memory = self.memory
        right(self, rows)
        self.memory = memory

    monkeypatch.setattr(LayerState, "reorder", reorder)


def reorder_forgets_the_memory_mask(monkeypatch):
    right = DecoderState.reorder

    def reorder(self, rows):
        mask = self.memory_mask
        right(self, rows)
        self.memory_mask = mask

    monkeypatch.setattr(DecoderState, "reorder", reorder)


@pytest.mark.parametrize("plant", [reorder_forgets_the_memory, reorder_forgets_the_memory_mask])
def test_a_state_that_is_not_reordered_whole(monkeypatch, rng, plant):
    model = build(rng)
    source, target = ids(rng, 3, 7), ids(rng, 3, 5)
    source[1, 4:] = source[2, 2:] = 0
    order = np.array([2, 2, 1])
    assert structure.reorder_gap(model, source, target, order) < 1e-14
    plant(monkeypatch)
    assert structure.reorder_gap(model, source, target, order) > 1e-6


# Attention's causal mask where T and S differ: with T = S both alignments are the same


def test_a_causal_mask_aligned_at_the_wrong_corner(monkeypatch, rng):
    def last_query_sees_every_key():
        q, k, v = (rng.normal(size=(1, 1, length, 5)) for length in (3, 7, 7))
        out, _ = attention_forward(q, k, v, causal=True)
        free, _ = attention_forward(q, k, v)
        return np.array_equal(out[:, :, -1], free[:, :, -1])

    def visibility(targets, sources, key_mask, causal, xp):
        return np.tri(targets, sources, dtype=bool) if causal else None

    assert last_query_sees_every_key()
    monkeypatch.setattr(numpy_attention, "visibility", visibility)
    assert not last_query_sees_every_key()
    pair = FunctionPair(attention_forward, attention_backward)
    inputs = {name: rng.normal(size=(1, 2, 5, 3)) for name in "qkv"}
    assert check(Probe(pair, inputs, masks={"causal": True})).passed
