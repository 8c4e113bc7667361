"""The command line: what it prints, and that every mistake is one line and exit code 2."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import good, mistake, run
from threadpoolctl import threadpool_limits

import minisora
from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.checkpoint import load
from minisora.cli import COMMANDS
from minisora.commands.options import MODEL_HELP, TRAINING_HELP
from minisora.generation import Generated, Hypothesis
from minisora.info import collect

PAIRS = [("abc", "cba"), ("bca", "acb"), ("aab", "baa")]
TINY = "--d-model 8 --num-heads 2 --d-ff 16 --num-encoder-layers 1 --num-decoder-layers 1 --max-len 32".split()
BRIEF = "--steps 6 --chunk-examples 3 --batch-tokens 64 --eval-every 3 --save-every 3 --quiet".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that was never trained: it answers something, always the same."""
    tokenizer = SoraTokenizer.learn(["今天天气怎么样？", "abc"])
    size = tokenizer.vocab_size
    sizes = {"source_vocab_size": size, "target_vocab_size": size, "d_model": 8, "num_heads": 2, "d_ff": 12}
    config = SoraConfig(**sizes, max_len=211, tie="all")
    path = tmp_path_factory.mktemp("model") / "model"
    SoraModel(config, np.random.default_rng(0)).save_pretrained(path, tokenizer)
    return path


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    return path


def test_help_and_version():
    text = good("--help")
    assert all(name in text for name in COMMANDS)
    assert good("--version") == f"minisora, version {minisora.__version__}\n"
    for name in COMMANDS:
        assert "Usage" in good(name, "--help")


def test_without_a_command_there_is_help_and_exit_code_2():
    result = run()
    assert result.exit_code == 2 and "Commands:" in result.output


def test_an_unknown_command_and_a_bad_option():
    assert "chatt" in mistake("chatt")
    assert "--nothing" in mistake("info", "--nothing")
    assert "0" in mistake("corpus", "--count", "0")


def test_chat_answers_the_same_at_every_entrance(folder):
    once = good("chat", "今天", "--model", folder)
    assert once.endswith("\n")
    assert once == good("chat", "今天", "--model", folder)
    prompted = good("chat", "--model", folder, text="今天\n\n今天\n")
    assert prompted == once  # the empty line ends it
    prompted = good("chat", "--model", folder, text="今天\n今天\n")
    assert prompted == once * 2  # the end of the input ends it


def generated(monkeypatch, answer):
    """Let every question get this answer; return the list of what the model was to read."""
    sources = []

    def generate(model, source_tokenizer, target_tokenizer, texts, **options):
        sources.extend(texts)
        return [Generated([Hypothesis(answer, [], None, None)], None)]

    monkeypatch.setattr("minisora.generation.generate", generate)
    return sources


def test_chat_puts_facts_and_turns_before_the_question(folder, monkeypatch):
    sources = generated(monkeypatch, "好")
    good("chat", "带伞;吗？", "--context", r"城市=北京;a\;b=c", "--model", folder)
    good("chat", "城市=北京|带伞吗？", "--model", folder)
    good("chat", "--turns", "2", "--context", "城市=北京", "--model", folder, text="一\n二\n三\n")
    assert sources[:2] == [r"城市=北京;a\;b=c|带伞\;吗？", "城市=北京|带伞吗？"]
    assert sources[2:] == ["城市=北京|一", "城市=北京|一|二", "城市=北京|二|三"]


def test_the_oldest_turns_go_where_they_do_not_fit(folder, monkeypatch):
    """The model reads 211 tokens: two questions of 100 and the bar between them, not a third one."""
    sources = generated(monkeypatch, "好")
    first, second, third, brief = "今" * 100, "天" * 100, "气" * 110, "怎么样？"
    good("chat", "--turns", "9", "--model", folder, text="\n".join([first, second, third, brief]))
    assert sources == [first, f"{first}|{second}", f"{second}|{third}", f"{third}|{brief}"]


