"""What a report says: cosine and scale, JSON that a program reads, HTML that shows names as text."""

import json

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair, Probe, Report, check


def result_of(factor, name="a pair", mode="central"):
    pair = FunctionPair(lambda x: (np.sin(x), x), lambda dout, x: factor * dout * np.cos(x))
    return check(Probe(pair, {"x": np.random.default_rng(0).normal(size=(3, 5))}), name=name, mode=mode)


def test_a_gradient_of_the_wrong_size_has_cosine_one_and_its_factor():
    tensor = result_of(0.25).tensors[0]
    assert tensor.cosine == pytest.approx(1, abs=1e-12)
    assert tensor.scale == pytest.approx(0.25, rel=1e-9)


def test_a_gradient_of_the_wrong_sign_has_cosine_minus_one():
    assert result_of(-1.0).tensors[0].cosine == pytest.approx(-1, abs=1e-12)


def test_a_gradient_of_zero_has_neither():
    result = result_of(0.0)
    assert (result.tensors[0].cosine, result.tensors[0].scale) == (None, None)
    assert "every gradient is zero" in str(result)


def test_one_direction_is_a_number_and_has_neither():
    assert result_of(1.0, mode="directional").tensors[0].cosine is None


@pytest.mark.parametrize("factor", [1.0, 0.25, np.nan])
def test_json_is_json_whatever_was_found(factor):
    report = Report((result_of(factor),))
    content = json.loads(report.to_json())
    assert content["checks"][0]["passed"] == (factor == 1.0)
    assert content["checks"][0]["tensors"][0]["shape"] == [3, 5]
    assert content["checks"][0]["tensors"][0]["name"] == "x"


def test_html_shows_names_as_text():
    hostile = "<script>alert('x')</script>"
    result = result_of(0.5, name=hostile)
    for html in (result._repr_html_(), Report((result,))._repr_html_()):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert "FAILED" in html


def test_text_has_a_row_for_each_tensor_with_both_values():
    result = result_of(0.5)
    row = next(line for line in str(result).splitlines() if line.startswith("  x "))
    tensor = result.tensors[0]
    for cell in (str(tensor.index), f"{tensor.analytic:.10g}", f"{tensor.numerical:.10g}", "0.5"):
        assert cell in row
