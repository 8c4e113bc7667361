"""The built-in checks: all pass, none is missing, and the report has the promised form."""

import importlib
import inspect
import json
import pkgutil

import numpy as np
import pytest

import minisora.layers
from minisora.gradcheck import CheckResult, Report, named_checks, run_checks
from minisora.gradcheck.registry import register
from minisora.layers.layer import Layer


@pytest.mark.parametrize("name", [check.name for check in named_checks()])
def test_built_in(name):
    report = run_checks(name)
    assert len(report.checks) == 1
    assert report.passed, str(report)
    assert report.largest_relative_error <= (1e-6 if name.startswith("SoraModel") else 1e-8)


def test_layers_are_checked_at_every_entry_and_only_the_model_is_sampled():
    for check in named_checks():
        if check.layer != "SoraModel":
            assert check.options.get("mode", "central") == "central", check.name
            assert "entries" not in check.options, check.name
            assert check.options.get("tolerance", 1e-8) == 1e-8, check.name


def test_no_layer_is_without_a_check():
    checked = {check.layer for check in named_checks()}
    for module in pkgutil.iter_modules(minisora.layers.__path__, "minisora.layers."):
        for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Layer) and kind is not Layer and kind.__module__ == module.name:
                assert name in checked, f"{module.name}.{name} has no gradient check"


def test_whole_models_cover_tying_norms_and_both_ways_to_check():
    names = {check.name for check in named_checks("SoraModel")}
    for norm in ("pre", "post"):
        for tie in ("none", "output", "all"):
            for way in ("entries", "direction"):
                assert f"SoraModel/{norm}-tie-{tie}-{way}" in names


def test_probes_are_built_the_same_every_time():
    check = named_checks("MultiHeadAttention/cross")[0]
    first, second = (check.build(np.random.default_rng(1)).variables for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_layer_by_its_name_in_any_case():
    assert [check.name for check in named_checks("layernorm")] == [
        f"LayerNorm/{v}" for v in ("vector", "rows", "large-eps")
    ]
    assert [check.name for check in named_checks(["RELU", "layernorm/ROWS"])] == ["LayerNorm/rows", "ReLU/rows"]


def test_an_unknown_name_lists_the_layers():
    with pytest.raises(
        ValueError, match=r"a layer with gradient checks is expected \(.*LayerNorm.*\).*got 'BatchNorm'"
    ):
        named_checks(["LayerNorm", "BatchNorm"])


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="got 'ReLU/rows' a second time"):
        register("ReLU", {"rows": {}})(lambda rng: None)


def test_json_begins_with_the_promised_form():
    report = run_checks(["Linear", "ReLU"])
    found = json.loads(report.to_json())
    assert list(found) == ["largest_relative_error", "checks", "properties"]
    assert [list(check)[:3] for check in found["checks"]] == [["name", "largest_relative_error", "passed"]] * 3
    assert [check["name"] for check in found["checks"]] == ["Linear/bias", "Linear/no-bias", "ReLU/rows"]
    assert all(check["passed"] is True for check in found["checks"])
    assert found["largest_relative_error"] == max(check["largest_relative_error"] for check in found["checks"]) <= 1e-8


def test_results_arrive_one_by_one():
    seen = []
    report = run_checks(["Linear"], on_result=seen.append)
    assert tuple(seen) == report.checks
    assert all(isinstance(result, CheckResult) for result in seen)


def test_the_table_shows_failures_in_full():
    good = run_checks("ReLU")
    assert "all passed" in str(good)
    failed = CheckResult("X/y", "central", 1e-20, good.checks[0].tensors, ("forward changed x",))
    report = Report((*good.checks, failed))
    assert not report.passed
    assert "2 checks, 1 FAILED" in str(report)
    assert "problem: forward changed x" in str(report)


def test_an_empty_report_is_no_proof_of_anything_but_prints():
    assert Report().largest_relative_error == 0.0
    assert "0 checks" in str(Report())
