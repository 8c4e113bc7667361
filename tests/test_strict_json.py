"""JSON that programs could read in different ways, or that grows when it is read, is refused."""

import json

import pytest

from minisora.strict_json import DEEPEST, MOST, strict_json


def test_json_comes_through():
    assert strict_json('{"a": {"b": [1, 2.5, null, "\\ud800"]}}') == {"a": {"b": [1, 2.5, None, "\ud800"]}}
    assert strict_json("3") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": {"b": 1, "b": 2}}', "same key occurs twice"),
        ('{"a": 1, "\\u0061": 2}', "same key occurs twice"),
        ("[" * 100_000, "nests too deep"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nests too deep"),
        ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "nests too deep"),
        ("[" + "0," * MOST + "0]", "values"),
        ("[NaN]", "NaN is no JSON"),
        ("-Infinity", "-Infinity is no JSON"),
        ("{", "Expecting property name"),
        ("9" * 5000, "digits"),
        ("\ufeff{}", "BOM"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        strict_json(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_the_deepest_nesting_and_numbers_that_are_none_on_request():
    deepest = "[" * DEEPEST + "]" * DEEPEST
    assert json.dumps(strict_json(deepest)) == deepest
    assert strict_json("[-Infinity, 1]", nan=True) == [-float("inf"), 1]