def test_a_question_that_cannot_be_read_does_not_end_the_conversation(folder):
    result = run("chat", "--model", folder, text="今" * 212 + "\n今天\n")
    assert result.exit_code == 0
    assert result.stderr.count("minisora: ") == 1
    assert good("chat", "今天", "--model", folder) in result.stdout


def test_chat_mistakes(folder, tmp_path):
    assert "empty" in mistake("chat", "", "--model", folder)
    assert "empty" in mistake("chat", "  ", "--model", folder)
    assert "211" in mistake("chat", "今" * 212, "--model", folder)
    assert "nowhere" in mistake("chat", "今天", "--model", tmp_path / "nowhere")
    assert "key=value" in mistake("chat", "今天", "--model", folder, "--context", "北京")
    assert "lone surrogate" in mistake("chat", "今\ud800", "--model", folder)


def test_chat_finishes_answers_as_asked(folder, tmp_path, monkeypatch):
    generated(monkeypatch, "今天的的的Sora说今天晴，今天晴，")
    mine = tmp_path / "mine.txt"
    mine.write_text("说\n", encoding="utf-8")
    for options, expected in [
        ([], "今天的的的Sora说今天晴，今天晴，"),
        (["--collapse-characters"], "今天的的Sora说今天晴，今天晴，"),
        (["--collapse-fragments"], "今天的的的Sora说今天晴，"),
        (["--space-scripts"], "今天的的的 Sora 说今天晴，今天晴，"),
        (["--stop-words", "zh", "--stop-words", mine], "今天Sora今天晴，今天晴，"),
    ]:
        assert good("chat", "今天", "--model", folder, *options) == expected + "\n"
        assert good("chat", "--model", folder, *options, text="今天\n") == expected + "\n"
    assert "expected zh, en or a file of stop words" in mistake("chat", "今", "--model", folder, "--stop-words", "de")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_a_corrupt_checkpoint(folder, tmp_path, name, content):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(content)
    mistake("chat", "今天", "--model", tmp_path)


def test_train_resume_evaluate_and_chat(pairs, tmp_path):
    out = tmp_path / "run"
    files = ["--data", pairs, "--dev", pairs, "--out"]
    first = good("train", *files, out, *TINY, *BRIEF, "--stop-after", "3")
    assert "stop_after at step 3" in first
    assert "holds a training" in mistake("train", *files, out, *TINY, *BRIEF)
    assert "finished at step 6" in good("train", *files, out, "--resume", "--quiet")
    whole = json.loads(good("train", *files, tmp_path / "whole", *TINY, *BRIEF, "--json"))
    assert (whole["step"], whole["reason"]) == (6, "finished")
    assert "other dev pairs" in mistake("train", "--data", pairs, "--out", out, "--resume", "--quiet")
    name = "step-6/model.safetensors"
    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    good("chat", "abc", "--model", out)
    split = json.loads(good("evaluate", out, "--data", pairs, "--json"))["splits"]["pairs"]
    assert split["n"] == len(PAIRS) and 0 <= split["exact_match"] <= 1


def test_evaluate_the_corpus_and_a_file(folder, pairs):
    result = json.loads(good("evaluate", folder, "--count", "3", "--split", "iid", "--split", "comb", "--json"))
    assert list(result["splits"]) == ["iid", "comb"]
    assert {"exact_match", "n", "scenarios"} <= set(result["splits"]["iid"])
    assert set(result["baselines"]) == {"most_frequent", "nearest"}
    result = json.loads(good("evaluate", folder, "--data", pairs, "--reference", pairs, "--json"))
    assert result["baselines"]["nearest"]["splits"]["pairs"]["exact_match"] == 1
    table = good("evaluate", folder, "--data", pairs, "--no-baselines")
    assert "exact match" in table and "baseline" not in table


