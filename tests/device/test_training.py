"""Training on the device: the host's numbers; a step brings the batch in and takes loss and norm out, nothing else."""

import numpy as np
import pytest

from minisora.kernels import DropoutKey
from minisora.layers.layer import Parameter
from minisora.training import Trainer, TrainingConfig
from minisora.training.batching import Position
from minisora.training.clipping import clip_gradients
from minisora.training.optimizers import SGD, Adam, AdamW
from minisora.training.replicas import Replicas
from minisora.training.scoring import mean_loss, score_pairs
from minisora.training.trainer import LONG, chosen_backend

pytestmark = pytest.mark.fake_device

OUT = ("to_host", "tolist", (2,))  # loss and norm


def make_trainer(model, pairs, tokenizer, folder=None, dev=None, **changes):
    settings = dict(steps=5, batch_tokens=90, chunk_examples=41, warmup_steps=3, log_every=2, eval_every=0, seed=3)
    config = TrainingConfig(**settings | {"learning_rate": 0.01} | changes)
    return Trainer(model, pairs, tokenizer, config=config, dev=dev, folder=folder)


def values(trainer, device):
    """Everything that a step changes, on the host."""
    state = {name: parameter.data for name, parameter in trainer.model.parameters()} | trainer.optimizer.state()
    return {name: device.asnumpy(array) for name, array in state.items()}


def assert_same_bits(one, other, device):
    for name, array in values(one, device).items():
        np.testing.assert_array_equal(values(other, device)[name], array, err_msg=name, strict=True)


def count_shards(trainer):
    """How many shards a training of five steps sees: a batch of few rows has fewer than the others."""
    count, position = 0, Position()
    for _ in range(5 * trainer.config.accumulate):
        batch, position = trainer.batches.at(position)
        count += len(batch.shards(trainer.config.shards, 0, 0))
    return count


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "schedule": "cosine", "accumulate": 2, "label_smoothing": 0.1},
        {"optimizer": "sgd", "shards": 2, "threads": 1, "clip": 0.1},
        {"shards": 3, "clip": None, "l1": 1e-3, "l2": 1e-2, "penalize": "all"},
    ],
)
def test_a_training_is_that_of_the_host(make_model, pairs, tokenizer, device, same_scatter_add, changes):
    """Bit for bit, with three arrays in for each batch, or shard of one, and one array of two numbers out."""
    here = make_trainer(make_model(), pairs, tokenizer, **changes)
    expected = here.fit(progress_bar=False)
    there = make_trainer(make_model().to("cuda"), pairs, tokenizer, **changes)
    device.transfers.clear()
    result = there.fit(progress_bar=False)
    directions = [transfer.direction for transfer in device.transfers]
    assert directions.count("to_device") == 3 * count_shards(here)
    assert [transfer for transfer in device.transfers if transfer.direction == "to_host"] == 5 * [OUT]
    assert result.loss == expected.loss
    assert [record["gradient_norm"] for record in result.records] == [
        record["gradient_norm"] for record in expected.records
    ]
    assert_same_bits(here, there, device)


def test_one_step_in_detail(make_model, pairs, tokenizer, device):
    trainer = make_trainer(make_model(np.float32).to("cuda"), pairs, tokenizer, steps=1)
    batch, _ = trainer.batches.at(trainer.progress.position)
    device.transfers.clear()
    trainer.fit(progress_bar=False)
    assert device.transfers == [*(("to_device", "asarray", ids.shape) for ids in batch), OUT]
    assert {array.dtype for array in values(trainer, device).values()} == {np.dtype(np.float32)}


