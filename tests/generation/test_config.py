"""The options of generation: their ranges, and which of them exclude each other."""

from dataclasses import fields
from inspect import getdoc

import pytest

from minisora.generation import GenerationConfig

NOTHING = float("nan")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_len", 0, "an integer >= 1"),
        ("max_len", 2.0, "an integer >= 1"),
        ("max_len", True, "an integer >= 1"),
        ("batch_size", -3, "an integer >= 1"),
        ("beams", 0, "an integer >= 1"),
        ("beams", 1025, "at most 1024"),
        ("n_best", 0, "an integer >= 1"),
        ("top_k", -1, "an integer >= 0"),
        ("no_repeat_ngram", 1.5, "an integer >= 0"),
        ("seed", "7", "an integer"),
        ("temperature", -0.1, "0 or a number"),
        ("temperature", 1e-9, "0 or a number"),
        ("temperature", NOTHING, "0 or a number"),
        ("temperature", float("inf"), "0 or a number"),
        ("top_p", 0, r"a number in \(0, 1\]"),
        ("top_p", 1.1, r"a number in \(0, 1\]"),
        ("repetition_penalty", 0.5, "a number >= 1"),
        ("repetition_penalty", NOTHING, "a number >= 1"),
        ("length_penalty", -1, r"a number in \[0, 10\]"),
        ("length_penalty", None, r"a number in \[0, 10\]"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(name, value, expected):
    with pytest.raises(ValueError, match=f"expected {name} to be {expected}.*, got"):
        GenerationConfig(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 5}, "expected a temperature above 0 beside top_k or top_p"),
        ({"top_p": 0.5}, "expected a temperature above 0 beside top_k or top_p"),
        ({"beams": 4, "temperature": 1.0}, "expected beams or a temperature, got both: 4 and 1.0"),
        ({"n_best": 2}, "expected n_best to be at most the number of beams, got 2 of 1"),
        ({"beams": 3, "n_best": 4}, "got 4 of 3"),
    ],
)
def test_options_that_would_have_no_effect_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GenerationConfig(**options)


def test_every_field_is_described():
    lines = getdoc(GenerationConfig).splitlines()
    for field in fields(GenerationConfig):
        assert any(line.startswith(f"{field.name} : ") for line in lines), field.name
