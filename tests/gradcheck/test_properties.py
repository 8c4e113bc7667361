"""The properties of the whole model: kept by ours, broken by mistakes of the zoo, and tried on the layers of others."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from minisora.gradcheck import PROPERTIES, Report, check_properties
from minisora.gradcheck.bug_zoo import WIRING, planted
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.normalization import LayerNorm

NAMES = [known.name for known in PROPERTIES]
OURS_ALONE = {known.name for known in PROPERTIES if known.ours_alone}


@pytest.mark.parametrize("name", NAMES)
def test_ours_keeps_it(name):
    (result,) = check_properties([name])
    assert result.passed, str(result)
    assert result.error is None


def test_the_same_is_measured_again():
    assert check_properties() == check_properties()


def test_each_is_broken_by_some_mistake():
    assert {name for case in WIRING for name in case.broken} == set(NAMES)


def student():
    spec = importlib.util.spec_from_file_location("student", Path(__file__).with_name("my_attention.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MyAttention


def test_a_right_layer_of_ones_own_keeps_all_that_is_not_ours_alone():
    results = check_properties(layers={"attention": student()})
    assert {result.name for result in results} == set(NAMES) - OURS_ALONE
    assert all(result.passed for result in results), "\n".join(map(str, results))


class Deaf(MultiHeadAttention):
    """Ignores every mask."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        return super().forward(x, memory, key=key)


def test_a_layer_whose_gradients_are_right_may_break_them():
    broken = {result.name for result in check_properties(layers={"attention": Deaf}) if not result.passed}
    assert broken == {"causal", "known gradient", "padding", "without padding", "cache"}


class Fragile(LayerNorm):
    def forward(self, x, *, key=None):
        raise RuntimeError("no such thing")


def test_what_is_raised_is_told():
    (result,) = check_properties(["causal"], layers={"norm": Fragile})
    assert not result.passed
    assert result.error == "RuntimeError: no such thing"
    assert str(result).endswith("BROKEN: RuntimeError: no such thing")
    assert result.to_dict()["broken_by"] is None


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"expected \(causal, .*\), got 'casual'"):
        check_properties(["casual", "padding"])


def test_a_report_passes_only_with_its_properties():
    case = next(case for case in WIRING if case.name == "positional base of 100000")
    right = check_properties(["positions"])
    with planted(case):
        wrong = check_properties(["positions"])
    assert Report((), tuple(right)).passed
    report = Report((), tuple(wrong))
    assert not report.passed
    assert "1 properties, 1 BROKEN" in str(report)
    assert report.to_dict()["properties"][0]["passed"] is False
    assert "<td>BROKEN</td>" in report._repr_html_()
    assert np.isclose(report.to_dict()["properties"][0]["broken_by"], wrong[0].broken_by)