def test_the_gradients_alone_wait_for_nothing(make_model, pairs, tokenizer, device):
    trainer = make_trainer(make_model().to("cuda"), pairs, tokenizer)
    batch, _ = trainer.batches.at(trainer.progress.position)
    device.transfers.clear()
    loss, tokens = trainer.gradients([batch], DropoutKey(0), Replicas(trainer.model, 1, 1))
    assert type(loss) is device.ndarray and loss.dtype == np.float64
    assert tokens == (batch.targets != 0).sum()
    assert {transfer.direction for transfer in device.transfers} == {"to_device"}


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("which", ["loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing(make_model, pairs, tokenizer, device, which, value):
    trainer = make_trainer(make_model().to("cuda"), pairs, tokenizer)
    before, whole = values(trainer, device), trainer.gradients

    def spoilt(*args):
        loss, tokens = whole(*args)
        if which == "gradient":
            trainer.optimizer.named[2][1].grad[0] = value
        return loss * value if which == "loss" else loss, tokens

    trainer.gradients = spoilt
    message = "the loss is (inf|nan) at step 1" if which == "loss" else r"finite gradient, got one of norm .* at step 1"
    with pytest.raises(ValueError, match=message):
        trainer.fit(progress_bar=False)
    for name, array in values(trainer, device).items():
        np.testing.assert_array_equal(before[name], array)


def test_squares_that_overflow_are_no_infinite_norm(make_model, pairs, tokenizer, device):
    """The one step that looks twice: a gradient of some 1e30, in float32, is clipped as on the host."""
    norms = []
    for model in (make_model(np.float32), make_model(np.float32).to("cuda")):
        trainer = make_trainer(model, pairs, tokenizer, steps=1)
        whole = trainer.gradients

        def huge(*args, whole=whole, trainer=trainer):
            found = whole(*args)
            for _, parameter in trainer.optimizer.named:
                parameter.grad *= np.float32(1e30)
            return found

        trainer.gradients = huge
        norms.append(trainer.fit(progress_bar=False).records[-1]["gradient_norm"])
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert 1e29 < norms[0] < 1e33


def test_clipping_stays_on_the_device(rng, device):
    grads = [rng.normal(size=(3, 5)), rng.normal(size=7)]
    here, there = ([Parameter(np.zeros_like(grad)) for grad in grads] for _ in range(2))
    for parameters in (here, there):
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad[...] = grad
    for parameter in there:
        parameter.data, parameter.grad = device.asarray(parameter.data), device.asarray(parameter.grad)
    device.transfers.clear()
    norm = clip_gradients(there, 0.5)
    assert device.transfers == [("to_host", "__float__", ())]  # whether it is finite
    assert device.asnumpy(norm) == clip_gradients(here, 0.5)
    for own, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(device.asnumpy(other.grad), own.grad)


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9), Adam, lambda p: AdamW(p, weight_decay=0.1)])
def test_optimizers_stay_on_the_device(rng, device, make):
    start, grads = rng.normal(size=(3, 5)), rng.normal(size=(4, 3, 5))
    results = []
    for bring in (np.copy, device.asarray):
        parameter = Parameter(bring(start))
        optimizer = make([("w", parameter)])
        brought = [bring(grad) for grad in grads]
        device.transfers.clear()
        for grad in brought:
            parameter.grad[...] = grad
            optimizer.step()
        assert device.transfers == []
        results.append(device.asnumpy(parameter.data))
    np.testing.assert_array_equal(*results)


def test_a_long_training_on_the_device_is_not_for_numba(make_model, pairs, tokenizer, device):
    long = {"steps": 10**9}
    assert make_trainer(make_model(), pairs, tokenizer, **long).backend == "numba"
    assert make_trainer(make_model().to("cuda"), pairs, tokenizer, **long).backend == "auto"
    config = TrainingConfig(backend="numba")
    assert chosen_backend(config, LONG, device) == "numba"  # whoever names it is told that it cannot


def test_a_score_is_that_of_the_host(make_model, pairs, tokenizer, device):
    expected = score_pairs(make_model(), tokenizer, tokenizer, pairs, batch_tokens=60)
    model = make_model().to("cuda")
    assert score_pairs(model, tokenizer, tokenizer, pairs, batch_tokens=60) == expected
    device.transfers.clear()
    mean_loss(model, tokenizer, tokenizer, pairs, batch_tokens=60)
    assert [transfer.direction for transfer in device.transfers].count("to_host") == 1


def test_dev_is_judged_on_the_device(make_model, pairs, tokenizer, device, same_scatter_add):
    changes = {"dev": pairs[:7], "eval_every": 2}
    results = [
        make_trainer(model, pairs, tokenizer, **changes).fit(progress_bar=False)
        for model in (make_model(), make_model().to("cuda"))
    ]
    scores = [[record["dev"] for record in result.records if "dev" in record] for result in results]
    assert scores[0] == scores[1] and len(scores[0]) == 3
    assert results[0].best_step == results[1].best_step


def test_a_training_resumes_on_the_device(make_model, pairs, tokenizer, device, tmp_path):
    """Bit for bit; and a training that began on the host goes on there, and back."""
    whole = make_trainer(make_model().to("cuda"), pairs, tokenizer)
    whole.fit(progress_bar=False)
    make_trainer(make_model().to("cuda"), pairs, tokenizer, tmp_path / "a").fit(stop_after=2, progress_bar=False)
    rest = make_trainer(make_model().to("cuda"), pairs, tokenizer, tmp_path / "a")
    rest.fit(resume=True, progress_bar=False)
    assert_same_bits(whole, rest, device)
    assert type(next(iter(rest.optimizer.state().values()))) is device.ndarray
    make_trainer(make_model(), pairs, tokenizer, tmp_path / "b").fit(stop_after=2, progress_bar=False)
    make_trainer(make_model().to("cuda"), pairs, tokenizer, tmp_path / "b").fit(
        resume=True, stop_after=4, progress_bar=False
    )
    home = make_trainer(make_model(), pairs, tokenizer, tmp_path / "b")
    assert home.fit(resume=True, progress_bar=False).step == 5
    for name, array in values(home, device).items():
        np.testing.assert_allclose(array, values(whole, device)[name], atol=1e-7, err_msg=name)
