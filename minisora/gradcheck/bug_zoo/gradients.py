"""Mistakes in a backward, or in a forward alone: the gradients stop being those of the function.

Each function plants one of them through ``patch.setattr(owner, name, value)``; its docstring says what goes wrong.
"""

import numpy as np

from minisora.gradcheck.bug_zoo.seen import seen
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


@seen("AkiRusProd/numpy-transformer, activations.py: Softmax.backward ends with / batch_size")
def softmax_backward_divided_by_the_batch(patch):
    right = numpy_attention.softmax_backward
    patch.setattr(numpy_attention, "softmax_backward", lambda dw, w: right(dw, w) / len(w))


@seen("eriklindernoren/ML-From-Scratch#71: p (1 - p) for the gradient of a softmax")
def softmax_backward_without_the_sum(patch):
    patch.setattr(numpy_attention, "softmax_backward", lambda dweights, weights: dweights * weights)


@seen("left out forward too: delzac/cntkx#10, ethen8181/machine-learning#13")
def attention_backward_without_the_scale(patch):
    patch.setattr(
        numpy_attention, "scores_backward", lambda ds, q, k, scale: (ds @ k, ds.swapaxes(-1, -2) @ (q * scale))
    )


@seen("aws-neuron/nki-samples#81: flash attention's backward did not drop dweights")
def attention_backward_without_dropout(patch):
    right = numpy_attention.attention_backward
    broken = lambda dout, cache: right(dout, cache._replace(dropout=None))  # noqa: E731
    patch.setattr(MultiHeadAttention, "backward", _with_backend_backward(MultiHeadAttention.backward, broken))


def _with_backend_backward(method, attention_backward):
    def backward(self, dout, cache):
        backend, self.backend = self.backend, self.backend._replace(backward=attention_backward)
        try:
            return method(self, dout, cache)
        finally:
            self.backend = backend

    return backward


@seen("AkiRusProd/numpy-transformer, layer_norm.py; of a batch norm: denizyuret/Knet.jl#288")
def gamma_outside_the_sums(patch):
    def backward(self, dout, cache):
        normalized, rstd = cache
        rows = tuple(range(dout.ndim - 1))
        self.gamma.grad += (dout * normalized).sum(axis=rows)
        self.beta.grad += dout.sum(axis=rows)
        shift = dout.mean(axis=-1, keepdims=True)
        stretch = (dout * normalized).mean(axis=-1, keepdims=True)
        return self.gamma.data * rstd * (dout - shift - normalized * stretch)

    patch.setattr(LayerNorm, "backward", backward)


def _layer_norm_forward_with(patch, rstd_of):
    """Replace 1 / sqrt(var + eps) in forward alone."""
    right = LayerNorm.forward

    def forward(self, x, *, key=None):
        _, cache = right(self, x)
        centered = x - x.mean(axis=-1, keepdims=True)
        return self.gamma.data * centered * rstd_of(centered, self.eps) + self.beta.data, cache

    patch.setattr(LayerNorm, "forward", forward)


@seen("chainer/chainer#4191, of a batch renormalisation; #4190")
def layer_norm_backward_forgets_eps(patch):
    right = LayerNorm.backward

    def backward(self, dout, cache):
        scale = np.sqrt((cache.normalized**2).mean(axis=-1, keepdims=True))  # below 1 because of eps
        return right(self, dout, cache._replace(normalized=cache.normalized / scale, rstd=cache.rstd / scale))

    patch.setattr(LayerNorm, "backward", backward)


@seen("harvardnlp/annotated-transformer#122, where autograd follows; hyunwoongko/transformer#7")
def layer_norm_forward_with_std_plus_eps(patch):
    _layer_norm_forward_with(patch, lambda centered, eps: 1 / (centered.std(axis=-1, keepdims=True) + eps))


@seen("harvardnlp/annotated-transformer#119, where autograd follows")
def layer_norm_forward_with_the_unbiased_std(patch):
    _layer_norm_forward_with(
        patch, lambda centered, eps: 1 / np.sqrt(centered.var(axis=-1, keepdims=True, ddof=1) + eps)
    )


