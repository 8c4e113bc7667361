"""How ``minisora chat`` generates: its options, several answers, and answers as they come."""

import io
from dataclasses import fields

import numpy as np
import pytest
from click.testing import CliRunner

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.checkpoint import load
from minisora.cli import cli
from minisora.commands import chat
from minisora.commands.options import GENERATION_HELP
from minisora.generation import GenerationConfig, answer, generate

QUESTION = "今天天气怎么样？"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that was never trained, with parameters that make it say different things."""
    tokenizer, rng = SoraTokenizer.learn([QUESTION]), np.random.default_rng(0)
    size = tokenizer.vocab_size
    config = SoraConfig(source_vocab_size=size, target_vocab_size=size, d_model=8, num_heads=2, d_ff=12, max_len=31)
    model = SoraModel(config, rng)
    for _, parameter in model.parameters():
        parameter.data += rng.normal(0, 0.5, parameter.data.shape).astype(np.float32)
    path = tmp_path_factory.mktemp("model") / "model"
    model.save_pretrained(path, tokenizer)
    return path


def run(folder, *options, code=0, question=QUESTION, text=None):
    asked = ["chat", "--model", str(folder), *map(str, options)]
    result = CliRunner().invoke(cli, asked if question is None else [*asked, question], input=text)
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.0, "seed": 3},
        {"temperature": 0.7, "top_k": 5, "top_p": 0.9},
        {"repetition_penalty": 1.5, "no_repeat_ngram": 2, "max_len": 7},
        {"beams": 3, "length_penalty": 1.0},
    ],
    ids=str,
)
def test_options_are_those_of_generate(folder, options):
    (expected,) = answer(*load(folder), [QUESTION], **options)
    written = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert run(folder, *written) == expected + "\n" != run(folder)


def test_every_option_is_offered():
    assert set(GENERATION_HELP) == {field.name for field in fields(GenerationConfig)} - {"batch_size"}


def test_several_answers_have_their_scores(folder):
    (expected,) = generate(*load(folder), [QUESTION], beams=4, n_best=3, max_len=5)
    lines = [f"{one.score:.3f}  {one.text}" for one in expected.hypotheses]
    assert run(folder, "--beams", 4, "--n-best", 3, "--max-len", 5) == "\n".join(lines) + "\n"


def test_an_answer_that_comes_in_pieces_is_the_same(folder):
    whole = run(folder, "--temperature", 1, "--no-stream")
    assert run(folder, "--temperature", 1, "--stream") == whole
    prompted = run(folder, "--temperature", 1, "--stream", question=None, text=f"{QUESTION}\n{QUESTION}\n")
    assert prompted == whole * 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "stdout", "beams", "steps", "expected"),
    [
        (None, Terminal(), 1, {}, True),
        (None, Terminal(), 1, {"stop_words": (), "space_scripts": False}, True),
        (None, Terminal(), 1, {"space_scripts": True}, False),
        (None, Terminal(), 3, {}, False),
        (None, io.StringIO(), 1, {}, False),
        (None, None, 1, {}, False),
        (True, io.StringIO(), 1, {}, True),
        (False, Terminal(), 1, {}, False),
        (False, Terminal(), 3, {}, False),
    ],
)
def test_a_terminal_is_shown_answers_as_they_come(monkeypatch, stream, stdout, beams, steps, expected):
    monkeypatch.setattr(chat.sys, "stdout", stdout)
    assert chat.as_it_comes(stream, GenerationConfig(beams=beams), steps) is expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream", "--beams", 2], "neither --beams nor post-processing"),
        (["--stream", "--space-scripts"], "neither --beams nor post-processing"),
        (["--top-k", 5], "a temperature above 0 beside top_k or top_p"),
        (["--beams", 0], "expected beams to be an integer >= 1, got 0"),
        (["--n-best", 2], "n_best to be at most the number of beams"),
        (["--temperature", "hot"], "'hot' is not a valid float"),
    ],
)
def test_mistakes_are_one_line(folder, options, message):
    error = run(folder, *options, code=2)
    assert message in error and error.count("\n") == 1
