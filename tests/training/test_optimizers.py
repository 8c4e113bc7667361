"""Optimizers against their formulas written out, and their state."""

import math

import numpy as np
import pytest

from minisora.layers.layer import Parameter
from minisora.training import SGD, Adam, AdamW, TrainingConfig
from minisora.training.optimizers import make_optimizer


def named_parameters(rng):
    """One matrix, one shorter vector without decay, one that is frozen."""
    parameters = {
        "matrix": Parameter(rng.normal(size=(7, 5))),
        "bias": Parameter(rng.normal(size=3), decay=False),
        "frozen": Parameter(rng.normal(size=2), trainable=False),
    }
    for parameter in parameters.values():
        parameter.grad[...] = rng.normal(size=parameter.data.shape)
    return parameters


def adam_by_hand(data, grads, lr, betas, eps, weight_decay=0.0):
    m, v = np.zeros_like(data), np.zeros_like(data)
    for t, grad in enumerate(grads, 1):
        data = data - lr * weight_decay * data
        m = betas[0] * m + (1 - betas[0]) * grad
        v = betas[1] * v + (1 - betas[1]) * grad**2
        mhat, vhat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        data = data - lr * mhat / (np.sqrt(vhat) + eps)
    return data


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_and_adamw_by_hand(decay):
    rng = np.random.default_rng(0)
    parameters = named_parameters(rng)
    before = {name: parameter.data.copy() for name, parameter in parameters.items()}
    setting = {"lr": 0.03, "betas": (0.8, 0.95), "eps": 1e-3}
    optimizer = (
        AdamW(parameters.items(), **setting, weight_decay=decay) if decay else Adam(parameters.items(), **setting)
    )
    grads = {name: [rng.normal(size=p.data.shape) for _ in range(4)] for name, p in parameters.items()}
    for t in range(4):
        for name, parameter in parameters.items():
            parameter.grad[...] = grads[name][t]
        optimizer.step()
    for name, own_decay in (("matrix", decay), ("bias", 0.0)):
        expected = adam_by_hand(before[name], grads[name], **setting, weight_decay=own_decay)
        np.testing.assert_allclose(parameters[name].data, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(parameters["frozen"].data, before["frozen"])


def test_adam_first_step_by_hand():
    """At the first step m / (1 - b1) = g and v / (1 - b2) = g²: the step is lr * g / (|g| + eps)."""
    parameter = Parameter(np.array([1.0, 2.0]))
    parameter.grad[:] = [3.0, -0.5]
    Adam([("x", parameter)], lr=0.1, eps=0.5).step()
    np.testing.assert_allclose(parameter.data, [1 - 0.1 * 3 / 3.5, 2 + 0.1 * 0.5 / 1.0], rtol=1e-14)


def test_sgd_with_momentum_by_hand():
    parameter = Parameter(np.array([1.0]))
    optimizer = SGD([("x", parameter)], lr=0.1, momentum=0.5)
    for grad in (2.0, 4.0):
        parameter.grad[:] = grad
        optimizer.step()
    assert parameter.data[0] == pytest.approx(1 - 0.1 * 2 - 0.1 * (0.5 * 2 + 4))


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_state_goes_over(kind):
    """Two steps, then the state into a new optimizer, then a step: as three steps in one."""
    rng = np.random.default_rng(1)
    parameters = named_parameters(rng)
    one = kind(parameters.items())
    for _ in range(2):
        one.step()
    twins = {name: Parameter(p.data.copy(), trainable=p.trainable, decay=p.decay) for name, p in parameters.items()}
    two = kind(twins.items())
    two.load_state({name: array.copy() for name, array in one.state().items()}, one.steps)
    for name, parameter in parameters.items():
        twins[name].grad[...] = parameter.grad
    one.step()
    two.step()
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(twins[name].data, parameter.data)


def test_a_state_of_other_parameters_is_refused():
    rng = np.random.default_rng(2)
    optimizer = Adam(named_parameters(rng).items())
    state = optimizer.state()
    with pytest.raises(ValueError, match=r"differs at bias\.first_moment"):
        optimizer.load_state({name: array for name, array in state.items() if name != "bias.first_moment"}, 1)
    with pytest.raises(ValueError, match=r"float64 \(3,\) for bias"):
        optimizer.load_state({**state, "bias.first_moment": np.zeros(5)}, 1)
    assert optimizer.steps == 0


def test_float32_stays_float32():
    parameter = Parameter(np.ones(5, np.float32))
    parameter.grad[:] = 1
    optimizer = AdamW([("x", parameter)])
    optimizer.step()
    assert parameter.data.dtype == np.float32
    assert {array.dtype for array in optimizer.state().values()} == {np.dtype(np.float32)}


def test_any_memory_order():
    one, other = Parameter(np.arange(15.0).reshape(3, 5)), Parameter(np.arange(15.0).reshape(5, 3).T)
    other.data[...] = one.data
    for parameter in (one, other):
        parameter.grad[...] = np.arange(15.0).reshape(3, 5) - 7.5
        Adam([("x", parameter)]).step()
    np.testing.assert_array_equal(one.data, other.data)


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="at least one trainable"):
        SGD([("x", Parameter(np.zeros(3), trainable=False))])


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("adamw", AdamW), ("sgd", SGD)])
def test_the_config_names_the_optimizer(name, kind):
    config = TrainingConfig(optimizer=name, learning_rate=0.5, betas=(0.1, 0.2), momentum=0.3, weight_decay=0.4)
    optimizer = make_optimizer(config, [("x", Parameter(np.zeros(3)))])
    assert type(optimizer) is kind
    assert optimizer.lr == 0.5
    assert math.isclose(optimizer.momentum if kind is SGD else optimizer.betas[1], 0.3 if kind is SGD else 0.2)
