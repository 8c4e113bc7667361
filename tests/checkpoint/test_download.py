"""``minisora download``: a model is checked, and then it is in the folder, byte for byte."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner

from minisora.checkpoint import CheckpointError, download, load
from minisora.cli import cli
from minisora.layers.normalization import LayerNorm
from minisora.model import SoraModel
from minisora.pretrained import bundled_folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_bundled_model(tmp_path):
    result = CliRunner().invoke(cli, ["download", "sora/sora-base", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'out'}: 2,715,680 parameters\n"
    assert contents(tmp_path / "out") == contents(bundled_folder("sora/sora-base"))


def test_a_model_of_the_hub(hub, ask, tmp_path, small_files):
    hub.commit("a/b", small_files(1) | {"README.md": b"the card", "virus.exe": b"no"}, "v1")
    hub.commit("a/b", small_files(2))
    code = "from minisora.cli import cli; cli.main({}, standalone_mode=False)"
    names = ["hub:a/b", "--revision", "v1", "--out", str(tmp_path / "out"), "--json"]
    said = ask(f"import io, contextlib; out = io.StringIO()\nwith contextlib.redirect_stdout(out): "
               f"{code.format(['download', *names])}\nprint(json.dumps(json.loads(out.getvalue())))")  # fmt: skip
    assert said == {"folder": str(tmp_path / "out"), "parameters": load(tmp_path / "out").model.num_parameters()}
    assert contents(tmp_path / "out") == small_files(1) | {"README.md": b"the card"}
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


def test_a_model_that_is_not_good_leaves_no_folder(tmp_path, small_model, source):
    small_model().save_pretrained(tmp_path / "model", source)
    path = tmp_path / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(CheckpointError):
        download(tmp_path / "model", tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["model"]


def test_nothing_is_replaced(tmp_path, small_model, source):
    small_model().save_pretrained(tmp_path / "model", source)
    before = contents(tmp_path / "model")
    with pytest.raises(ValueError, match="expected a new folder"):
        download("sora/sora-base", tmp_path / "model")
    result = CliRunner().invoke(cli, ["download", "sora/sora-base", "--out", str(tmp_path / "model")])
    assert result.exit_code == 2 and result.stderr.startswith("minisora: expected a new folder")
    assert contents(tmp_path / "model") == before


def test_a_model_with_layers_of_its_own(tmp_path, small_model, source, same):
    own = {"norm": LayerNorm}
    model = SoraModel(small_model().config, np.random.default_rng(0), layers=own)
    model.save_pretrained(tmp_path / "model", source)
    with pytest.raises(CheckpointError, match="own norm layer"):
        download(tmp_path / "model", tmp_path / "out")
    assert same(download(tmp_path / "model", tmp_path / "out", layers=own).model, model)


def test_the_json_on_standard_output(tmp_path):
    result = CliRunner().invoke(cli, ["download", "sora/sora-base", "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(result.stdout) == {"folder": str(tmp_path / "out"), "parameters": 2715680}
