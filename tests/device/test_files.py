"""Models on the device in files, and on the command line."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from minisora.checkpoint import load, load_into
from minisora.cli import cli
from minisora.info import gpu

pytestmark = pytest.mark.fake_device

TINY = "--d-model 8 --num-heads 2 --d-ff 16 --num-encoder-layers 1 --num-decoder-layers 1 --max-len 32".split()
BRIEF = "--steps 4 --chunk-examples 3 --batch-tokens 64 --eval-every 2 --save-every 2 --quiet".split()


@pytest.fixture
def folder(make_model, tokenizer, tmp_path):
    make_model().save_pretrained(tmp_path / "model", tokenizer)
    return tmp_path / "model"


def test_a_model_on_the_device_is_saved_as_on_the_host(make_model, tokenizer, device, folder, tmp_path):
    model = make_model().to("cuda")
    model.save_pretrained(tmp_path / "there", tokenizer)
    assert (tmp_path / "there/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_model_is_loaded_onto_the_device(make_model, device, folder):
    model = make_model().to("cuda")
    for _, parameter in model.parameters():
        parameter.data *= 0
    load_into(folder, model, lambda description: None)
    for own, (name, parameter) in zip(load(folder).model.parameters(), model.parameters(), strict=True):
        assert type(parameter.data) is device.ndarray
        np.testing.assert_array_equal(device.asnumpy(parameter.data), own[1].data, err_msg=name)


def run(*args):
    return CliRunner().invoke(cli, list(map(str, args)))


def good(*args):
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def data(pairs, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return path


def test_train_and_resume(device, data, tmp_path):
    files = "--data", data, "--dev", data, "--out", tmp_path / "out"
    good("train", *files, *TINY, *BRIEF, "--stop-after", 2, "--device", "cuda")
    assert ("to_host", "tolist", (2,)) in device.transfers  # a step of training
    device.transfers.clear()
    text = good("train", *files, "--resume", "--quiet", "--device", "cuda")
    assert text.startswith("finished at step 4") and device.transfers
    device.transfers.clear()
    good("train", *files, "--resume", "--quiet")  # has nothing to do, and does it on the host
    assert device.transfers == []


def test_evaluate_and_chat(device, folder, data):
    scores = {
        name: json.loads(good("evaluate", folder, "--data", data, "--json", "--device", name))
        for name in ("cpu", "cuda")
    }
    assert scores["cpu"] == scores["cuda"]
    assert device.transfers
    device.transfers.clear()
    assert good("chat", "甲乙", "--model", folder, "--device", "cuda") == good("chat", "甲乙", "--model", folder)
    assert device.transfers


@pytest.mark.parametrize("command", [("train", "--out", "x"), ("evaluate",), ("chat", "甲")])
def test_without_cupy_there_is_one_line(monkeypatch, command):
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = run(*command, "--device", "cuda")
    assert result.exit_code == 2 and result.stdout == ""
    assert (
        result.stderr.startswith("minisora: device 'cuda' needs CuPy: pip install") and result.stderr.count("\n") == 1
    )


def test_info_says_the_name_of_the_gpu(device, monkeypatch):
    assert json.loads(good("info", "--json"))["gpu"] == "stand-in for a GPU"
    device.is_available = lambda: False
    assert gpu() is None
    assert "\ngpu         -\n" in good("info")
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu() is None