def test_evaluate_with_beams(folder, pairs, monkeypatch):
    asked = []
    monkeypatch.setattr("minisora.training.scoring.answer", lambda *args, **o: asked.append(o["beams"]) or [""] * 3)
    for options in ([], ["--beams", "4"]):
        good("evaluate", folder, "--data", pairs, "--no-baselines", *options)
    assert asked == [1, 4]


def test_evaluate_mistakes(folder, pairs, tmp_path):
    assert "exclude" in mistake("evaluate", folder, "--data", pairs, "--split", "iid")
    assert "expected a split out of train, dev, iid" in mistake("evaluate", folder, "--split", "middle")
    assert "nowhere" in mistake("evaluate", tmp_path / "nowhere")
    assert "nowhere.tsv" in mistake("evaluate", folder, "--data", tmp_path / "nowhere.tsv")
    for without in (["--beside", folder], ["--no-baselines"]):
        assert "--reference is for the baselines" in mistake("evaluate", folder, "--reference", pairs, *without)


def test_models_side_by_side(folder, pairs):
    files = ["--beside", folder, "--data", pairs]
    lines = good("evaluate", "sora/sora-base", *files).splitlines()
    assert [line.split()[0] for line in lines] == [
        "exact",
        "sora/sora-base",
        str(folder),
        "loss,",
        "sora/sora-base",
        str(folder),
    ]
    both = json.loads(good("evaluate", "sora/sora-base", *files, "--json"))["models"]
    assert list(both) == ["sora/sora-base", str(folder)]
    alone = json.loads(good("evaluate", folder, "--data", pairs, "--no-baselines", "--json"))
    assert both[str(folder)] == alone
    assert f"{alone['parameters']:,}" in lines[2] and f"{alone['splits']['pairs']['loss']:.3f}" == lines[5].split()[-1]


def test_a_short_training_has_a_loss_and_none_has_no_loss(pairs, tmp_path):
    """It stops before the first line of the log."""
    files = ["--data", pairs, "--out", tmp_path / "run"]
    assert "nan" not in good("train", *files, *TINY, *BRIEF, "--stop-after", "2")
    assert good("train", *files, "--resume", "--quiet", "--stop-after", "2").startswith("stop_after at step 2\n")
    more = json.loads(good("train", *files, "--resume", "--quiet", "--stop-after", "2", "--json"))
    assert "loss" not in more


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"config": 3}'])
def test_a_training_whose_state_is_damaged(pairs, tmp_path, content):
    files = ["--data", pairs, "--out", tmp_path]
    good("train", *files, *TINY, *BRIEF, "--stop-after", "1")
    (tmp_path / "step-1" / "trainer.json").write_text(content)
    assert "trainer.json is not the state" in mistake("train", *files, "--resume", "--quiet")


def test_a_training_whose_checkpoint_is_gone(pairs, tmp_path):
    files = ["--data", pairs, "--out", tmp_path]
    good("train", *files, *TINY, *BRIEF, "--stop-after", "1")
    (tmp_path / "latest").write_text("step-9\n")
    assert "latest names step-9, and there is no such" in mistake("train", *files, "--resume", "--quiet")