def _mean_loss(patch, divisor_of, backward_divisor_of):
    """A total that is divided in forward, and its gradient divided by something else."""
    right_forward = SoftmaxCrossEntropy.forward

    def forward(self, logits, targets, *, key=None):
        (total, count), cache = right_forward(self, logits, targets)
        return (total / divisor_of(cache), count), cache

    def backward(self, dtotal, cache):
        exps, totals, targets, counted, shape = cache
        dlosses = np.where(counted, dtotal, 0) / backward_divisor_of(cache)
        q = (1 - self.label_smoothing) * np.eye(shape[-1])[targets] + self.label_smoothing / shape[-1]
        return (dlosses[:, None] * (exps / totals - q)).reshape(shape)

    patch.setattr(SoftmaxCrossEntropy, "forward", forward)
    patch.setattr(SoftmaxCrossEntropy, "backward", backward)


@seen("AkiRusProd/numpy-transformer, losses.py: 1 / N, then LogSoftmax.backward divides again")
def cross_entropy_divided_twice(patch):
    _mean_loss(patch, lambda cache: cache.counted.sum(), lambda cache: cache.counted.sum() ** 2)


@seen("paiml/aprender#2182: backward divided by the batch whatever forward did")
def cross_entropy_mean_over_tokens_forward_and_over_sequences_backward(patch):
    _mean_loss(patch, lambda cache: cache.targets.size, lambda cache: cache.shape[0])


@seen("AkiRusProd/numpy-transformer, losses.py: np.isin(y, y[np.arange(len(t)), t])")
def target_picked_by_value(patch):
    """The one is subtracted wherever the probability is the target's, not where the target is."""

    def backward(self, dtotal, cache):
        probabilities = cache.exps / cache.totals  # (N, V)
        of_target = probabilities[np.arange(len(cache.targets)), cache.targets][:, None]
        dlogits = dtotal * (probabilities - (probabilities == of_target))
        return np.where(cache.counted[:, None], dlogits, 0).reshape(cache.shape)

    patch.setattr(SoftmaxCrossEntropy, "backward", backward)


@seen("PaddlePaddle/Paddle#28622: ignore_index was ignored in backward")
def padding_has_a_gradient(patch):
    right = SoftmaxCrossEntropy.backward
    patch.setattr(
        SoftmaxCrossEntropy,
        "backward",
        lambda self, dtotal, cache: right(self, dtotal, cache._replace(counted=np.ones_like(cache.counted))),
    )


@seen("AkiRusProd/numpy-transformer, decoder_layer.py: one Dropout in three places")
def dropout_keeps_its_mask_in_the_layer(patch):
    """And the layer is one object in two places, so that backward uses the later mask."""
    right_forward, right_backward, right_init = Dropout.forward, Dropout.backward, EncoderLayer.__init__

    def forward(self, x, *, key=None):
        out, self.latest = right_forward(self, x, key=key)
        return out, self.latest

    def init(self, *arguments, **options):
        right_init(self, *arguments, **options)
        self.dropout_2 = self.dropout_1

    patch.setattr(Dropout, "forward", forward)
    patch.setattr(Dropout, "backward", lambda self, dout, cache: right_backward(self, dout, self.latest))
    patch.setattr(EncoderLayer, "__init__", init)


@seen("HIPS/autograd#39, see #136; pymc-devs/pytensor#2242; karpathy/nn-zero-to-hero#57")
def repeated_ids_dropped(patch):
    def scatter(table, ids, rows):
        table[ids] += rows

    patch.setattr(embedding, "scatter_add", scatter)


@seen("harvard-edge/cs249r_book#1399: sigmoid(1.702 x) forward, the tanh formula backward")
def gelu_with_the_other_backward(patch):
    right = GELU.backward

    def backward(self, dout, cache):
        return right(GELU("none" if self.approximate == "tanh" else "tanh"), dout, cache)

    patch.setattr(GELU, "backward", backward)


@seen("mansimov/unsupervised-videos#9: a state that two decoders read, its gradient assigned")
def decoder_overwrites_dmemory(patch):
    def backward(self, dout, cache):
        dx = dout if self.norm is None else self.norm.backward(dout, cache.norm)
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx, dmemory = layer.backward(dx, layer_cache)
        return dx, dmemory

    patch.setattr(Decoder, "backward", backward)


@seen("NVIDIA/TransformerEngine#3552: the later of two tied gradients replaced the earlier")
def tied_table_gets_one_gradient_of_two(patch):
    def backward(self, dout, cache):
        vocab_size, d_model = self.table.data.shape
        rows = dout.reshape(-1, vocab_size)
        self.table.grad = rows.T @ cache.x.reshape(-1, d_model)  # assigned
        return (rows @ self.table.data).reshape(cache.x.shape)

    patch.setattr(TiedLinear, "backward", backward)
