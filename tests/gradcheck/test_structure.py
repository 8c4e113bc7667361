"""What a right model keeps, whatever its shape: order, padding and company do not matter, and the future is unknown."""

import numpy as np
import pytest

from minisora.gradcheck import randomize, structure
from minisora.layers.attention import MultiHeadAttention

VARIANTS = [
    {"norm": "pre", "tie": "none"},
    {"norm": "post", "tie": "output", "positions": "learned"},
    {"norm": "pre", "tie": "all", "activation": "gelu"},
    {"norm": "post", "tie": "none", "activation": "gelu_tanh", "num_heads": 5},
]


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
def model(tiny_model, request):
    return tiny_model(**request.param)


@pytest.fixture
def source(rng):
    ids = rng.integers(3, 23, (3, 11))
    ids[1, 4:] = ids[2, 9:] = 0
    return ids


@pytest.fixture
def target(rng):
    return rng.integers(3, 23, (3, 7))


@pytest.mark.parametrize("position", [0, 3, 5])
def test_the_future_is_unknown(model, source, target, position):
    assert structure.future_leak(model, source, target, position) == 0


def test_the_last_token_is_known(model, source, target):
    """So that the test above does not pass because nothing matters."""
    changed = target.copy()
    changed[:, 3] = (changed[:, 3] + 5) % 20 + 3
    assert np.abs(model(source, target)[:, 3:] - model(source, changed)[:, 3:]).min() > 0


def test_what_padding_holds_does_not_matter(model, source, target):
    assert structure.padding_leak(model, source, target, source != 0) == 0


def test_the_source_matters(model, source, target):
    assert structure.source_echo(model, source, target) > 1e-3


def test_the_order_of_the_batch_does_not_matter(model, source, target):
    assert structure.batch_leak(model, source, target, np.array([2, 0, 1])) == 0


def test_company_does_not_matter(model, source, target):
    assert structure.batch_of_one_gap(model, source, target) < 1e-12


def test_step_by_step_is_all_at_once(model, source, target):
    assert structure.cache_gap(model, source, target) < 1e-12


def test_a_state_is_reordered_whole(model, source, target):
    assert structure.reorder_gap(model, source, target, np.array([2, 2, 1])) < 1e-14


def test_every_parameter_is_walked_once(model):
    assert structure.repeated_parameters(model) == []


def test_self_attention_knows_no_order(rng):
    layer = randomize(MultiHeadAttention(6, 3, rng, dtype=np.float64), rng)
    assert structure.position_mixing(layer, rng.normal(size=(2, 7, 6)), rng.permutation(7)) < 1e-14


def test_nothing_is_nan_where_a_sequence_sees_nothing(model, source, target):
    """A mask that hides a whole source: its cross-attention gives 0, and logits and gradients stay finite."""
    mask = source != 0
    mask[1] = False
    logits, cache = model.forward(source, target, source_mask=mask)
    assert np.isfinite(logits).all()
    model.backward(np.random.default_rng(0).normal(size=logits.shape), cache)
    assert all(np.isfinite(parameter.grad).all() for _, parameter in model.parameters())
