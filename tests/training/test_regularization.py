"""L1 and L2: the penalty's gradient, what it is taken of, and what it does to a training."""

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.layers.layer import Parameter
from minisora.training import Trainer, TrainingConfig
from minisora.training.regularization import Penalty


def parameters(rng):
    """A weight, a bias, and a weight that is not trained."""
    weight, bias, frozen = (Parameter(rng.normal(size=(3, 5))) for _ in range(3))
    bias.decay, frozen.trainable = False, False
    return weight, bias, frozen


def test_by_hand():
    weight = Parameter(np.array([1.0, -2.0, 0.0]))
    penalty = Penalty([weight], l1=0.5, l2=0.1)
    assert penalty.value() == pytest.approx(0.5 * 3 + 0.05 * 5)
    weight.grad[:] = 10
    penalty.backward()
    np.testing.assert_allclose(weight.grad, [10.6, 9.3, 10.0])


@pytest.mark.parametrize("on_all", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
def test_backward_is_the_gradient_of_the_value(rng, l1, l2, on_all):
    group = parameters(rng)
    penalty = Penalty(group, l1, l2, on_all)
    penalty.backward()
    for parameter in group:
        direction = rng.normal(size=parameter.data.shape)
        found = (parameter.grad * direction).sum()
        step, (plus, minus) = 1e-6, (0, 0)
        parameter.data += step * direction
        plus = penalty.value()
        parameter.data -= 2 * step * direction
        minus = penalty.value()
        assert found == pytest.approx((plus - minus) / (2 * step), rel=1e-7, abs=1e-9)
    assert group[0].grad.any() and not group[2].grad.any()
    assert group[1].grad.any() == on_all


def test_without_a_penalty_nothing_is_done(rng):
    group = parameters(rng)
    penalty = Penalty(group)
    penalty.backward()
    assert penalty.value() == 0 and not any(parameter.grad.any() for parameter in group)


def begun(dtype=np.float32, **changes):
    """A trainer of a small model on three pairs."""
    tokenizer = SoraTokenizer.learn(["abc"])
    config = SoraConfig(
        source_vocab_size=tokenizer.vocab_size, target_vocab_size=tokenizer.vocab_size, d_model=8, num_heads=2,
        num_encoder_layers=1, num_decoder_layers=1, d_ff=11, dropout=0.0, max_len=9,
    )  # fmt: skip
    model = SoraModel(config, np.random.default_rng(0), dtype=dtype)
    training = TrainingConfig(batch_tokens=64, warmup_steps=0, clip=None, **changes)
    return Trainer(model, [("a", "b"), ("bc", "cb"), ("c", "aa")], tokenizer, config=training)


def trained(**changes):
    """The parameters after a few steps."""
    trainer = begun(steps=40, learning_rate=1e-2, **changes)
    trainer.fit(progress_bar=False)
    return dict(trainer.model.parameters())


def size(parameters, kind):
    return sum(np.abs(parameter.data).sum() for name, parameter in parameters.items() if name.endswith(kind))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("penalty", [{"l1": 0.05}, {"l2": 0.2}])
def test_a_penalty_makes_weights_smaller(optimizer, penalty):
    plain, with_it, with_all = (
        trained(optimizer=optimizer, **changes) for changes in ({}, penalty, {**penalty, "penalize": "all"})
    )
    assert size(with_it, "weight") < 0.9 * size(plain, "weight")
    assert size(with_it, "table") > 0.9 * size(plain, "table")
    assert size(with_all, "table") < 0.9 * size(plain, "table")


def test_one_step_is_that_of_the_gradient_and_the_penalty():
    """Of SGD without momentum, on two shards: the penalty is added once."""
    settings = {"optimizer": "sgd", "momentum": 0.0, "shards": 2, "steps": 1, "learning_rate": 0.1}
    plain, penalised = begun(np.float64, **settings), begun(np.float64, l1=0.03, l2=0.2, **settings)
    before = {name: parameter.data.copy() for name, parameter in plain.model.parameters()}
    for trainer in (plain, penalised):
        trainer.fit(progress_bar=False)
    found = dict(penalised.model.parameters())
    for name, parameter in plain.model.parameters():
        pull = 0.03 * np.sign(before[name]) + 0.2 * before[name] if parameter.decay else 0 * before[name]
        np.testing.assert_allclose(found[name].data, parameter.data - 0.1 * pull, rtol=1e-12, atol=1e-14)
