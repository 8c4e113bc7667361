"""Tasks whose right attention is known: the pairs, and a trained head that looks where it should."""

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.corpus.tasks import SYMBOLS, TASKS, TaskStream, right_places
from minisora.training import Trainer, TrainingConfig
from minisora.training.scoring import score_pairs


def test_by_hand():
    assert right_places("copy", "丙甲丁") == [0, 1, 2]
    assert right_places("reverse", "丙甲丁") == [2, 1, 0]
    assert right_places("sort", "丙甲丁") == [1, 0, 2]


@pytest.mark.parametrize("task", TASKS)
def test_pairs(task):
    pairs = TaskStream(task, seed=3, lengths=(2, 5)).draw(10, 200)
    assert {len(source) for source, _ in pairs} == {2, 3, 4, 5}
    assert len(set(pairs)) > 190
    for source, target in pairs:
        assert len(set(source)) == len(source) and set(source) <= set(SYMBOLS)
        assert target == {"copy": source, "reverse": source[::-1]}.get(task, "".join(sorted(source, key=SYMBOLS.index)))
        assert "".join(source[place] for place in right_places(task, source)) == target


def test_a_pair_is_a_function_of_seed_and_position():
    stream = TaskStream("sort", seed=3)
    assert stream.draw(0, 9)[4:6] == TaskStream("sort", seed=3).draw(4, 2)
    assert stream.draw(0, 9) != TaskStream("sort", seed=4).draw(0, 9)
    assert stream.describe() == {"kind": "task sort", "seed": 3, "lengths": [3, 9]}


@pytest.mark.parametrize("lengths", [(0, 3), (4, 3), (3, 23)])
def test_lengths_that_the_symbols_do_not_allow(lengths):
    with pytest.raises(ValueError, match=r"expected lengths from 1 to 22, the shorter one first, got \("):
        TaskStream("copy", lengths=lengths)


def test_an_unknown_task():
    with pytest.raises(ValueError, match="expected a task out of copy, reverse, sort, got 'add'"):
        TaskStream("add")


def looks_right(model, tokenizer, task, pairs):
    """Share of targets at which the one head of cross-attention looks most at the right place."""
    right = []
    for source, target in pairs:
        decoder_ids = [model.config.bos_id, *tokenizer.encode(target)[:-1]]
        _, cache = model.forward(np.array([tokenizer.encode(source)]), np.array([decoder_ids]))
        weights = cache.decoder.stack.layers[0].cross_attention.weights[0, 0]  # (T, S)
        right.append(weights.argmax(axis=-1) == right_places(task, source))
    return np.concatenate(right).mean()


@pytest.mark.parametrize("task", TASKS)
def test_a_trained_head_looks_where_it_should(task):
    tokenizer = SoraTokenizer.learn([SYMBOLS])
    config = SoraConfig(
        source_vocab_size=tokenizer.vocab_size, target_vocab_size=tokenizer.vocab_size, d_model=32, num_heads=1,
        num_encoder_layers=1, num_decoder_layers=1, d_ff=64, dropout=0.0, max_len=8,
    )  # fmt: skip
    model = SoraModel(config, np.random.default_rng(0))
    training = TrainingConfig(steps=700, batch_tokens=512, chunk_examples=512, learning_rate=5e-3, warmup_steps=50)
    unseen = TaskStream(task, seed=1, lengths=(3, 6)).draw(0, 100)
    assert looks_right(model, tokenizer, task, unseen) < 0.5
    Trainer(model, TaskStream(task, lengths=(3, 6)), tokenizer, config=training).fit(progress_bar=False)
    assert looks_right(model, tokenizer, task, unseen) > 0.85
    assert score_pairs(model, tokenizer, tokenizer, unseen).exact_match > 0.6
