"""What is drawn: its frequencies, what it depends on, and what it is where there is nothing to draw."""

from types import SimpleNamespace

import numpy as np
import pytest

from minisora.generation import GenerationConfig, greedy
from minisora.generation.choice import Choice, draw
from minisora.generation.decode import collect, decode, start
from minisora.kernels import DropoutKey

DRAWS = 20_011
KEYS = [DropoutKey(5).child(i) for i in range(DRAWS)]
STATE = SimpleNamespace(xp=np, batch=DRAWS, max_len=2)


def frequencies(logits, **options):
    """How often each token is drawn from the same logits (V,)."""
    ids = Choice(GenerationConfig(**options), KEYS, STATE)(np.tile(logits, (DRAWS, 1)))
    return np.bincount(ids, minlength=len(logits))


# The values that chi-square stays below with probability 0.999, by degrees of freedom.
LIMITS = {4: 18.47, 6: 22.46, 22: 48.27}


@pytest.mark.parametrize(
    ("options", "kept", "scale"),
    [
        ({"temperature": 1.0}, 23, 1.0),
        ({"temperature": 2.5}, 23, 2.5),
        ({"temperature": 0.7, "top_k": 7}, 7, 0.7),
        ({"temperature": 1.0, "top_p": 0.999, "top_k": 5}, 5, 1.0),
    ],
)
def test_frequencies_are_the_probabilities(options, kept, scale):
    """By a chi-square test, with keys that are fixed, so that it passes always or never."""
    logits = np.random.default_rng(0).normal(0, 1, 23)
    expected = np.exp(logits / scale)
    expected[np.argsort(-expected)[kept:]] = 0
    expected *= DRAWS / expected.sum()
    seen = frequencies(logits, **options)
    assert not seen[expected == 0].any()
    there = expected > 0
    assert (((seen - expected)[there]) ** 2 / expected[there]).sum() < LIMITS[kept - 1]


def test_the_chi_square_test_sees_a_wrong_temperature():
    """So that the test above does not pass whatever is drawn."""
    logits = np.random.default_rng(0).normal(0, 1, 23)
    expected = np.exp(logits) / np.exp(logits).sum() * DRAWS
    seen = frequencies(logits, temperature=1.1)
    assert ((seen - expected) ** 2 / expected).sum() > LIMITS[22]


def test_a_penalty_changes_what_is_drawn_next():
    """p is the softmax of the penalised logits over the temperature."""
    logits = np.array([1.0, -0.5, 0.3, 0.8, 0.2])
    choice = Choice(GenerationConfig(temperature=2.0, repetition_penalty=3.0), KEYS, STATE)
    choice.penalties.note(np.zeros(DRAWS, int))
    penalized = np.exp(np.array([1 / 3, -0.5, 0.3, 0.8, 0.2]) / 2)
    expected = penalized / penalized.sum() * DRAWS
    seen = np.bincount(choice(np.tile(logits, (DRAWS, 1))), minlength=5)
    assert ((seen - expected) ** 2 / expected).sum() < LIMITS[4]


def test_drawing_by_hand():
    """Where u falls exactly on a border, the token after it is drawn."""
    logits = np.log(np.tile([0.25, 0.5, 0.25], (5, 1)) / 0.5)
    assert draw(logits, np.array([0.0, 0.24, 0.25, 0.74, 0.75])).tolist() == [0, 0, 1, 1, 2]


def test_a_token_without_probability_is_never_drawn():
    largest = 1 - 2.0**-52
    logits = np.array([[-np.inf, 0.0, -np.inf], [0.0, -np.inf, -np.inf], [-np.inf, -np.inf, 0.0], [0.0, -1.0, -np.inf]])
    assert draw(logits, np.array([0.0, largest, largest, largest])).tolist() == [1, 0, 2, 1]


def sampled(model, source_ids, keys, **options):
    config = GenerationConfig(**options)
    state = start(model, source_ids, 13)
    steps = decode(model, state, Choice(config, keys, state))
    return collect(steps, len(source_ids), model.config.eos_id)[0]


@pytest.fixture
def case(tiny_model):
    model = tiny_model(3)
    model.decoder.projection.bias.data[model.config.eos_id] += 1
    source_ids = np.random.default_rng(3).integers(3, 23, (7, 6))
    return model, source_ids, [DropoutKey(0).child(i) for i in range(7)]


def test_a_temperature_of_0_and_the_first_of_one_are_greedy(case):
    model, source_ids, keys = case
    expected = greedy(model, source_ids, max_len=13)
    assert sampled(model, source_ids, keys, temperature=0.0) == expected
    assert sampled(model, source_ids, keys, temperature=1.7, top_k=1) == expected
    assert sampled(model, source_ids, keys, temperature=1.0, top_p=1e-9) == expected
    assert sampled(model, source_ids, keys, temperature=0.001) == expected
    assert sampled(model, source_ids, keys, temperature=1.0) != expected


def test_what_is_drawn_depends_on_the_key_alone(case):
    """Not on the neighbours, nor on when they end."""
    model, source_ids, keys = case
    together = sampled(model, source_ids, keys, temperature=1.0)
    assert len({len(ids) for ids in together}) > 2
    for i in range(7):
        assert sampled(model, source_ids[i : i + 1], keys[i : i + 1], temperature=1.0) == [together[i]]
    backwards = sampled(model, source_ids[::-1], keys[::-1], temperature=1.0)
    assert backwards == together[::-1]
    assert sampled(model, source_ids, keys[::-1], temperature=1.0) != together


def test_the_least_temperature_gives_no_warning(case):
    """A warning is an error here: exp of what lies far below overflows to 0, and to nothing else."""
    model, source_ids, keys = case
    model.decoder.projection.bias.data[5] = 1e300
    assert sampled(model, source_ids, keys, temperature=0.001, top_p=0.5) == [[5] * 13] * 7
