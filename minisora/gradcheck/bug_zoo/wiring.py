"""Mistakes that forward and backward make together, or that only decoding makes: every gradient is right.

What sees them are the properties of `minisora.gradcheck.properties`. Each function plants one of them through
``patch.setattr(owner, name, value)``.
"""

import numpy as np

from minisora.gradcheck.bug_zoo.seen import seen
from minisora.kernels import numpy_attention
from minisora.layers import positional
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.decoder import Decoder, DecoderLayer
from minisora.layers.decoder_state import DecoderState, LayerState
from minisora.layers.layer import Layer
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.model import Embedded


@seen("rexrex9/nlp_torchtext#2: the decoder's cross-attention made its queries from the encoder's output")
def cross_attention_asks_from_the_memory(patch):
    """The memory asks and the target answers, its future too."""
    right_forward, right_backward = MultiHeadAttention.forward, MultiHeadAttention.backward

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        if memory is None:
            return right_forward(self, x, key=key, key_mask=key_mask, causal=causal)
        return right_forward(self, memory, x, key=key)

    def backward(self, dout, cache):
        gradients = right_backward(self, dout, cache)
        return gradients[::-1] if cache.is_cross else gradients

    patch.setattr(MultiHeadAttention, "forward", forward)
    patch.setattr(MultiHeadAttention, "backward", backward)


@seen("keitakurita/Practical_NLP_in_PyTorch#1: keys and values of the second attention were the decoder's own")
def cross_attention_looks_at_the_target(patch):
    right_forward, right_backward = MultiHeadAttention.forward, MultiHeadAttention.backward

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        if memory is None:
            return right_forward(self, x, key=key, key_mask=key_mask, causal=causal)
        out, cache = right_forward(self, x, key=key)
        return out, (cache, memory)

    def backward(self, dout, cache):
        if isinstance(cache[0], tuple) and len(cache) == 2:
            return right_backward(self, dout, cache[0]), np.zeros_like(cache[1])
        return right_backward(self, dout, cache)

    patch.setattr(MultiHeadAttention, "forward", forward)
    patch.setattr(MultiHeadAttention, "backward", backward)


@seen("reczoo/FuxiCTR#30; merging: jsbaan/transformer-from-scratch#6, where training still passed its test")
def heads_cut_without_a_permutation(patch):
    """(B, T, D) is cut into (B, H, T, d_k) as it lies in memory, and merged the same way."""

    def split(self, x):
        return x.reshape(len(x), self.num_heads, -1, x.shape[-1] // self.num_heads)

    def merge(self, heads):
        batch, num_heads, length, d_k = heads.shape
        return heads.reshape(batch, length, num_heads * d_k)

    patch.setattr(MultiHeadAttention, "split", split)
    patch.setattr(MultiHeadAttention, "merge", merge)


@seen("pytorch/pytorch#41508, #40932: nn.MultiheadAttention where a whole sequence is padding")
def minus_infinity_on_a_row_that_sees_nothing(patch):
    def softmax_forward(scores, visible=None):
        largest = scores.max(axis=-1, keepdims=True)
        weights = np.exp(scores - largest)
        total = weights.sum(axis=-1, keepdims=True)
        return weights / total, (largest + np.log(total))[..., 0]

    patch.setattr(numpy_attention, "softmax_forward", softmax_forward)


@seen("manassharma07/crysx_nn#7: the largest of the whole array instead of each row's")
def softmax_shifted_by_the_largest_of_all(patch):
    """Right but for rounding, until a row lies so far below another one that its exponentials vanish."""
    right = numpy_attention.softmax_forward

    def softmax_forward(scores, visible=None):
        largest = scores.max(initial=-np.inf, where=np.isfinite(scores))
        weights = np.exp(scores - largest)
        total = weights.sum(axis=-1, keepdims=True)
        _, lse = right(scores, visible)
        return np.divide(weights, total, out=np.zeros_like(weights), where=total != 0), lse

    patch.setattr(numpy_attention, "softmax_forward", softmax_forward)


@seen("harvardnlp/annotated-transformer, attention(): masked_fill(mask == 0, -1e9), and what copied it")
def minus_a_billion_on_a_row_that_sees_nothing(patch):
    """The row gets the average of the values that it must not see."""
    hide, softmax_forward = numpy_attention.hide, numpy_attention.softmax_forward
    patch.setattr(numpy_attention, "hide", lambda scores, visible: np.maximum(hide(scores, visible), -1e9))
    patch.setattr(numpy_attention, "softmax_forward", lambda scores, visible: softmax_forward(scores))


@seen("Dao-AILab/flash-attention#282, before version 2.1; NVIDIA/cutlass#2336")
def causal_mask_aligned_at_the_other_corner(patch):
    """Query t sees the keys up to t, also where the queries are the last of many keys."""
    right = numpy_attention.visibility

    def visibility(targets, sources, key_mask, causal, xp):
        visible = right(targets, sources, key_mask, False, xp)
        corner = xp.tri(targets, sources, dtype=bool)
        return visible if not causal else corner if visible is None else visible & corner

    patch.setattr(numpy_attention, "visibility", visibility)


@seen("maxjcohen/transformer#62: 1000; as 100000 in other copies of the formula")
def positional_base_of_100000(patch):
    def table(length, d_model, xp):
        angles = np.arange(length)[:, None] / 100000 ** (np.arange(0, d_model, 2) / d_model)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, d_model)

    patch.setattr(positional, "sinusoidal_table", table)


