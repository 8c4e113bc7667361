"""The comparison itself: right results pass, and a thing that is slightly or quietly wrong is refused."""

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair
from minisora.kernels import attention_backward, attention_forward
from minisora.layers.attention import MultiHeadAttention

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")
nn, F = torch.nn, torch.nn.functional

B, T, S, H, D = 3, 5, 7, 2, 14


def attend(parity, rng, spoil=lambda layer: None, invert=False):
    """Cross-attention with padding on both sides; ``spoil`` changes our layer after it got torch's parameters."""
    module = parity.randomize(nn.MultiheadAttention(D, H, batch_first=True, dtype=torch.float64), rng)
    layer = Spoiled(MultiHeadAttention(D, H, rng, dtype=np.float64), spoil)
    key_mask = parity.draw_key_mask(rng, B, S)
    key_mask[0, :3] = False  # in this test no sequence sees all, so that the inverted mask hides nobody everything
    key_mask[:, -1], key_mask[:, -2] = True, False
    inputs = {"x": rng.normal(size=(B, T, D)), "memory": rng.normal(size=(B, S, D))}
    call = lambda x, memory: module(x, memory, memory, key_padding_mask=parity.hidden(key_mask))[0]  # noqa: E731
    return parity.run_both(layer, module, inputs, rng, call=call, key_mask=~key_mask if invert else key_mask)


class Spoiled:
    """A layer that is changed at the last moment before its forward."""

    def __init__(self, layer, spoil):
        self.layer, self.spoil, self.parameters, self.backward = layer, spoil, layer.parameters, layer.backward

    def forward(self, *inputs, **masks):
        self.spoil(self.layer)
        return self.layer.forward(*inputs, **masks)


def refuse(parity, ours, theirs):
    with pytest.raises(AssertionError):
        parity.assert_parity(ours, theirs)


def bent(array, amount):
    """A copy whose largest entry is off by ``amount``."""
    array = array.copy()
    array.flat[np.abs(array).argmax()] += amount
    return array


def test_a_billionth_in_any_gradient_or_in_the_output_is_refused(parity, rng):
    ours, theirs = attend(parity, rng)
    parity.assert_parity(ours, theirs)
    largest = max(np.abs(grad).max() for grad in ours.grads.values())
    for name, grad in ours.grads.items():
        scale = largest if name == "w_k.bias" else np.abs(grad).max()  # that one is 0 but for rounding
        refuse(parity, ours._replace(grads=ours.grads | {name: bent(grad, 1e-9 * scale)}), theirs)
    refuse(parity, ours._replace(out=bent(ours.out, 1e-9 * np.abs(ours.out).max())), theirs)


def test_a_gradient_that_is_missing_or_not_finite_is_refused(parity, rng):
    ours, theirs = attend(parity, rng)
    fewer = {name: grad for name, grad in ours.grads.items() if name != "dmemory"}
    refuse(parity, ours._replace(grads=fewer), theirs)
    for name, grad in ours.grads.items():
        refuse(parity, ours._replace(grads=ours.grads | {name: bent(grad, np.nan)}), theirs)


def test_an_inverted_mask_is_refused(parity, rng):
    refuse(parity, *attend(parity, rng, invert=True))


def transpose(layer):
    layer.w_v.weight.data = layer.w_v.weight.data.T.copy()


def swap(layer):
    layer.w_q, layer.w_k = layer.w_k, layer.w_q


def scale_by_d_model(layer):
    layer.w_q.weight.data *= H**-0.5
    layer.w_q.bias.data *= H**-0.5


@pytest.mark.parametrize("spoil", [transpose, swap, scale_by_d_model])
def test_wrong_wiring_is_refused(parity, rng, spoil):
    refuse(parity, *attend(parity, rng, spoil))


def test_torch_s_own_causal_alignment_is_refused_where_the_lengths_differ(parity, rng):
    inputs = {name: rng.normal(size=(B, H, T if name == "q" else S, D)) for name in "qkv"}
    call = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)  # noqa: E731
    attention = FunctionPair(attention_forward, attention_backward)
    refuse(parity, *parity.run_both(attention, None, inputs, rng, call=call, causal=True))


def test_gradients_that_are_all_zero_prove_nothing(parity, rng):
    ours, theirs = attend(parity, rng)
    zeros = {name: np.zeros_like(grad) for name, grad in ours.grads.items()}
    refuse(parity, ours._replace(grads=zeros), theirs._replace(grads=zeros))
