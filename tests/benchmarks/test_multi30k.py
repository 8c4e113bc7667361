"""Multi30k: both parts on a toy pair of languages, their going on after a stop, and the same model in torch."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
from click.testing import CliRunner

from minisora.benchmarks import multi30k, multi30k_data, multi30k_epochs, multi30k_profile, multi30k_tiny
from minisora.benchmarks.long_runs import new_model
from minisora.cli import cli
from minisora.config import SoraConfig
from minisora.model import SoraModel

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")


def run(*arguments):
    return CliRunner().invoke(cli, ["bench", "multi30k", "--smoke", "--threads", "1", *map(str, arguments)])


def test_smoke_of_the_tiny_part(tmp_path):
    result = run("--part", "tiny", "--json", "--out", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    (row,) = record["rows"]
    assert list(row["bleu"]) == list(multi30k_data.TESTS) and row["settings"]["averaged"] == 2 and row["steps"] == 20
    assert [one["step"] for one in row["curve"]] == [10, 20]
    assert "tok:none" in row["signature"]


def test_the_tiny_part_goes_on_where_it_was_stopped(tmp_path):
    options = ("--part", "tiny", "--folder", tmp_path)
    stopped = run(*options, "--minutes", 1e-9)
    assert "stopped: tiny-0 at step 1 of 20; the same command goes on from here" in stopped.stdout
    assert "on the validation part, greedy" in run(*options).stdout


@needs_torch
def test_smoke_beside_torch(tmp_path):
    """Torch and minisora see the same tokens; a second call reads what the first one kept."""
    options = ("--part", "epochs", "--folder", tmp_path, "--json")
    result = run(*options)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["rows"]
    assert row["parameters"]["ours"] == row["parameters"]["torch"]
    tokens = {name: [one["target_tokens"] for one in epochs] for name, epochs in row["epochs"].items()}
    assert tokens["ours"] == tokens["torch"] and len(tokens["ours"]) == 2
    losses = {name: [one["dev_loss"] for one in epochs] for name, epochs in row["epochs"].items()}
    np.testing.assert_allclose(losses["ours"], losses["torch"], rtol=0.02)  # dropout draws others there
    assert row["ratio"]["torch"] == row["opponents"]["torch"] / row["ours"]
    assert list(row["bleu"]) == list(row["last_bleu"]) == ["ours", "torch"]
    (tmp_path / "epochs-0" / "minisora" / "latest").unlink()
    assert json.loads(run(*options).stdout)["rows"] == [row]


@needs_torch
def test_both_sides_go_on_where_they_were_stopped(tmp_path):
    options = ("--part", "epochs", "--folder", tmp_path)
    for where in ("1 of 2 (ours)", "1 of 2 (torch)", "2 of 2 (ours)"):
        stopped = run(*options, "--minutes", 1e-9).stdout
        assert f"\n\nstopped: epochs-0 at epoch {where}; the same command goes on from here\n" in stopped
    assert "torch / ours" in run(*options, "--minutes", 1e-9).stdout


def tiny_options(tmp_path, **changes):
    """What the processes of both sides get."""
    return {
        "data": str(multi30k_data.write_toy(tmp_path / "data")), "folder": str(tmp_path), "epochs": 3, "batch": 7,
        "model": multi30k_epochs.MODEL | multi30k_epochs.SMOKE, "training": multi30k_epochs.TRAINING, "most": 40,
        "seed": 0, "threads": 1, "min_count": 2, "longest": 9, **changes,
    }  # fmt: skip


@pytest.fixture
def torch_side(tmp_path):
    """A function that begins torch's training in a folder, or goes on with it."""
    options = tiny_options(tmp_path)
    return lambda name: multi30k_epochs.torch_side(options | {"folder": str(tmp_path / name)})


@needs_torch
def test_both_sides_make_the_same_steps(tmp_path):
    """Without dropout nothing is left to chance: a large rate, a narrow clip, and the same losses epoch by epoch."""
    model = multi30k_epochs.MODEL | multi30k_epochs.SMOKE | {"dropout": 0.0}
    training = multi30k_epochs.TRAINING | {"learning_rate": 5e-3, "clip": 0.1}
    options = tiny_options(tmp_path, model=model, training=training)
    losses = []
    for prepare in (multi30k_epochs.ours, multi30k_epochs.torch_eager):
        task = prepare(**options)
        for count in range(4):
            reply = task()
            assert len(reply["epochs"]) == count and ("translations" in reply) == (count == 3)
        assert [(which, len(texts)) for which, texts in reply["translations"].items()] == [
            ("lowest loss", 20), ("last epoch", 20),
        ]  # fmt: skip
        losses.append([one["dev_loss"] for one in reply["epochs"]])
    assert losses[0][0] - losses[0][-1] > 0.1
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_embeddings_begin_by_glorot(tmp_path):
    """Uniform of variance 2 / (rows + columns), tokens and positions alike; the other parameters as they are."""
    options = tiny_options(tmp_path, model=multi30k_epochs.MODEL | multi30k_epochs.SMOKE | {"d_model": 64})
    tokenizers = multi30k_epochs.setup(options)[2]
    model, plain = multi30k_epochs.begin(options, tokenizers), new_model(tokenizers, options["model"], 0)
    for (name, one), (_, other) in zip(model.parameters(), plain.parameters(), strict=True):
        if name.endswith(".table"):
            assert one.data.std() == pytest.approx((2 / sum(one.data.shape)) ** 0.5, rel=0.1)
        else:
            np.testing.assert_array_equal(one.data, other.data)


