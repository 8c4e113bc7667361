"""The whole model, and ten steps of each optimizer, against torch in float64 (see make_reference.py)."""

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.training import SGD, Adam, AdamW

MODELS = [("pre", "gelu", "none"), ("post", "relu", "none"), ("pre", "relu", "output"), ("post", "gelu_tanh", "all")]


def build(rng, norm, activation, tie):
    vocabularies = {"source_vocab_size": 17 if tie == "all" else 13, "target_vocab_size": 17}
    sizes = {"d_model": 8, "num_heads": 2, "num_encoder_layers": 2, "num_decoder_layers": 2, "d_ff": 11, "max_len": 31}
    config = SoraConfig(**vocabularies, **sizes, dropout=0.0, norm=norm, activation=activation, tie=tie)
    return SoraModel(config, rng, dtype=np.float64)


@pytest.mark.parametrize("norm, activation, tie", MODELS)
def test_logits_and_gradients(frozen, rng, norm, activation, tie):
    case = frozen.read_case("model", f"{norm}-{activation}-{tie}")
    model = build(rng, norm, activation, tie)
    frozen.set_parameters(model, case.parameters)
    logits, cache = model.forward(**case.inputs)
    visible = (case.inputs["decoder_ids"] != 0)[..., None]
    frozen.assert_close({"logits": logits * visible}, {"logits": case.out * visible})
    model.backward(case.dout, cache)
    frozen.assert_close({name: parameter.grad for name, parameter in model.parameters()}, case.grads)


OPTIMIZERS = {
    "adam": lambda parameters: Adam(parameters, lr=0.01, betas=(0.9, 0.98), eps=1e-9),
    "adamw": lambda parameters: AdamW(parameters, lr=0.01, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.1),
    "sgd": lambda parameters: SGD(parameters, lr=0.02, momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_losses(frozen, rng, name):
    case = frozen.read_case("optimizer", name)
    model = build(rng, "pre", "relu", "output")
    frozen.set_parameters(model, frozen.read_case("model", "pre-relu-output").parameters)
    optimizer, loss = OPTIMIZERS[name](model.parameters()), SoftmaxCrossEntropy(label_smoothing=0.1)
    losses = []
    for _ in case.losses:
        model.zero_grad()
        logits, cache = model.forward(case.inputs["source_ids"], case.inputs["decoder_ids"])
        (total, count), loss_cache = loss.forward(logits, case.inputs["targets"])
        model.backward(loss.backward(1 / count, loss_cache), cache)
        optimizer.step()
        losses.append(total / count)
    assert len(losses) == 10 and losses[-1] < losses[0]
    frozen.assert_close({"losses": np.array(losses)}, {"losses": case.losses}, tolerance=1e-9)
