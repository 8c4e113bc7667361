"""Evaluation: what is counted where, with answers that the test gives."""

import pytest

from minisora.corpus import Example
from minisora.corpus.intents import DECLINE
from minisora.training import evaluation
from minisora.training.evaluation import abstention, corpus_reference, corpus_sets, evaluate
from minisora.training.table import answers_list, evaluation_table, mistakes_table


def make_example(scenario, target, **changes):
    return Example("问", target, scenario, f"{scenario}.x", "iid", "t", ("晴", ("天气", "雨")), **changes)


def without_intervals(measures):
    return {name: value for name, value in measures.items() if name not in ("interval_95", "bleu", "slot_f1")}


JUDGED = [
    (make_example("weather", "晴"), "晴"),
    (make_example("weather", "雨"), "晴"),
    (make_example("weather", "雪"), DECLINE),
    (make_example("weather", DECLINE, answerable=False), DECLINE),
    (make_example("dialogue", DECLINE, answerable=False), "晴"),
    (make_example("arithmetic", "3"), "3"),
    (make_example("arithmetic", "4"), "5"),
    (make_example("arithmetic", "6"), "7"),
    (make_example("generation", "红花", keywords=("红", "花"), references=("红花", "花红")), "花红"),
    (make_example("generation", "红花", keywords=("红", "花"), references=("红花", "花红")), "红的"),
]


@pytest.fixture
def answered(monkeypatch):
    """Let the model give the second half of JUDGED."""
    replies = {id(one): answer for one, answer in JUDGED}
    monkeypatch.setattr(evaluation, "mean_loss", lambda *_: 0.5)
    monkeypatch.setattr(evaluation, "answer_pairs", lambda *args, **_: list(replies.values())[: len(args[-1])])


def test_splits_and_scenarios(answered):
    result = evaluate((None, None, None), {"iid": [one for one, _ in JUDGED]})
    split = result["splits"]["iid"]
    assert (split["exact_match"], split["n"], split["loss"]) == (0.4, 5, 0.5)  # of weather and dialogue: two of five
    low, high = split["interval_95"]
    assert 0 <= low < 0.4 < high <= 0.8
    assert split["slot_f1"] == 0.4  # of 晴 and 雨 two are to be mentioned, 晴 is three times, and once rightly
    assert {name: without_intervals(found) for name, found in split["scenarios"].items()} == {
        "arithmetic": {"exact_match": 1 / 3, "n": 3},
        "dialogue": {"exact_match": 0.0, "n": 1},
        "generation": {"exact_match": 0.0, "n": 2},
        "weather": {"exact_match": 0.5, "n": 4},
    }
    assert result["arithmetic"]["iid"] == {"exact_match": 1 / 3, "n": 3}
    generation = result["generation"]["iid"]
    assert (generation["slot_coverage"], generation["one_of_the_references"], generation["n"]) == (0.75, 0.5, 2)
    assert (generation["distinct_1"], generation["distinct_2_of_the_targets"]) == (0.75, 0.5)


def test_abstention():
    """One of two that cannot be answered is declined, and one of the eight others."""
    assert abstention(JUDGED) == {
        "unanswerable": 2,
        "declined_rightly": 0.5,
        "answerable": 8,
        "declined_wrongly": 0.125,
    }
    assert abstention(JUDGED[:1])["declined_rightly"] is None


def test_plain_pairs_give_loss_and_exact_match(answered):
    result = evaluate((None, None, None), {"mine": [("问", "晴"), ("问", "雪")]})
    assert without_intervals(result["splits"]["mine"]) == {"exact_match": 0.5, "n": 2, "loss": 0.5}
    assert "slot_f1" not in result["splits"]["mine"]
    assert result["abstention"] == result["arithmetic"] == result["generation"] == {}
    assert "without arithmetic" not in evaluation_table(result)


def test_pairs_that_decline_are_told_apart(answered):
    """The answers given are 晴, 晴, DECLINE, DECLINE: one is declined rightly, one of three wrongly."""
    pairs = [("问", "晴"), ("问", "雪"), ("问", "雨"), ("问", DECLINE)]
    found = evaluate((None, None, None), {"mine": pairs})["abstention"]["mine"]
    assert (found["declined_rightly"], found["unanswerable"]) == (1.0, 1)
    assert (found["declined_wrongly"], found["answerable"]) == (1 / 3, 3)


def test_baselines_stand_beside(answered):
    sets = {"iid": [one for one, _ in JUDGED]}
    result = evaluate((None, None, None), sets, reference=[("问", "晴"), ("问", "雨"), ("答", "雨")])
    assert result["baselines"]["most_frequent"] == {"splits": {"iid": {"exact_match": 0.2, "n": 5}}, "examples": 3}
    assert result["baselines"]["nearest"]["splits"]["iid"] == {"exact_match": 0.2, "n": 5}


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="got none in 'iid'"):
        evaluate((None, None, None), {"iid": []})


def test_the_corpus_s_sets():
    sets = corpus_sets(count=7)
    assert list(sets) == ["train", "iid", "comb", "tmpl", "val", "len", "faq"]
    assert [len(sets[name]) for name in ("train", "iid", "comb")] == [7, 7, 7]
    assert {one.split for one in sets["comb"]} == {"comb"}
    assert list(corpus_sets(["dev"], 3)) == ["dev"]
    with pytest.raises(ValueError, match="got 'test'"):
        corpus_sets(["test"])


def test_the_baselines_do_not_know_the_row_train():
    shown = {one.source for one in corpus_sets(["train"], 50)["train"]}
    assert len(shown & {source for source, _ in corpus_reference(50)}) < 5


def test_a_real_model(make_model, pairs, tokenizer):
    result = evaluate((make_model(), tokenizer, tokenizer), {"mine": pairs[:5]}, reference=pairs[5:])
    assert result["splits"]["mine"]["n"] == 5


def test_the_table(answered):
    sets = {"iid": [one for one, _ in JUDGED], "mine": [one for one, _ in JUDGED[:2]]}
    lines = evaluation_table(evaluate((None, None, None), sets, reference=[("问", "晴")])).split("\n")
    rows = {line[:38].strip(): line[38:].split() for line in lines}
    assert rows[""] == ["iid", "mine"]
    assert rows["exact match *"] == ["40.0", "50.0"]
    assert rows["95 %"] == ["0.0-80.0", "0.0-100.0"]
    assert rows["slot F1 *"][0] == "40.0"
    assert rows["dialogue"] == ["0.0", "-"]
    assert rows["arithmetic"] == ["33.3", "-"]
    assert rows["declined, where it cannot be answered"] == ["50.0", "-"]
    assert rows["baseline: most frequent answer *"] == ["20.0", "50.0"]
    assert rows["n *"] == ["5", "2"]
    assert lines[-1] == "* without arithmetic and generation"


def test_mistakes_and_answers(answered):
    """The second answer says 晴 for 雨; the third declines; the fifth does not; 5 and 7 are other numbers."""
    result = evaluate((None, None, None), {"iid": [one for one, _ in JUDGED]})
    counts = result["mistakes"]["iid"]
    assert counts == {
        "declined": 1, "answered": 1, "another value": 1, "value left out": 0, "another number": 2, "other words": 1,
    }  # fmt: skip
    lines = mistakes_table(result).split("\n")
    assert lines[1].split() == ["declined", "1"]
    assert "answered: it answers where it ought to decline" in lines
    shown = answers_list(result).split("\n")
    assert shown[:3] == ["**arithmetic**, iid:", "", "- `问` → 3"]
    assert shown[3] == "- `问` → 5 (right: 4)"