def _another_layer_norm(patch, rstd_of, slope_of):
    """1 / sqrt(var + eps) as ``rstd_of(var, eps, D)``, whose derivative by var is ``slope_of(var, eps, D)``.

    Backward is the right one of that forward.
    """

    def forward(self, x, *, key=None):
        centered = x - x.mean(axis=-1, keepdims=True)
        rstd = rstd_of((centered**2).mean(axis=-1, keepdims=True), self.eps, x.shape[-1])
        return self.gamma.data * centered * rstd + self.beta.data, centered

    def backward(self, dout, centered):
        width, rows = centered.shape[-1], tuple(range(dout.ndim - 1))
        variance, dnormalized = (centered**2).mean(axis=-1, keepdims=True), dout * self.gamma.data
        rstd = rstd_of(variance, self.eps, width)
        self.gamma.grad += (dout * centered * rstd).sum(axis=rows)
        self.beta.grad += dout.sum(axis=rows)
        dvariance = slope_of(variance, self.eps, width) * (dnormalized * centered).sum(axis=-1, keepdims=True)
        dcentered = dnormalized * rstd + dvariance * 2 * centered / width
        return dcentered - dcentered.mean(axis=-1, keepdims=True)

    patch.setattr(LayerNorm, "forward", forward)
    patch.setattr(LayerNorm, "backward", backward)


@seen("VeriSilicon/TIM-VX#589: eps was 0 whatever was asked for, and a constant row gave NaN")
def layer_norm_without_eps(patch):
    _another_layer_norm(patch, lambda var, eps, width: var**-0.5, lambda var, eps, width: -0.5 * var**-1.5)


@seen("harvardnlp/annotated-transformer#122; copied in codertimo/BERT-pytorch#30, hkproj/pytorch-transformer#31")
def layer_norm_with_std_plus_eps(patch):
    _another_layer_norm(
        patch,
        lambda var, eps, width: 1 / (var**0.5 + eps),
        lambda var, eps, width: -0.5 * var**-0.5 / (var**0.5 + eps) ** 2,
    )


@seen("harvardnlp/annotated-transformer#119: std(-1) divides by D - 1; allenai/allennlp#953")
def layer_norm_with_the_unbiased_variance(patch):
    def correction(width):
        return width / (width - 1)

    _another_layer_norm(
        patch,
        lambda var, eps, width: (correction(width) * var + eps) ** -0.5,
        lambda var, eps, width: -0.5 * correction(width) * (correction(width) * var + eps) ** -1.5,
    )


