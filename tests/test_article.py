"""The article's claims: files exist, commands run, and verdicts agree with what was measured."""

import json
import re
import shlex
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import mean

import click
import pytest
from click.testing import CliRunner

import minisora
from minisora.article import ENTRIES, SECTIONS, VERDICTS
from minisora.benchmarks.training_choices import LATE
from minisora.checkpoint import load
from minisora.cli import cli
from minisora.commands.article_table import markdown
from minisora.corpus.faq import PAIRS
from minisora.text.stop_words import STOP_WORDS

ROOT = Path(__file__).parent.parent
RESULTS = Path(minisora.__file__).parent / "benchmarks" / "results"
COMMANDS = sorted({entry.command for entry in ENTRIES if entry.command})
QUICK = ("minisora chat", "minisora article", "minisora gradcheck --layer SoftmaxCrossEntropy")
SHORT = {  # what a long command runs with besides, to see that it runs; the later of two options counts
    "minisora train": "--steps 1 --dev-count 2 --quiet",
    "minisora tune": "--trials 1 --steps 1 --dev-count 2",
    "minisora evaluate": "--count 2",
    "minisora vectors": "--quiet",
    "minisora gradcheck": "",
}


def entry_of(section, claim):
    """The one entry of a section whose claim has these words."""
    (entry,) = (entry for entry in ENTRIES if entry.section == section and claim in entry.claim_en)
    return entry


def record(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]


def tried(said):
    """The rows of one sentence about training, by setting."""
    return {row["case"]: row for row in record("training_choices") if row["said"] == said}


def told(entry, numbers):
    """Whether a verdict's reason gives these numbers, {setting: value}, in both languages."""
    return all(f"{name}: {value}" in entry.why_en and f"{name}：{value}" in entry.why_zh for name, value in numbers)


