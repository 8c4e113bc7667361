"""Mistakes that the built-in gradient checks catch: each is planted in the real layers, and a named check must fail.

The same checks pass without the mistake, so none is caught by accident. ``blind`` names a check that the mistake
passes: what shows it is then the particular thing that the other check does.
"""

from typing import NamedTuple

import numpy as np
import pytest

from minisora.gradcheck import run_checks
from minisora.kernels import numpy_attention
from minisora.layers import embedding
from minisora.layers.activation import GELU
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.decoder import Decoder
from minisora.layers.dropout import Dropout
from minisora.layers.encoder import EncoderLayer
from minisora.layers.linear import TiedLinear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm


def softmax_backward_divided_by_the_batch(monkeypatch):
    right = numpy_attention.softmax_backward
    monkeypatch.setattr(numpy_attention, "softmax_backward", lambda dw, w: right(dw, w) / len(w))


def softmax_backward_without_the_sum(monkeypatch):
    monkeypatch.setattr(numpy_attention, "softmax_backward", lambda dweights, weights: dweights * weights)


def attention_backward_without_the_scale(monkeypatch):
    monkeypatch.setattr(
        numpy_attention, "scores_backward", lambda ds, q, k, scale: (ds @ k, ds.swapaxes(-1, -2) @ (q * scale))
    )


def attention_backward_without_dropout(monkeypatch):
    right = numpy_attention.attention_backward
    broken = lambda dout, cache: right(dout, cache._replace(dropout=None))  # noqa: E731
    monkeypatch.setattr(MultiHeadAttention, "backward", _with_backend_backward(MultiHeadAttention.backward, broken))


def _with_backend_backward(method, attention_backward):
    def backward(self, dout, cache):
        backend, self.backend = self.backend, self.backend._replace(backward=attention_backward)
        try:
            return method(self, dout, cache)
        finally:
            self.backend = backend

    return backward


def gamma_outside_the_sums(monkeypatch):
    def backward(self, dout, cache):
        normalized, rstd = cache
        rows = tuple(range(dout.ndim - 1))
        self.gamma.grad += (dout * normalized).sum(axis=rows)
        self.beta.grad += dout.sum(axis=rows)
        shift = dout.mean(axis=-1, keepdims=True)
        stretch = (dout * normalized).mean(axis=-1, keepdims=True)
        return self.gamma.data * rstd * (dout - shift - normalized * stretch)

    monkeypatch.setattr(LayerNorm, "backward", backward)


def _layer_norm_forward_with(monkeypatch, rstd_of):
    """Replace 1 / sqrt(var + eps) in forward alone."""
    right = LayerNorm.forward

    def forward(self, x, *, key=None):
        _, cache = right(self, x)
        centered = x - x.mean(axis=-1, keepdims=True)
        return self.gamma.data * centered * rstd_of(centered, self.eps) + self.beta.data, cache

    monkeypatch.setattr(LayerNorm, "forward", forward)


def layer_norm_backward_forgets_eps(monkeypatch):
    right = LayerNorm.backward

    def backward(self, dout, cache):
        scale = np.sqrt((cache.normalized**2).mean(axis=-1, keepdims=True))  # below 1 because of eps
        return right(self, dout, cache._replace(normalized=cache.normalized / scale, rstd=cache.rstd / scale))

    monkeypatch.setattr(LayerNorm, "backward", backward)


def layer_norm_forward_with_std_plus_eps(monkeypatch):
    _layer_norm_forward_with(monkeypatch, lambda centered, eps: 1 / (centered.std(axis=-1, keepdims=True) + eps))


def layer_norm_forward_with_the_unbiased_std(monkeypatch):
    _layer_norm_forward_with(
        monkeypatch, lambda centered, eps: 1 / np.sqrt(centered.var(axis=-1, keepdims=True, ddof=1) + eps)
    )


def cross_entropy_divided_twice(monkeypatch):
    right_forward, right_backward = SoftmaxCrossEntropy.forward, SoftmaxCrossEntropy.backward

    def forward(self, logits, targets, *, key=None):
        (total, count), cache = right_forward(self, logits, targets)
        return (total / count, count), cache

    def backward(self, dtotal, cache):
        count = cache.counted.sum()
        return right_backward(self, dtotal, cache) / count / count

    monkeypatch.setattr(SoftmaxCrossEntropy, "forward", forward)
    monkeypatch.setattr(SoftmaxCrossEntropy, "backward", backward)


