"""The whole model on Numba's backend against the specification: logits, gradients, training, decoding."""

import gc
import tracemalloc

import numpy as np
import pytest

from minisora import DropoutKey, SoraConfig, SoraModel
from minisora.checkpoint import load
from minisora.generation.greedy import greedy
from minisora.kernels import backend_names
from minisora.layers.layer import Layer
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.text import SoraTokenizer
from minisora.training import Trainer, TrainingConfig
from minisora.training.replicas import replica

NUMBA = [name for name in backend_names() if name.startswith("numba")]


@pytest.fixture
def ids(rng):
    source, target = rng.integers(3, 23, (5, 17)), rng.integers(3, 23, (5, 13))
    source[1, 4:], target[2, 7:] = 0, 0
    return source, target


def gradients(model, backend, source, target, key):
    """Return logits, loss, and all gradients by name."""
    model, loss = replica(model).use_backend(backend), SoftmaxCrossEntropy(0, 0.1).use_backend(backend)
    logits, cache = model.forward(source, target, key=key)
    (total, count), loss_cache = loss.forward(logits, target)
    model.backward(loss.backward(1 / count, loss_cache), cache)
    return logits, total, {name: parameter.grad for name, parameter in model.parameters()}


@pytest.mark.parametrize("backend", NUMBA)
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize("tie", ["none", "all"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_logits_and_every_gradient_agree(tiny_model, ids, backend, norm, activation, tie, dropout):
    model = tiny_model(norm=norm, activation=activation, tie=tie, dropout=dropout)
    key = DropoutKey(3)
    logits, total, grads = gradients(model, "numpy", *ids, key)
    found_logits, found_total, found = gradients(model, backend, *ids, key)
    np.testing.assert_allclose(found_logits, logits, rtol=0, atol=1e-12 * np.abs(logits).max())
    assert found_total == pytest.approx(total, rel=1e-13)
    largest = max(np.abs(grad).max() for grad in grads.values())
    for name, grad in grads.items():
        np.testing.assert_allclose(found[name], grad, rtol=0, atol=1e-12 * largest, err_msg=name)


@pytest.mark.parametrize("backend", NUMBA)
def test_no_step_leaves_anything_behind(tiny_model, ids, backend):
    """Of a thousand launches not one array is kept: a training of days needs the memory of its first minute."""
    model, key = tiny_model(dropout=0.2), DropoutKey(3)
    gradients(model, backend, *ids, key)
    tracemalloc.start()
    try:
        gradients(model, backend, *ids, key)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            gradients(model, backend, *ids, key)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000  # ten steps; a leak of `progress` is 10 kB a step
    finally:
        tracemalloc.stop()


def test_every_layer_is_reached(tiny_model):
    model = tiny_model().use_backend("numba")
    layers = list(model.layers_below())
    assert {layer.fused_by for layer in layers} == {"numba"}
    attentions = [layer for layer in layers if hasattr(layer, "backend")]
    assert len(attentions) == 2 + 2 * 2
    assert {layer.backend.name for layer in attentions} == {"numba"}
    assert {layer.fused_by for layer in model.use_backend("numpy").layers_below()} == {"numpy"}


def test_layers_in_lists_and_dicts_and_foreign_ones():
    class Foreign:
        def forward(self, x):
            return x, None

        def backward(self, dout, cache):
            return dout

    class Holder(Layer):
        def __init__(self):
            self.many = [Layer(), {"a": Layer()}]
            self.foreign = Foreign()

    assert len(list(Holder().use_backend("numba").layers_below())) == 3


def test_the_bundled_model_says_the_same():
    model, tokenizer, _ = load("sora/sora-base")
    ids = [tokenizer.encode(text) for text in ("今天天气怎么样？", "你好", "一加一等于几？")]
    width = max(map(len, ids))
    source = np.array([row + [0] * (width - len(row)) for row in ids])
    target = np.tile(np.arange(5, 45), (3, 1))
    logits = {name: model.use_backend(name)(source, target) for name in ("numpy", "numba")}
    assert np.abs(logits["numba"] - logits["numpy"]).max() < 1e-5 * np.abs(logits["numpy"]).max()
    answers = {name: greedy(model.use_backend(name), source, max_len=40) for name in ("numpy", "numba")}
    assert [list(row) for row in answers["numba"]] == [list(row) for row in answers["numpy"]]


@pytest.mark.parametrize(
    ("steps", "backend", "chosen"),
    [(10, "auto", "auto"), (10**6, "auto", "numba"), (10**6, "numpy", "numpy"), (10, "numba-tiles", "numba-tiles")],
)
def test_a_training_chooses_by_its_length(steps, backend, chosen):
    tokenizer = SoraTokenizer("whitespace", [f"w{i}" for i in range(100)])
    sizes = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
    model = SoraModel(SoraConfig(**sizes, d_model=16, num_heads=2), np.random.default_rng(0))
    trainer = Trainer(model, [("w5", "w6")], tokenizer, config=TrainingConfig(steps=steps, backend=backend))
    assert trainer.backend == chosen
    assert {layer.fused_by for layer in (*model.layers_below(), trainer.loss)} == {chosen}
    assert trainer.optimizer.fused_by == chosen


def test_another_backend_is_refused():
    with pytest.raises(ValueError, match=r"expected backend to be one of auto, numpy, numba-loops, .*, got 'fast'"):
        TrainingConfig(backend="fast")