def _layer_norm_over(patch, axes_of):
    """Statistics over ``axes_of(x)`` instead of the last axis, and the backward of that."""

    def forward(self, x, *, key=None):
        axes = axes_of(x)
        rstd = (x.var(axis=axes, keepdims=True) + self.eps) ** -0.5
        normalized = (x - x.mean(axis=axes, keepdims=True)) * rstd
        return self.gamma.data * normalized + self.beta.data, (normalized, rstd, axes)

    def backward(self, dout, cache):
        (normalized, rstd, axes), rows = cache, tuple(range(dout.ndim - 1))
        self.gamma.grad += (dout * normalized).sum(axis=rows)
        self.beta.grad += dout.sum(axis=rows)
        dnormalized = dout * self.gamma.data
        along = (dnormalized * normalized).mean(axis=axes, keepdims=True)
        return rstd * (dnormalized - dnormalized.mean(axis=axes, keepdims=True) - normalized * along)

    patch.setattr(LayerNorm, "forward", forward)
    patch.setattr(LayerNorm, "backward", backward)


@seen("jadore801120/attention-is-all-you-need-pytorch#17; Qualcomm-AI-research/geometric-algebra-transformer#8")
def layer_norm_over_time_too(patch):
    _layer_norm_over(patch, lambda x: tuple(range(1, x.ndim)))


@seen("Kyubyong/transformer#40, where it was proposed as a correction")
def layer_norm_over_the_batch_too(patch):
    _layer_norm_over(patch, lambda x: tuple(range(x.ndim)))


@seen("huggingface/transformers#24725, #34191: means of unequal batches averaged over accumulation steps")
def loss_divided_by_its_own_count(patch):
    """Rightly differentiated, but the trainer divides once more, and batches of unequal length weigh the same."""
    right_forward, right_backward = SoftmaxCrossEntropy.forward, SoftmaxCrossEntropy.backward

    def forward(self, logits, targets, *, key=None):
        (total, count), cache = right_forward(self, logits, targets)
        return (total / count, count), cache

    def backward(self, dtotal, cache):
        return right_backward(self, dtotal, cache) / cache.counted.sum()

    patch.setattr(SoftmaxCrossEntropy, "forward", forward)
    patch.setattr(SoftmaxCrossEntropy, "backward", backward)


@seen("pytorch/pytorch#40967: a parameter that is listed twice is updated twice; thu-ml/tianshou#395")
def tied_weights_updated_twice(patch):
    patch.setattr(Layer, "parameters", lambda self, prefix="": self._walk(prefix))


@seen("huggingface/transformers#18104, #24694: position ids that start again at 0 behind a cache")
def step_forgets_the_position(patch):
    right = Embedded.forward
    patch.setattr(Embedded, "forward", lambda self, ids, *, key=None, offset=0: right(self, ids, key=key))


@seen("huggingface/transformers#36018, #36293: the encoder's mask was lost in generate()")
def step_forgets_the_memory_mask(patch):
    right = DecoderLayer.step
    patch.setattr(DecoderLayer, "step", lambda self, x, state, memory_mask: right(self, x, state, None))


@seen("NVIDIA-NeMo/Speech#2197: the last norm of pre-norm stacks was missing")
def step_forgets_the_last_norm(patch):
    def step(self, x, states, memory_mask=None):
        for layer, state in zip(self.layers, states, strict=True):
            x = layer.step(x, state, memory_mask)
        return x

    patch.setattr(Decoder, "step", step)


@seen("awslabs/sockeye#731: the updated values were set to the keys")
def step_remembers_keys_as_values(patch):
    right = LayerState.extend

    def extend(self, newest):
        keys, _ = newest
        right(self, (keys, keys))

    patch.setattr(LayerState, "extend", extend)


@seen("batra-mlp-lab/visdial-rl#11; pytorch/translate#353: beams went on with another beam's state")
def reorder_forgets_the_past(patch):
    patch.setattr(LayerState, "reorder_past", lambda self, rows: None)


@seen("awslabs/sockeye#731: the sorted states were not put back; huggingface/transformers#46612")
def reorder_forgets_the_memory_mask(patch):
    right = DecoderState.reorder

    def reorder(self, rows):
        mask = self.memory_mask
        right(self, rows)
        self.memory_mask = mask

    patch.setattr(DecoderState, "reorder", reorder)