def cross_entropy_mean_over_tokens_forward_and_over_sequences_backward(monkeypatch):
    right_forward, right_backward = SoftmaxCrossEntropy.forward, SoftmaxCrossEntropy.backward

    def forward(self, logits, targets, *, key=None):
        (total, count), cache = right_forward(self, logits, targets)
        return (total / targets.size, count), cache

    def backward(self, dtotal, cache):
        return right_backward(self, dtotal, cache) / cache.shape[0]

    monkeypatch.setattr(SoftmaxCrossEntropy, "forward", forward)
    monkeypatch.setattr(SoftmaxCrossEntropy, "backward", backward)


def target_picked_by_value(monkeypatch):
    """The one is subtracted wherever the probability is the target's, not where the target is."""

    def backward(self, dtotal, cache):
        probabilities = cache.exps / cache.totals  # (N, V)
        of_target = probabilities[np.arange(len(cache.targets)), cache.targets][:, None]
        dlogits = dtotal * (probabilities - (probabilities == of_target))
        return np.where(cache.counted[:, None], dlogits, 0).reshape(cache.shape)

    monkeypatch.setattr(SoftmaxCrossEntropy, "backward", backward)


def padding_has_a_gradient(monkeypatch):
    right = SoftmaxCrossEntropy.backward
    monkeypatch.setattr(
        SoftmaxCrossEntropy,
        "backward",
        lambda self, dtotal, cache: right(self, dtotal, cache._replace(counted=np.ones_like(cache.counted))),
    )


def dropout_keeps_its_mask_in_the_layer(monkeypatch):
    """And the layer is one object in two places, so that backward uses the later mask."""
    right_forward, right_backward, right_init = Dropout.forward, Dropout.backward, EncoderLayer.__init__

    def forward(self, x, *, key=None):
        out, self.latest = right_forward(self, x, key=key)
        return out, self.latest

    def init(self, *arguments, **options):
        right_init(self, *arguments, **options)
        self.dropout_2 = self.dropout_1

    monkeypatch.setattr(Dropout, "forward", forward)
    monkeypatch.setattr(Dropout, "backward", lambda self, dout, cache: right_backward(self, dout, self.latest))
    monkeypatch.setattr(EncoderLayer, "__init__", init)


def repeated_ids_dropped(monkeypatch):
    def scatter(table, ids, rows):
        table[ids] += rows

    monkeypatch.setattr(embedding, "scatter_add", scatter)


def gelu_with_the_other_backward(monkeypatch):
    right = GELU.backward

    def backward(self, dout, cache):
        return right(GELU("none" if self.approximate == "tanh" else "tanh"), dout, cache)

    monkeypatch.setattr(GELU, "backward", backward)


def decoder_overwrites_dmemory(monkeypatch):
    def backward(self, dout, cache):
        dx = dout if self.norm is None else self.norm.backward(dout, cache.norm)
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx, dmemory = layer.backward(dx, layer_cache)
        return dx, dmemory

    monkeypatch.setattr(Decoder, "backward", backward)


def tied_table_gets_one_gradient_of_two(monkeypatch):
    def backward(self, dout, cache):
        vocab_size, d_model = self.table.data.shape
        rows = dout.reshape(-1, vocab_size)
        self.table.grad = rows.T @ cache.x.reshape(-1, d_model)  # assigned
        return (rows @ self.table.data).reshape(cache.x.shape)

    monkeypatch.setattr(TiedLinear, "backward", backward)


class Mutant(NamedTuple):
    plant: object
    caught_by: str
    tensor: str | None = None  # where the largest error stands
    blind: str | None = None  # a check that the mistake passes
    step: str | None = None  # the first wrong step that the report must name
    hint: str | None = None  # a part of its reason; None: there must be none


