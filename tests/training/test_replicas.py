"""Replicas: shared data, own gradients, and sums that do not depend on threads."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minisora.kernels import DropoutKey
from minisora.kernels.threads import num_threads
from minisora.training import Trainer, TrainingConfig
from minisora.training.batching import Position
from minisora.training.replicas import Replicas, replica


def gradients(model, pairs, tokenizer, *, shards, threads, accumulate=1, batch_tokens=300):
    """The gradients of one step, by name, and the loss."""
    config = TrainingConfig(batch_tokens=batch_tokens, chunk_examples=97, shards=shards, accumulate=accumulate, seed=3)
    trainer = Trainer(model, pairs, tokenizer, config=config)
    batches, position = [], Position()
    for _ in range(accumulate):
        batch, position = trainer.batches.at(position)
        batches.append(batch)
    replicas = Replicas(model, shards, threads)
    loss, _ = trainer.gradients(batches, DropoutKey(7), replicas)
    replicas.close()
    return loss, {name: parameter.grad.copy() for name, parameter in model.parameters()}


@pytest.mark.parametrize("tie", ["none", "output", "all"])
def test_a_replica_shares_data_and_owns_gradients(make_model, tie):
    model = make_model(tie=tie)
    twin = replica(model)
    ours, theirs = dict(model.parameters()), dict(twin.parameters())
    assert list(ours) == list(theirs)  # tied ones are still one
    for name, parameter in ours.items():
        assert theirs[name] is not parameter
        assert theirs[name].data is parameter.data
        assert not np.shares_memory(theirs[name].grad, parameter.grad)
        assert (theirs[name].decay, theirs[name].trainable) == (parameter.decay, parameter.trainable)


def test_threads_do_not_change_a_bit(make_model, pairs, tokenizer):
    runs = [
        gradients(make_model(dropout=0.1), pairs, tokenizer, shards=3, threads=threads, accumulate=2)
        for threads in (1, 2, 3)
    ]
    for loss, grads in runs[1:]:
        assert loss == runs[0][0]
        for name, grad in grads.items():
            np.testing.assert_array_equal(grad, runs[0][1][name])


@pytest.mark.parametrize("shards", [2, 5])
def test_shards_add_up_to_the_whole(make_model, pairs, tokenizer, shards):
    whole_loss, whole = gradients(make_model(dtype=np.float64, dropout=0.0), pairs, tokenizer, shards=1, threads=1)
    loss, grads = gradients(make_model(dtype=np.float64, dropout=0.0), pairs, tokenizer, shards=shards, threads=2)
    assert loss == pytest.approx(whole_loss, rel=1e-13)
    largest = max(abs(grad).max() for grad in whole.values())
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, whole[name], rtol=0, atol=1e-12 * largest)


def test_accumulated_batches_are_divided_once(make_model, pairs, tokenizer):
    """Two batches of unequal token counts must weigh as one batch of all their rows does."""
    model = make_model(dtype=np.float64, dropout=0.0)
    trainer = Trainer(model, pairs, tokenizer, config=TrainingConfig(batch_tokens=60, chunk_examples=97))
    one, position = trainer.batches.at(Position())
    two, _ = trainer.batches.at(position)
    assert (one.targets != 0).sum() != (two.targets != 0).sum()
    parts = []
    for batch in (one, two):
        loss, tokens = trainer.gradients([batch], DropoutKey(0), Replicas(model, 1, 1))
        parts.append((loss, tokens, [parameter.grad.copy() for _, parameter in model.parameters()]))
    loss, tokens = trainer.gradients([one, two], DropoutKey(0), Replicas(model, 1, 1))
    assert tokens == parts[0][1] + parts[1][1]
    assert loss == pytest.approx(sum(part[0] * part[1] for part in parts) / tokens)
    for i, (_, parameter) in enumerate(model.parameters()):
        expected = sum(part[2][i] * part[1] for part in parts) / tokens
        np.testing.assert_allclose(parameter.grad, expected, rtol=1e-9, atol=1e-15)


def test_an_error_in_a_shard_comes_out(make_model, pairs, tokenizer):
    replicas = Replicas(make_model(), 2, 2)
    with pytest.raises(ZeroDivisionError):
        replicas.map(lambda model, shard: 1 / shard, [1, 0])
    replicas.close()


@pytest.mark.parametrize(("cores", "threads", "each"), [(4, 2, 2), (3, 2, 1), (1, 2, 1), (9, 5, 2)])
def test_models_at_once_share_the_cores(make_model, monkeypatch, cores, threads, each):
    """Kernels and BLAS: no more threads altogether than there are cores, if there is one for each."""
    monkeypatch.setenv("MINISORA_NUM_THREADS", str(cores))
    replicas = Replicas(make_model(), 4, threads)
    at_once = min(4, threads)
    expected = max(1, cores // at_once)
    assert expected == each
    assert replicas.map(lambda model, shard: num_threads(), range(4)) == [each] * 4
    assert num_threads() == cores
    with replicas.sharing_cores():
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {each}
    replicas.close()


def test_one_model_has_all_cores(make_model, monkeypatch):
    monkeypatch.setenv("MINISORA_NUM_THREADS", "3")
    replicas = Replicas(make_model(), 2, 1)
    before = threadpool_info()
    with replicas.sharing_cores():
        assert threadpool_info() == before
        assert replicas.map(lambda model, shard: num_threads(), range(2)) == [3, 3]