def test_options_of_a_training_reach_it(pairs, tmp_path):
    options = "--norm post --activation gelu --positions learned --clip 0 --betas 0.8 0.95 --optimizer adamw".split()
    vocabularies = ["--target-tokenizer", "whitespace"]
    good("train", "--data", pairs, "--out", tmp_path / "run", *TINY, *BRIEF, *options, *vocabularies)
    (step,) = (tmp_path / "run").glob("step-6")
    model = json.loads((step / "config.json").read_text(encoding="utf-8"))
    training = json.loads((step / "trainer.json").read_text(encoding="utf-8"))["config"]
    assert (model["norm"], model["activation"], model["positions"], model["tie"]) == (
        "post",
        "gelu",
        "learned",
        "output",
    )
    assert (training["clip"], training["betas"], training["optimizer"]) == (None, [0.8, 0.95], "adamw")
    target = SoraTokenizer.load(step / "target_tokenizer.json")
    assert (target.kind, target.vocab_size) == ("whitespace", 5 + len(PAIRS))


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_a_training_with_any_tokenizer(kind, tmp_path):
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    texts = tmp_path / "texts.tsv"
    texts.write_text("今天天气Ａ\t今天好\n今天天气好吗\t天气好\n天气\t好\n", encoding="utf-8")
    out, options = tmp_path / "run", ["--tokenizer", kind, "--vocab-size", "269", "--normalization", "width"]
    good("train", "--data", texts, "--dev", texts, "--out", out, *TINY, *BRIEF, *options, "--stop-after", "3")
    good("train", "--data", texts, "--dev", texts, "--out", out, "--resume", "--quiet")
    tokenizer = load(out).source_tokenizer
    assert (tokenizer.kind, tokenizer.normalization) == (kind, "width") and 261 < tokenizer.vocab_size <= 269
    assert tokenizer.decode(tokenizer.encode("天气Ｂ")) == "天气B"
    good("chat", "今天", "--model", out)
    assert "belongs to a new model" in mistake(
        "train", "--data", texts, "--out", out, "--resume", "--vocab-size", "300"
    )


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_the_corpus_gives_words_and_bpe_a_sample(kind, tmp_path, monkeypatch):
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    monkeypatch.setattr("minisora.commands.train.SAMPLE", 200)
    options = ["--tokenizer", kind, "--vocab-size", "1400", "--dev-count", "1", "--max-len", "128"]
    good("train", "--out", tmp_path, *TINY[:-2], *BRIEF, "--steps", "1", *options)
    tokenizer = load(tmp_path).source_tokenizer
    assert tokenizer.kind == kind and tokenizer.vocab_size <= 1400
    assert len(tokenizer.encode("今天天气怎么样？")) < 8


def test_every_field_of_the_configs_is_an_option():
    from dataclasses import fields

    from minisora.training.config import TrainingConfig

    elsewhere = {"source_vocab_size", "target_vocab_size", "tie", "pad_id", "bos_id", "eos_id"}
    assert {field.name for field in fields(SoraConfig)} - elsewhere == set(MODEL_HELP)
    assert {field.name for field in fields(TrainingConfig)} == set(TRAINING_HELP)


def test_training_mistakes(pairs, tmp_path):
    out = ["--out", tmp_path / "run", *TINY, *BRIEF]
    broken = tmp_path / "broken.tsv"
    broken.write_text("a\tb\nno tab\n", encoding="utf-8")
    empty = tmp_path / "empty.tsv"
    empty.touch()
    for option in (["--made-up-names", "30"], ["--emphasis", "weather", "2"]):
        assert f"{option[0]} belongs to the corpus, got --data reverse" in mistake(
            "train", "--data", "reverse", *out, *option
        )
    for option in ("--corpus-seed", "--dev-count"):
        assert f"{option} belongs to --data corpus, copy, reverse or sort, got --data {pairs}" in mistake(
            "train", "--data", pairs, *out, option, "3"
        )
    own = ["--data", "copy", "--dev", pairs]
    assert f"--dev-count belongs to the dev set that is drawn where --dev is not given, got --dev {pairs}" in mistake(
        "train", *own, *out, "--dev-count", "3"
    )
    assert "got 'whether'" in mistake("train", *out, "--max-len", "256", "--emphasis", "whether", "2")
    assert "nowhere.tsv" in mistake("train", "--data", tmp_path / "nowhere.tsv", *out)
    assert "broken.tsv:2" in mistake("train", "--data", broken, *out)
    assert "empty.tsv" in mistake("train", "--data", empty, *out)
    assert "--out" in mistake("train", "--data", pairs)
    assert "learning_rate" in mistake("train", "--data", pairs, *out, "--learning-rate", "0")
    assert "schedule" in mistake("train", "--data", pairs, *out, "--schedule", "steep")
    assert "num_heads" in mistake("train", "--data", pairs, *out, "--num-heads", "3")
    assert "without spaces" in mistake("train", *out, "--tokenizer", "whitespace")
    assert "found none" in mistake("train", "--data", pairs, "--resume", "--out", tmp_path / "run")
    assert "belongs to a new model" in mistake("train", "--data", pairs, "--resume", *out)
    start = ["--start-from", tmp_path / "nowhere", "--data", pairs, "--out", tmp_path / "run"]
    assert "nowhere" in mistake("train", *start)
    assert "belongs to a new model" in mistake("train", *start, "--norm", "post")
    assert "exclude" in mistake("train", *start, "--resume")