@needs_torch
def test_dropout_in_torch_is_that_of_the_config(torch_side):
    model = torch_side("one").model
    found = [module.p for module in model.modules() if type(module).__name__ == "Dropout"]
    found += [module.dropout for module in model.modules() if type(module).__name__ == "MultiheadAttention"]
    assert len(found) == 1 + 3 + 4 + 3 and set(found) == {0.1}


@needs_torch
def test_an_epoch_in_torch_is_resumed_exactly(torch_side):
    """Three epochs in one go, and two with a third in another process's place: the same weights, bit for bit."""
    whole, parts = torch_side("whole"), torch_side("parts")
    for _ in range(3):
        whole.train_epoch()
    for _ in range(2):
        parts.train_epoch()
    parts = torch_side("parts")
    assert len(parts.epochs) == 2
    parts.train_epoch()
    for name, tensor in whole.model.state_dict().items():
        assert tensor.equal(parts.model.state_dict()[name]), name
    assert [one["dev_loss"] for one in whole.epochs] == [one["dev_loss"] for one in parts.epochs]


@needs_torch
def test_torch_translates_by_its_best_epoch_and_by_its_last(torch_side, monkeypatch):
    side, losses = torch_side("one"), iter([3.0, 2.0, 4.0])
    monkeypatch.setattr(side, "dev_loss", lambda: next(losses))
    weights = []
    for _ in range(3):
        side.train_epoch()
        weights.append({name: tensor.clone() for name, tensor in side.model.state_dict().items()})
    name, used = "projection.weight", []
    monkeypatch.setattr(side, "translate", lambda *given: used.append(side.model.state_dict()[name].clone()) or given)
    assert side.translations(["w1 w2", "w3"], 4) == dict.fromkeys(("lowest loss", "last epoch"), (["w1 w2", "w3"], 4))
    assert used[0].equal(weights[1][name]) and used[1].equal(weights[2][name])
    assert not used[0].equal(used[1])


@needs_torch
def test_the_model_in_torch_is_ours():
    import torch

    from minisora.benchmarks.multi30k_torch import make_model

    config = SoraConfig(
        source_vocab_size=31, target_vocab_size=23, d_model=16, num_heads=2, num_encoder_layers=2, num_decoder_layers=2,
        d_ff=24, norm="post", positions="learned", max_len=11,
    )  # fmt: skip
    model, rng = SoraModel(config, np.random.default_rng(0)), np.random.default_rng(1)
    for _, parameter in model.parameters():
        parameter.data += rng.normal(0, 0.1, parameter.data.shape).astype(np.float32)
    theirs = make_model(model).eval()
    source, ids = rng.integers(5, 31, (3, 7)), rng.integers(5, 23, (3, 5))
    source[1, 5:] = 0
    with torch.inference_mode():
        logits = theirs(torch.from_numpy(source), torch.from_numpy(ids)).numpy()
    np.testing.assert_allclose(logits, model.forward(source, ids)[0], atol=2e-5)
    assert sum(one.numel() for one in theirs.parameters()) == model.num_parameters()


@needs_torch
def test_the_profile_adds_up(tmp_path):
    result = run("--part", "profile", "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["rows"]
    ours, torch = (row["milliseconds"][side] for side in ("ours", "torch"))
    assert list(ours) == list(torch) and len(ours) == 8
    assert row["ratio"]["torch"] == pytest.approx(sum(torch.values()) / sum(ours.values()))
    for kind in ("products of the linear layers", "clipping and Adam"):
        assert ours[kind] > 0 and torch[kind] > 0
    lines = multi30k_profile.table(row).splitlines()
    assert lines[-1].split()[0] == "together" and lines[-1].split()[-1] == f"{row['ratio']['torch']:.2f}"
    products = next(line for line in lines if line.startswith("products of the linear layers"))
    theirs_by_ours = torch["products of the linear layers"] / ours["products of the linear layers"]
    assert products.split()[-1] == f"{theirs_by_ours:.2f}"
    ours["embeddings"] = 0.0
    assert "embeddings" in (line := multi30k_profile.table(row).splitlines()[-3]) and line.split()[-1] == "-"


@pytest.mark.parametrize(
    ("file", "function", "kind"),
    [
        ("linear.py", "backward", "products of the linear layers"),
        ("numba_product.py", "_product", "products of the linear layers"),
        ("numba_attention.py", "_forward", "attention"),
        ("numba_elementwise.py", "layer_norm_backward", "LayerNorm"),
        ("numba_elementwise.py", "activation_dropout", "activation and dropout"),
        ("numba_elementwise.py", "cross_entropy", "cross-entropy"),
        ("numba_elementwise.py", "adam", "clipping and Adam"),
        ("batching.py", "at", "everything else"),
    ],
)
def test_functions_by_kind(file, function, kind):
    assert multi30k_profile.kind_of(file, function) == kind


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::addmm", "products of the linear layers"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention"),
        ("aten::native_layer_norm_backward", "LayerNorm"),
        ("aten::bernoulli_", "activation and dropout"),
        ("aten::_log_softmax", "cross-entropy"),
        ("aten::addcdiv_", "clipping and Adam"),
        ("aten::embedding_dense_backward", "embeddings"),
        ("aten::copy_", "everything else"),
    ],
)
def test_operations_by_kind(operation, kind):
    assert multi30k_profile.torch_kind(operation) == kind


