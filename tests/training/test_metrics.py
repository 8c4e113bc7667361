"""What answers are measured by, worked out by hand."""

import numpy as np
import pytest

from minisora.corpus import Example, test_set
from minisora.training import metrics
from minisora.training.metrics import bleu, distinct, interval, slot_f1


def example(target, *slots):
    return Example("问", target, "s", "s.x", "iid", "t", slots)


def test_an_interval_holds_the_mean_and_has_the_width_of_a_binomial():
    values = np.random.default_rng(1).random(400) < 0.3
    low, high = interval(values)
    spread = 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / 400)
    assert low == pytest.approx(values.mean() - spread, abs=0.01)
    assert high == pytest.approx(values.mean() + spread, abs=0.01)
    assert interval(values) == interval(values)
    assert interval([True] * 5) == [1.0, 1.0]
    assert interval([]) is None


def test_slots_by_hand():
    """Due: 北京 and 14, then 上海. Said: 北京, then 北京 and 上海. Two of three said are due: F1 = 2 * 2 / (3 + 3)."""
    first = example("北京14度。", ("城市", "北京"), ("气温", "14"), "4", "上海")
    second = example("上海。", ("城市", "北京"), "上海")
    judged = [(first, "北京15度。"), (second, "北京和上海。")]
    assert slot_f1(judged) == pytest.approx(2 * 2 / (3 + 3))
    assert slot_f1([(first, "北京14度。")]) == 1.0
    assert slot_f1([(example("抱歉。", "北京"), "北京。")]) is None


def test_right_answers_have_all_slots():
    examples = test_set("iid", 200)
    assert slot_f1([(one, one.target) for one in examples]) == 1.0


def test_bleu_is_one_for_any_of_the_references_and_less_for_others():
    pytest.importorskip("sacrebleu", reason="BLEU needs sacrebleu: pip install 'minisora[scores]'")
    references = [("今天晴朗。", "今天是晴天。"), ("明天有小雨。",)]
    assert bleu(references, ["今天是晴天。", "明天有小雨。"]) == pytest.approx(1)
    assert 0.3 < bleu(references, ["今天是晴天。", "明天有大雨。"]) < 0.9
    assert bleu([], []) is None


def test_bleu_by_hand():
    """abcd against abce: precisions 3/4, 2/3, 1/2, and for the 0/1 of four characters 1/2 of 1 (smoothed)."""
    pytest.importorskip("sacrebleu", reason="BLEU needs sacrebleu: pip install 'minisora[scores]'")
    assert bleu([("今天有雪",)], ["今天有雨"]) == pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)


def test_without_sacrebleu_there_is_no_bleu(monkeypatch):
    monkeypatch.setattr(metrics, "find_spec", lambda name: None)
    assert bleu([("a",)], ["a"]) is None


def test_distinct_by_hand():
    """Of abab, ba: 2-grams ab, ba, ab, ba: two different ones of four."""
    assert distinct(["abab", "ba"], 2) == 0.5
    assert distinct(["abc"], 1) == 1.0
    assert distinct(["a"], 2) is None