def leaf(words):
    """The command that words name, and what is left of them."""
    command = cli
    while isinstance(command, click.Group):
        command, words = command.get_command(None, words[0]), words[1:]
    return command, words


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to run commands in, with the text that some of them read."""
    (tmp_path / "text.txt").write_text("the cat eats fish\nthe dog eats meat\n" * 20, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_entries_are_whole_and_in_order():
    sections = [entry.section for entry in ENTRIES]
    assert list(dict.fromkeys(sections)) == list(SECTIONS) and sections == sorted(sections, key=[*SECTIONS].index)
    assert len({entry.claim_en for entry in ENTRIES}) == len(ENTRIES) == len({entry.claim_zh for entry in ENTRIES})
    for entry in ENTRIES:
        assert entry.verdict in VERDICTS
        assert bool(entry.files) == bool(entry.command) == (entry.verdict != "not ours"), entry
        assert entry.claim("en") == entry.claim_en and entry.why("zh") == entry.why_zh
        assert all(map(str.strip, (entry.claim_en, entry.claim_zh, entry.why_en, entry.why_zh)))
        assert not re.search("[，；。：]", re.sub("[\u4e00-\u9fff]+[，。？！]?", "", entry.why_en)), entry.why_en
        assert re.search("[\u4e00-\u9fff]", entry.why_zh)


@pytest.mark.parametrize("path", sorted({path for entry in ENTRIES for path in entry.files}))
def test_every_file_exists(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_can_be_given(line, folder):
    command, words = leaf(shlex.split(line)[1:])
    command.make_context(line, words)


def test_every_option_that_is_named_beside_exists():
    for name, option in re.findall(r"(?:minisora )?\b([a-z]+) (--[a-z-]+)", " ".join(e.why_en for e in ENTRIES)):
        assert any(option in parameter.opts for parameter in leaf([name])[0].params), (name, option)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith(QUICK)])
def test_quick_commands_run(line, folder):
    result = CliRunner().invoke(cli, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_the_other_commands_run_one_after_the_other(folder):
    """In their order, since a comparison needs the models trained before it; benchmarks have tests of their own."""
    for line in dict.fromkeys(entry.command for entry in ENTRIES if entry.command):
        if line.startswith((*QUICK, "minisora bench")) or (
            line.startswith("minisora tune") and not find_spec("optuna")
        ):
            continue
        (more,) = (more for start, more in SHORT.items() if line.startswith(start))
        result = CliRunner().invoke(cli, [*shlex.split(line)[1:], *more.split()])
        assert result.exit_code == 0, (line, result.output)


@pytest.mark.parametrize(("name", "lang"), [("README.md", "en"), ("README.zh.md", "zh")])
def test_the_readme_has_the_table(name, lang):
    text = (ROOT / name).read_text(encoding="utf-8")
    expected = markdown(ENTRIES, lang)
    assert f"\n{expected}\n\n" in text, f"put the output of: minisora article --markdown --lang {lang} into {name}"


def test_smaller_learning_rates_are_better_down_to_a_point():
    losses = {row["case"].split()[1]: row["loss"] for row in tried("smaller learning rates converge better").values()}
    by_rate = [losses[rate] for rate in sorted(losses, key=float)]
    best = by_rate.index(min(by_rate))
    entry = entry_of("9.2", "learning rates")
    assert entry.verdict == "imprecise" and 0 < best < len(by_rate) - 1
    assert told(entry, [(rate, f"{loss:.3f}") for rate, loss in losses.items()])


def test_larger_batches_are_slower_and_steadier_in_absolute_terms():
    rows = [tried("larger batches are steadier and slower")[f"batch {size}"] for size in (64, 256, 1024)]
    losses, relative, seconds = ([row[name] for row in rows] for name in ("loss", "rises", "seconds"))
    absolute = [mean(climb(curve[-LATE:]) for curve in row["curves"]) for row in rows]
    entry = entry_of("9.2", "batches")
    assert entry.verdict == "imprecise"
    assert losses == sorted(losses, reverse=True) and seconds == sorted(seconds)
    assert absolute == sorted(absolute, reverse=True) and relative == sorted(relative)
    low, middle, high = (f"{loss:.3f}" for loss in losses)
    assert told(entry, [("256", middle), ("1024", high)])
    assert f"64 tokens: {low}" in entry.why_en and f"64 个词元：{low}" in entry.why_zh


def climb(losses):
    """All that a curve goes up on its way."""
    return sum(max(0, after - before) for before, after in pairwise(losses))


def test_sgd_is_as_good_at_its_best_rate_and_adam_learns_at_every_rate():
    losses = {case.replace(", rate", ""): row["loss"] for case, row in tried("Adam against SGD").items()}
    adam, sgd = ([loss for case, loss in losses.items() if case.startswith(kind)] for kind in ("adam", "sgd"))
    entry = entry_of("9.2", "Adam")
    assert entry.verdict == "imprecise"
    assert min(sgd) < min(adam) and max(adam) < 0.1 < 1 < max(sgd)
    for case, loss in losses.items():
        assert told(entry, [(case.split()[1], f"{loss:.3f}")])


def test_penalties_help_against_overfitting():
    losses = {case: row["loss"] for case, row in tried("L1 and L2 help against overfitting").items()}
    entry = entry_of("9.2", "overfitting")
    assert entry.verdict == "holds" and all(loss < losses["none"] for case, loss in losses.items() if case != "none")
    for case in ("none", "L2 0.01", "L1 0.001", "decoupled 0.3"):
        assert f": {losses[case]:.3f}" in entry.why_en and f"：{losses[case]:.3f}" in entry.why_zh


def test_word_vectors_to_begin_with_did_not_help():
    right = {row["start"]: row["exact_match"] for row in record("starting_vectors") if row["share"] == 1}
    entry = entry_of("4.1", "begins")
    assert entry.verdict == "imprecise" and right["random"] > max(right["word2vec"], right["glove"])
    for share in right.values():
        assert f"{100 * share:.1f} %" in entry.why_en and f"{100 * share:.1f} %" in entry.why_zh


def test_what_is_said_to_be_faster_is_faster():
    entry = entry_of("8", "Faster")
    assert entry.verdict == "holds"
    for name in ("attention_cpu", "train_step", "generation"):
        ratios = [row["ratio"]["torch"] for row in record(name) if "torch" in row["ratio"]]
        assert ratios and min(ratios) > 1, name


def test_how_long_texts_are():
    entry = entry_of("8", "Longer")
    longest = load("sora/sora-base").model.config.max_len
    assert any("x8192x" in row["case"] for row in record("attention_cpu"))
    for why in (entry.why_en, entry.why_zh):
        assert "8192" in why and str(longest) in why


def test_the_comparison_is_that_of_the_readme():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    cells = {
        line.split(" | ")[0]: line.split(" | ") for line in lines if line.startswith(("| Transformer |", "| LSTM "))
    }
    entry = entry_of("9.1", "differ")
    for name in ("| Transformer", "| LSTM with attention"):
        assert f"{cells[name][2]} %" in entry.why_en and f"{cells[name][2]} %" in entry.why_zh
    assert float(cells["| Transformer"][2]) > float(cells["| LSTM with attention"][2])


def test_the_example_is_in_the_faq():
    entry = entry_of("4.5", "becomes")
    question, answer = entry.claim_en.split(" becomes ")
    assert PAIRS[question] == answer and entry.claim_zh == f"{question} → {answer}"
    assert f"{len(PAIRS)} questions" in entry.why_en and f"{len(PAIRS)} 个问题" in entry.why_zh
    stops = entry_of("listing", "stops")
    assert f"{len(answer)} characters to a question of {len(question)}" in stops.why_en
    assert f"问题 {len(question)} 个字，回答 {len(answer)} 个字" in stops.why_zh


def test_the_names_of_the_listing_are_here():
    one_line = entry_of("listing", "one line")
    for name in re.findall(r"(Sora\w+)\.from_pretrained", one_line.claim_en):
        assert getattr(minisora, name).from_pretrained("sora/sora-base")


def test_the_stop_word_that_is_named_is_one():
    assert "吗" in STOP_WORDS["zh"] and "without 吗" in entry_of("input", "Stop words").why_en