def test_a_training_starts_from_a_model_that_is_there(folder, pairs, tmp_path):
    good("train", "--data", pairs, "--out", tmp_path / "run", "--start-from", folder, *BRIEF, "--learning-rate", "1e-9")
    before, after = load(folder), load(tmp_path / "run")
    assert after.source_tokenizer == before.source_tokenizer and after.model.config == before.model.config
    old = dict(before.model.parameters())
    changes = [abs(parameter.data - old[name].data).max() for name, parameter in after.model.parameters()]
    assert 0 < max(changes) < 1e-6  # trained, but not far from where it began


def test_corpus_prints_and_writes_the_same(tmp_path):
    printed = good("corpus", "--count", "5", "--seed", "3", "--start", "2")
    assert printed.count("\n") == 5 and all(line.count("\t") == 1 for line in printed.splitlines())
    path = tmp_path / "examples.tsv"
    assert good("corpus", "--count", "5", "--seed", "3", "--start", "2", "--out", path) == ""
    assert path.read_text(encoding="utf-8") == printed
    content = json.loads(good("corpus", "--count", "5", "--seed", "3", "--start", "2", "--json"))
    assert [f"{row['source']}\t{row['target']}" for row in content["examples"]] == printed.splitlines()


def test_corpus_knows_the_fixed_sets():
    from minisora.corpus import test_set

    printed = good("corpus", "--fixed", "--split", "comb", "--count", "3")
    assert printed.splitlines() == [f"{row.source}\t{row.target}" for row in test_set("comb", 3)]


def test_corpus_mistakes(tmp_path):
    for fixed in ([], ["--fixed"]):
        assert "out of train, dev, iid" in mistake("corpus", *fixed, "--split", "middle")
        assert "got 'middle'" in mistake("corpus", *fixed, "--split", "middle")
    assert ".tsv or .jsonl" in mistake("corpus", "--out", tmp_path / "examples.txt")


def test_gradcheck_of_one_layer():
    content = json.loads(good("gradcheck", "--layer", "LayerNorm", "--json"))
    assert 0 < content["largest_relative_error"] <= 1e-8
    assert content["checks"] and all(check["passed"] for check in content["checks"])
    assert {"name", "largest_relative_error", "passed", "tensors", "hints"} <= content["checks"][0].keys()
    assert "all passed" in good("gradcheck", "--layer", "LayerNorm")


def test_gradcheck_fails_where_a_gradient_is_wrong(monkeypatch):
    from minisora.layers.normalization import LayerNorm

    right = LayerNorm.backward
    monkeypatch.setattr(LayerNorm, "backward", lambda *args: right(*args) * 1.001)
    result = run("gradcheck", "--layer", "LayerNorm")
    assert result.exit_code == 1 and "FAILED" in result.stdout


def test_gradcheck_mistakes():
    assert "expected one of --all, --layer NAME" in mistake("gradcheck")
    assert "expected one of --all, --layer NAME" in mistake("gradcheck", "--all", "--layer", "LayerNorm")
    assert "Nothing" in mistake("gradcheck", "--layer", "Nothing")


def test_bench_lists_its_benchmarks():
    text = good("bench", "--help")
    assert "g2p" in text and "train-step" in text
    assert "nothing" in mistake("bench", "nothing")


