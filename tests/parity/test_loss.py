"""SoftmaxCrossEntropy against torch's cross_entropy: its sum, its mean, padding and label smoothing."""

import numpy as np
import pytest

from minisora.layers.loss import SoftmaxCrossEntropy

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")
F = torch.nn.functional


def draw_batch(parity, rng):
    """logits (B, T, V), targets (B, T) with padding and at least one token, and the id of padding, any of them."""
    batch, length, vocab_size = parity.draw_sizes(rng, 3)
    logits = rng.normal(rng.normal(0, 9), rng.uniform(0.5, 9), (batch, length, vocab_size))
    targets, pad_id = rng.integers(0, vocab_size, (batch, length)), int(rng.integers(0, vocab_size))
    targets[0, :2] = pad_id, (pad_id + 1) % vocab_size
    return logits, targets, pad_id


def torch_loss(parity, logits, targets, dtotal, **options):
    """Torch's Pass for the upstream gradient ``dtotal``, a number."""
    leaf = torch.tensor(logits, requires_grad=True)
    out = F.cross_entropy(leaf.flatten(0, -2), torch.from_numpy(targets).flatten(), **options)
    (out * dtotal).backward()
    return parity.Pass(out.detach().numpy(), {"dlogits": leaf.grad.numpy()})


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("smoothing", [False, True], ids=["no-smoothing", "smoothing"])
def test_cross_entropy(parity, rng, reduction, smoothing):
    logits, targets, pad_id = draw_batch(parity, rng)
    smoothing, dtotal = rng.uniform(0.01, 0.99) if smoothing else 0.0, rng.normal()
    loss = SoftmaxCrossEntropy(pad_id, label_smoothing=smoothing)
    (total, count), cache = loss.forward(logits, targets)
    assert count == (targets != pad_id).sum() < targets.size
    divisor = count if reduction == "mean" else 1
    ours = parity.Pass(total / divisor, {"dlogits": loss.backward(dtotal / divisor, cache)})
    options = {"ignore_index": pad_id, "label_smoothing": smoothing, "reduction": reduction}
    parity.assert_parity(ours, torch_loss(parity, logits, targets, dtotal, **options))


def test_a_batch_of_padding_alone_is_zero_as_torch_s_sum(parity, rng):
    logits, targets, pad_id = draw_batch(parity, rng)
    targets[...] = pad_id
    loss = SoftmaxCrossEntropy(pad_id, label_smoothing=0.3)
    (total, count), cache = loss.forward(logits, targets)
    options = {"ignore_index": pad_id, "label_smoothing": 0.3, "reduction": "sum"}
    theirs = torch_loss(parity, logits, targets, rng.normal(), **options)
    np.testing.assert_array_equal([total, count], [theirs.out, 0])
    np.testing.assert_array_equal(loss.backward(rng.normal(), cache), theirs.grads["dlogits"])
