"""A student's own attention: checked from the command line, trained inside sora, and asked."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from minisora.cli import cli
from minisora.gradcheck.own_layer import checks_for, load_class

STUDENT = Path(__file__).parent / "gradcheck" / "my_attention.py"
OWN = ("--layer", f"attention={STUDENT}:MyAttention")
PAIRS = {
    "今天天气怎么样？": "今天天气晴朗，气温适中。",
    "你好": "你好，很高兴见到你。",
    "谢谢": "不客气。",
    "再见": "再见！",
}
SMALL = (
    "--d-model 32 --num-heads 2 --d-ff 64 --num-encoder-layers 1 --num-decoder-layers 1 --quiet --warmup-steps 20 "
    "--learning-rate 0.01 --dropout 0"
).split()


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def bent(tmp_path):
    """A function that writes the student's file with one replacement, and returns the path."""

    def write(old, new):
        text = STUDENT.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path = tmp_path / "bent.py"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path

    return write


def test_the_students_attention_is_right():
    assert "6 checks, all passed" in run("gradcheck", f"{STUDENT}:MyAttention", "--as", "attention")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("keepdims=True)) * self.scale", "keepdims=True))"),
        ("dv = weights.swapaxes(-1, -2) @ dheads", "dv = weights.swapaxes(-1, -2) @ dheads / 2"),
        ("return (dx, dsource) if is_cross else dx + dsource", "return (dx, dsource) if is_cross else dx"),
    ],
)
def test_a_mistake_is_found_and_reported(bent, tmp_path, old, new):
    page = tmp_path / "report.html"
    spec = f"{bent(old, new)}:MyAttention"
    content = json.loads(run("gradcheck", spec, "--as", "attention", "--json", "--html", page, code=1))
    assert not all(check["passed"] for check in content["checks"])
    assert all(check["first_wrong_step"] for check in content["checks"] if not check["passed"])
    assert "FAILED" in page.read_text(encoding="utf-8")


def test_it_trains_inside_sora_goes_on_and_answers(tmp_path):
    data, out = tmp_path / "pairs.tsv", tmp_path / "model"
    data.write_text("".join(f"{q}\t{a}\n" for q, a in PAIRS.items()), encoding="utf-8")
    files = ("--data", data, "--dev", data, "--out", out)
    run("train", *OWN, *files, *SMALL, "--steps", 120, "--stop-after", 20)
    assert "its own attention layer" in refused("train", *files, "--resume", "--quiet")
    run("train", *OWN, *files, "--resume", "--quiet")
    assert run("chat", *OWN, "--model", out, "今天天气怎么样？").strip() == "今天天气晴朗，气温适中。"
    assert "100.0" in run("evaluate", out, *OWN, "--data", data, "--no-baselines")
    assert "its own attention layer" in refused("chat", "--model", out, "你好")


def refused(*arguments):
    """The sentence of a command that cannot be done."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    return result.output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("attention", "--layer expects KIND=FILE.py:CLASS"),
        ("loss=my.py:Loss", "with one of attention, feed_forward, norm, activation as KIND, got 'loss=my.py:Loss'"),
        ("norm=nowhere.py:Norm", "a layer is expected in nowhere.py, and there is no such file"),
        ("norm=nowhere.txt:Norm", "a layer is expected as FILE.py:CLASS, got 'nowhere.txt:Norm'"),
        (f"attention={STUDENT}:Other", "is expected to define a class Other, it defines MyAttention"),
    ],
)
def test_an_option_that_names_no_layer_is_refused(option, message):
    assert message in refused("chat", "--layer", option, "你好")


def test_one_kind_twice_is_refused():
    assert "got two for attention" in refused("chat", *OWN, *OWN, "你好")


@pytest.mark.parametrize(
    "arguments",
    [(), ("--all", "--layer", "Linear"), ("x.py:X",), ("--as", "norm", "--all"), ("--zoo", "--quiz")],
)
def test_what_to_check_is_said_once(arguments):
    assert "expected one of" in (text := refused("gradcheck", *arguments)) or "go together" in text


def test_a_file_that_fails_is_told_with_its_line(tmp_path):
    path = tmp_path / "failing.py"
    path.write_text("x = 1\n\ny = x / 0\n", encoding="utf-8")
    message = (
        r"failing.py could not be executed, it raised ZeroDivisionError: division by zero \(line 3 of failing.py\)"
    )
    with pytest.raises(ValueError, match=message):
        load_class(f"{path}:Layer")


def test_a_file_may_import_its_neighbour(tmp_path):
    (tmp_path / "my_neighbour_of_tests.py").write_text("class Base: pass\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text(
        "from my_neighbour_of_tests import Base\nclass Mine(Base): pass\n", encoding="utf-8"
    )
    assert load_class(f"{tmp_path}/mine.py:Mine").__name__ == "Mine"
    shutil.rmtree(tmp_path)


def test_a_layer_that_cannot_stand_for_its_kind_is_told_in_one_sentence():
    make = load_class(f"{STUDENT}:MyAttention")
    with pytest.raises(ValueError, match=r"MyAttention could not be built as minisora builds its own norm, .* 'eps'"):
        checks_for("norm", make)[0].run()
    with pytest.raises(ValueError, match=re.escape("a kind of layer is expected, one of attention, feed_forward")):
        checks_for("Attention", make)


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("attention", "minisora.layers.attention:MultiHeadAttention"),
        ("feed_forward", "minisora.layers.feed_forward:FeedForward"),
        ("norm", "minisora.layers.normalization:LayerNorm"),
        ("activation", "minisora.layers.activation:GELU"),
        ("linear", "minisora.layers.linear:Linear"),
        ("embedding", "minisora.layers.embedding:TokenEmbedding"),
        ("loss", "minisora.layers.loss:SoftmaxCrossEntropy"),
        ("dropout", "minisora.layers.dropout:Dropout"),
    ],
)
def test_our_own_layers_stand_for_themselves(kind, ours):
    module, _, name = ours.partition(":")
    make = getattr(__import__(module, fromlist=[name]), name)
    for check in checks_for(kind, make):
        assert check.name.startswith(f"{name}/")
        assert check.run(mode="directional").passed
        assert all(value.dtype == np.float64 for value in check.build(np.random.default_rng(0)).variables.values())