def test_info():
    content = json.loads(good("info", "--json"))
    assert content["libraries"]["numpy"] == np.__version__
    assert "numpy" in content["backends"]["available"]
    assert content["threads"]["cores"] >= 1
    with threadpool_limits(1, user_api="blas"):
        assert collect()["threads"]["BLAS"] == 1
    assert np.__version__ in good("info")


def test_the_flowchart_has_the_shapes_of_the_forward_pass(folder):
    text = good("info", "--mermaid", "--model", folder)
    assert text.startswith("flowchart TD\n")
    assert "source ids<br/>(1, 8)" in text  # the question has eight characters
    assert "(1, 2, 8, 4)" in text and "(1, 2, 8, 8)" in text  # the encoder's heads, and its weights
    assert "(1, 8, 12)" in text  # inside the feed-forward layer
    nodes, ends = nodes_and_ends(text)
    assert ends == nodes
    assert text.count("subgraph") == text.count("    end\n") == 2
    assert "exclude" in mistake("info", "--mermaid", "--json")


def nodes_and_ends(text):
    """The boxes of a flowchart, and those that an arrow touches."""
    nodes = {line.split("[")[0].strip() for line in text.splitlines() if "[" in line and "subgraph" not in line}
    return nodes, {name.strip() for line in text.splitlines() if "-->" in line for name in line.split("-->")}


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", True), ("gru", False)])
def test_the_flowchart_of_a_recurrent_encoder(tmp_path, cell, bidirectional, norm):
    tokenizer = SoraTokenizer.learn(["今天天气怎么样？"])
    sizes = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size, "d_model": 12}
    config = SoraConfig(**sizes, num_heads=3, encoder="rnn", cell=cell, bidirectional=bidirectional, norm=norm)
    SoraModel(config, np.random.default_rng(0)).save_pretrained(tmp_path / "model", tokenizer)
    text = good("info", "--mermaid", "--model", tmp_path / "model")
    nodes, ends = nodes_and_ends(text)
    assert ends == nodes
    assert "recurrent layer (3 of them)" in text and "attention on top" in text
    assert f"{cell.upper()} left to right: the state of a time step<br/>{(1, 6 if bidirectional else 12)}" in text
    assert ("right to left" in text) == bidirectional
    assert "(1, 3, 8, 8)" in text  # the weights of the attention on top
    assert text.count("subgraph") == text.count("    end\n") == 3


def test_the_flowchart_of_a_copy_head(tmp_path):
    tokenizer = SoraTokenizer.learn(["今天天气怎么样？"])
    config = SoraConfig(source_vocab_size=tokenizer.vocab_size, target_vocab_size=tokenizer.vocab_size, copy=True)
    SoraModel(config, np.random.default_rng(0)).save_pretrained(tmp_path / "model", tokenizer)
    text = good("info", "--mermaid", "--model", tmp_path / "model")
    nodes, ends = nodes_and_ends(text)
    assert ends == nodes
    assert {name for name in nodes if f"    {name} --> copied" in text} == {"logits", "memory", "source", "final_norm"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--momentum 0.5", "--momentum belongs to --optimizer sgd, got --optimizer adam"),
        ("--betas 0.8 0.9 --optimizer sgd", "--betas belongs to --optimizer adam or adamw, got --optimizer sgd"),
        ("--eps 1e-6 --optimizer sgd", "--eps belongs to --optimizer adam or adamw, got --optimizer sgd"),
        ("--weight-decay 0.1 --optimizer adam", "--weight-decay belongs to --optimizer adamw, got --optimizer adam"),
        ("--decay-from 0.5", "--decay-from belongs to --schedule cosine or linear, got --schedule inverse_sqrt"),
        (
            "--final-rate 0 --schedule constant",
            "--final-rate belongs to --schedule cosine or linear, got --schedule con",
        ),
        ("--cell gru", "--cell belongs to --encoder rnn, got --encoder transformer"),
        ("--no-bidirectional", "--bidirectional belongs to --encoder rnn, got --encoder transformer"),
    ],
)
@pytest.mark.parametrize("command", ["train", "tune"])
def test_an_option_that_would_say_nothing_is_refused(tmp_path, command, given, message):
    """Before anything is read: the data are missing."""
    out = tmp_path / "out"
    assert message in mistake(command, "--data", tmp_path / "missing", "--out", out, *given.split())
    assert not out.exists()