@pytest.mark.parametrize("part", ["tiny", pytest.param("epochs", marks=needs_torch)])
def test_smoke_on_the_real_data(real_data, part):
    result = run("--part", part, "--data", real_data("multi30k"), "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["rows"]) == 1


def test_bleu_by_hand():
    """4 of 5 words, 3 of 4 pairs, 2 of 3 triples, 1 of 2 quadruples: the fourth root of 1/5."""
    score, signature = multi30k_data.bleu(["a b c d x"], [("", "a b c d y")])
    assert score == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert signature.startswith("nrefs:1|case:mixed|eff:no|tok:none|smooth:exp")


def test_files_of_unequal_length_are_refused(tmp_path):
    multi30k_data.write_toy(tmp_path)
    path = tmp_path / multi30k_data.file_name("val", "de")
    path.write_text(path.read_text(encoding="utf-8") + "noch eine\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected as many lines of de as of en in val, got 21 and 20"):
        multi30k_data.read_part(tmp_path, "val", "de", "en")


def test_a_line_ends_at_a_line_feed_alone(tmp_path):
    for language in ("de", "en"):
        path = tmp_path / multi30k_data.file_name("val", language)
        path.write_text("a\u2028b\nc\n", encoding="utf-8")
    assert multi30k_data.read_part(tmp_path, "val", "de", "en") == [("a\u2028b", "a\u2028b"), ("c", "c")]


def test_epochs_are_read_from_the_log():
    records = [
        {"step": 5, "minutes": 1.0, "tokens": 70},
        {"step": 5, "dev": {"loss": 2.0}},
        {"step": 10, "minutes": 2.5, "tokens": 150},
        {"step": 10, "dev": {"loss": 1.5}},
        {"step": 12, "minutes": 2.9, "tokens": 170},
    ]
    assert multi30k_epochs.epochs_in(records) == [
        {"seconds": 60.0, "target_tokens": 70, "dev_loss": 2.0},
        {"seconds": 90.0, "target_tokens": 80, "dev_loss": 1.5},
    ]


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(multi30k, "find_spec", lambda name: None if name == "torch" else True)
    result = run()
    assert result.exit_code == 2 and "pip install 'minisora[parity]', or measure with --part tiny" in result.stderr
    monkeypatch.setattr(multi30k, "find_spec", lambda name: None)
    assert "pip install 'minisora[scores]'" in run("--part", "tiny").stderr


def test_the_tables():
    row = {
        "case": "de-en", "ours": 100.0, "opponents": {"torch": 150.0}, "ratio": {"torch": 1.5}, "signature": "s",
        "bleu": {"ours": 36.0, "torch": 36.5}, "published": {"elsewhere": 36.52}, "best_epoch": {"ours": 7, "torch": 8},
        "hours": {"ours": 0.25, "torch": 0.5}, "target_tokens_per_second": {"ours": 2000.0, "torch": 1000.0},
        "peak_memory_mib": {"ours": None, "torch": 7.0}, "parameters": {"ours": 9000, "torch": 9000},
        "vocabularies": [1234, 77], "settings": {"epochs": 10}, "last_bleu": {"ours": 36.25, "torch": 36.75},
    }  # fmt: skip
    lines = multi30k_epochs.table(row).splitlines()
    assert lines[2] == "de-en: 1,234 German and 77 English words, 9,000 parameters, torch / ours 1.50"
    assert lines[-3].split() == ["ours", "100.0", "2,000", "0.25", "36.00", "7", "36.25", "-"]
    assert lines[-1].split() == ["elsewhere", "36.52"]
    scores = dict.fromkeys(multi30k_data.TESTS, 40.0)
    row = {
        "bleu": scores, "published": {"test_2016_flickr": 41.02}, "settings": {"averaged": 10, "beams": 5},
        "parameters": 9000, "steps": 7, "hours": 1.25, "target_tokens_per_second": 3000.0, "signature": "s",
        "peak_memory_mib": None, "last_alone": 38.75, "greedy": 39.5,
        "curve": [{"bleu": 12.3, "minutes": 30.0}],
    }  # fmt: skip
    lines = multi30k_tiny.table(row).splitlines()
    assert "test_2016_flickr: the last checkpoint alone 38.75, the mean read greedily 39.50" in lines
    assert lines[-3].split()[-3:] == ["41.02", "-", "-"]
    assert lines[-1] == "on the validation part, greedy: 12.3 (0.5 h)"
