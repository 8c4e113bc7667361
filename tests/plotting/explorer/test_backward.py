"""The gradients that the explorer hears of are those with which the model's own backward goes on."""

import numpy as np
import pytest

from minisora.layers.attention import MultiHeadAttention
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.plotting.explorer.backward import attention_caches, attention_layers, gradients_of, twin_of

SOURCE, READ = np.array([[5, 7, 6, 9, 8]]), np.array([[1, 6, 5, 8, 7, 5, 11]])
WRITTEN = np.array([[6, 5, 8, 7, 5, 11, 2]])
TOKENS = [3, 0, 6]


def targets():
    """The whole answer, then single tokens of it."""
    rows = np.zeros((1 + len(TOKENS), WRITTEN.shape[1]), int)
    rows[0] = WRITTEN
    for row, token in enumerate(TOKENS, 1):
        rows[row, token] = WRITTEN[0, token]
    return rows


def test_dscores_give_the_gradient_of_w_q(every_kind):
    """dW_q = x^T scale (dscores k): made from what was heard, and by a backward of the model for one loss alone."""
    model, _ = every_kind
    heard = gradients_of(twin_of(model), SOURCE, READ, targets())
    loss = SoftmaxCrossEntropy(model.config.pad_id)
    for row, wanted in enumerate(targets()):
        model.zero_grad()
        logits, cache = model.forward(SOURCE, READ)
        model.backward(loss.backward(1.0, loss.forward(logits, wanted[None])[1]), cache)
        for kind, caches in attention_caches(cache).items():
            for one, layer, dweights in zip(caches, attention_layers(model)[kind], heard[kind], strict=True):
                weights, dweights = one.weights[0], dweights[row]
                means = (weights * dweights).sum(axis=-1, keepdims=True)
                dq = (weights * (dweights - means)) @ one.attention.k * one.attention.scale
                expected = one.w_q.x.reshape(-1, model.config.d_model).T @ layer.merge(dq)[0]
                np.testing.assert_allclose(
                    layer.w_q.weight.grad, expected, rtol=0, atol=1e-12 + 1e-9 * np.abs(expected).max()
                )
                assert row > 0 or np.abs(expected).max() > 0


def test_later_steps_have_no_part(every_kind):
    heard = gradients_of(twin_of(every_kind[0]), SOURCE, READ, targets())
    for row, token in enumerate(TOKENS, 1):
        for kind in ("decoder", "cross"):
            for dweights in heard[kind]:
                assert not dweights[row, :, token + 1 :].any() and dweights[row, :, : token + 1].any()


def test_the_model_is_left_alone(speaking):
    model, _ = speaking("post-norm")
    before = {name: (one.data, one.data.copy()) for name, one in model.parameters()}
    backends = [layer.backend for layers in attention_layers(model).values() for layer in layers]
    twin = twin_of(model)
    gradients_of(twin, SOURCE, READ, targets())
    for name, one in model.parameters():
        assert one.data is before[name][0] and one._grad is None
        np.testing.assert_array_equal(one.data, before[name][1])
    assert [layer.backend for layers in attention_layers(model).values() for layer in layers] == backends
    assert twin.num_parameters() == model.num_parameters()  # tied ones are one


def test_it_can_be_asked_twice(speaking):
    twin = twin_of(speaking()[0])
    first = gradients_of(twin, SOURCE, READ, targets())["cross"][1]
    np.testing.assert_array_equal(gradients_of(twin, SOURCE, READ, targets())["cross"][1], first)


class Deaf(MultiHeadAttention):
    """Goes back without its backend."""

    def backward(self, dout, cache):
        return (
            (np.zeros_like(cache.w_q.x), np.zeros_like(cache.w_k.x)) if cache.is_cross else np.zeros_like(cache.w_q.x)
        )


class Strange:
    """Has no backend at all."""

    def __init__(self, *args, **kwargs):
        self.inner = MultiHeadAttention(*args, **kwargs)

    def forward(self, *args, **kwargs):
        return self.inner.forward(*args, **kwargs)

    def backward(self, *args):
        return self.inner.backward(*args)


def test_an_attention_that_nobody_hears(speaking):
    for own in (Strange, Deaf):
        model, _ = speaking(layers={"attention": own})
        with pytest.raises(ValueError, match=rf"self\.backend.*got {own.__name__}: gradients=False"):
            gradients_of(twin_of(model), SOURCE, READ, targets())