def test_a_training_that_goes_on_keeps_what_its_options_belong_to(pairs, tmp_path):
    out = tmp_path / "sgd"
    good("train", "--data", pairs, "--out", out, *TINY, *BRIEF, "--optimizer", "sgd", "--momentum", "0.5")
    again = ["train", "--data", pairs, "--out", out, *BRIEF, "--resume"]
    good(*again, "--steps", "9", "--momentum", "0.5")
    assert "--betas belongs to --optimizer adam or adamw, got --optimizer sgd" in mistake(
        *again, "--betas", "0.8", "0.9"
    )


def test_a_recurrent_encoder_with_a_copy_head_is_trained_answers_and_is_trained_on(pairs, tmp_path):
    out = tmp_path / "rnn"
    recurrent = ["--encoder", "rnn", "--cell", "gru", "--no-bidirectional", "--copy"]
    good("train", "--data", pairs, "--out", out, *TINY, *BRIEF, *recurrent)
    model = load(out).model
    assert model.config.copy
    assert (model.config.encoder, model.config.cell, model.config.bidirectional) == ("rnn", "gru", False)
    assert good("chat", "abc", "--model", out) == good("chat", "abc", "--model", out)
    good("train", "--data", pairs, "--out", out, *BRIEF, "--steps", "9", "--resume")
    assert "--cell belongs to a new model" in mistake(
        "train", "--data", pairs, "--out", out, "--resume", "--cell", "rnn"
    )
    odd = ["--d-model", "9", "--num-heads", "3", "--encoder", "rnn"]
    assert "even" in mistake("train", "--data", pairs, "--out", tmp_path / "odd", *BRIEF, *odd)


def test_a_traceback_on_request(folder, monkeypatch):
    monkeypatch.setenv("MINISORA_TRACEBACK", "1")
    result = run("chat", "今" * 212, "--model", folder)
    assert isinstance(result.exception, ValueError)


def test_what_memory_cannot_hold_is_a_mistake_too(tmp_path):
    (tmp_path / "text").write_text("a b\n", encoding="utf-8")
    options = ["--out", tmp_path / "v", "--min-count", 1, "--size", 10**15]
    assert "allocate" in mistake("vectors", "train", tmp_path / "text", *options)


def process(*args, **options):
    command = [sys.executable, "-m", "minisora", *map(str, args)]
    return subprocess.run(command, capture_output=True, **options)


def test_a_process_speaks_utf8_whatever_the_locale_says(folder):
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    result = process("chat", "--model", folder, input="今天\n".encode() + b"\xff\n" + "今天\n".encode(), env=env)
    assert result.returncode == 0, result.stderr
    assert result.stdout.decode("utf-8") == good("chat", "今天", "--model", folder) * 2
    assert result.stderr.count(b"\n") == 1 and b"lone surrogate" in result.stderr  # the line that is not UTF-8
    lines = process("corpus", "--count", "1", env=env).stdout.decode("utf-8")
    assert lines == good("corpus", "--count", "1")


def test_a_process_ends_with_one_line_and_exit_code_2(tmp_path):
    result = process("chat", "今天", "--model", tmp_path / "nowhere")
    assert result.returncode == 2 and result.stdout == b""
    assert result.stderr.count(b"\n") == 1 and b"Traceback" not in result.stderr


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m minisora corpus --count 2000 | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, check=True)
    assert result.stdout.count(b"\n") == 1 and result.stderr == b""