MUTANTS = [
    Mutant(
        softmax_backward_divided_by_the_batch,
        "attention/plain",
        "q",
        step="dscores",
        hint="divided by B once too often",
    ),
    Mutant(
        softmax_backward_divided_by_the_batch,
        "MultiHeadAttention/self",
        step="dscores",
        hint="divided by B once too often",
    ),
    Mutant(softmax_backward_without_the_sum, "attention/causal", step="dscores"),
    Mutant(attention_backward_without_the_scale, "attention/scale", "q", step="dq", hint="a missing factor scale"),
    Mutant(
        attention_backward_without_dropout,
        "MultiHeadAttention/self-dropout",
        blind="MultiHeadAttention/self",
        step="dweights",
    ),
    Mutant(gamma_outside_the_sums, "LayerNorm/rows", "x", step="dx"),
    Mutant(layer_norm_backward_forgets_eps, "LayerNorm/large-eps", "x", step="dgamma"),
    Mutant(layer_norm_forward_with_std_plus_eps, "LayerNorm/rows", step="out (forward)"),
    Mutant(layer_norm_forward_with_the_unbiased_std, "LayerNorm/rows", step="out (forward)"),
    Mutant(
        cross_entropy_divided_twice,
        "SoftmaxCrossEntropy/padding",
        "logits",
        step="dlogits",
        hint="divided by N once too often",
    ),
    Mutant(
        cross_entropy_mean_over_tokens_forward_and_over_sequences_backward,
        "SoftmaxCrossEntropy/smoothing",
        "logits",
        step="dlogits",
        hint="a missing 1/T",
    ),
    Mutant(
        target_picked_by_value,
        "SoftmaxCrossEntropy/equal-logits",
        "logits",
        blind="SoftmaxCrossEntropy/padding",
        step="dlogits",
    ),
    Mutant(padding_has_a_gradient, "SoftmaxCrossEntropy/padding", "logits", step="dlogits"),
    Mutant(
        dropout_keeps_its_mask_in_the_layer,
        "Dropout/on",
        "x",
        blind="Dropout/off",
        step="dx",
        hint="keeps something of a call",
    ),
    Mutant(
        dropout_keeps_its_mask_in_the_layer,
        "EncoderLayer/post-gelu-dropout",
        blind="EncoderLayer/post-relu",
        step="dropout_1.dx",
        hint="keeps something of a call",
    ),
    Mutant(
        repeated_ids_dropped,
        "TokenEmbedding/repeated-ids",
        "table",
        step="dtable",
        hint="the last place of each repeated id",
    ),
    Mutant(
        repeated_ids_dropped,
        "SoraModel/pre-tie-none-direction",
        step="decoder.embedded.embedding.dtable",
        hint="the last place of each repeated id",
    ),
    Mutant(gelu_with_the_other_backward, "GELU/exact", "x", blind="ReLU/rows", step="dx"),
    Mutant(gelu_with_the_other_backward, "GELU/tanh", "x", step="dx"),
    Mutant(
        decoder_overwrites_dmemory,
        "Decoder/pre-gelu-tanh-dropout",
        "memory",
        blind="DecoderLayer/post-relu",
        step="dmemory",
    ),
    Mutant(decoder_overwrites_dmemory, "SoraModel/post-tie-none-direction", step="decoder.stack.dmemory"),
    Mutant(tied_table_gets_one_gradient_of_two, "TiedLinear/table"),
]


def mutant_id(mutant):
    return f"{mutant.plant.__name__}-{mutant.caught_by}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=mutant_id)
def test_caught(monkeypatch, mutant):
    right = run_checks(mutant.caught_by)
    assert right.passed, str(right)
    mutant.plant(monkeypatch)
    (wrong,) = run_checks(mutant.caught_by).checks
    assert not wrong.passed
    if mutant.tensor is not None:
        assert wrong.worst.name == mutant.tensor, str(wrong)
        assert wrong.largest_relative_error > 1e-6
    if mutant.blind is not None:
        assert run_checks(mutant.blind).passed


@pytest.mark.parametrize("mutant", MUTANTS, ids=mutant_id)
def test_named(monkeypatch, mutant):
    """The first wrong step is the one where the mistake is, and no reason is given that is not the right one."""
    mutant.plant(monkeypatch)
    (wrong,) = run_checks(mutant.caught_by).checks
    assert wrong.first_wrong_step == mutant.step, str(wrong)
    if mutant.hint is None:
        assert wrong.hints == ()
    else:
        assert len(wrong.hints) == 1
        assert mutant.hint in wrong.hints[0]


def test_after_a_mutant_the_real_layers_are_back():
    assert run_checks({mutant.caught_by for mutant in MUTANTS if not mutant.caught_by.startswith("Decoder")}).passed
