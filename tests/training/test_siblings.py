"""A Transformer and recurrent siblings: trained on the same pairs with the same settings, saved, loaded, asked."""

import numpy as np
import pytest

from minisora.checkpoint import load
from minisora.generation import answer
from minisora.training import Trainer, TrainingConfig

SIBLINGS = {
    "transformer": {},
    "lstm": {"encoder": "rnn", "cell": "lstm"},
    "gru-from-the-left": {"encoder": "rnn", "cell": "gru", "bidirectional": False},
    "rnn-numba": {"encoder": "rnn", "cell": "rnn"},
}


@pytest.mark.parametrize("name", SIBLINGS)
def test_each_learns_answers_and_shows_what_it_attends_to(make_model, pairs, tokenizer, tmp_path, name):
    config = TrainingConfig(
        steps=80, batch_tokens=300, chunk_examples=113, warmup_steps=10, learning_rate=0.01, log_every=20,
        eval_every=0, seed=3, backend="numba" if "numba" in name else "numpy",
    )  # fmt: skip
    trainer = Trainer(make_model(dropout=0.1, **SIBLINGS[name]), pairs, tokenizer, config=config, folder=tmp_path)
    result = trainer.fit(progress_bar=False)
    losses = [record["loss"] for record in result.records if "loss" in record]
    assert losses[-1] < 0.8 * losses[0]
    model = load(tmp_path).model
    sources = [source for source, _ in pairs[:5]]
    answers = answer(model, tokenizer, tokenizer, sources)
    assert len(set(answers)) > 1  # it listens
    assert answers == [answer(model, tokenizer, tokenizer, [source])[0] for source in sources]
    ids, mask = tokenizer.pad([tokenizer.encode(source) for source in sources])
    _, cache = model.encoder.forward(ids)
    weights = cache.stack.layers[-1].self_attention.weights  # (B, H, S, S), by the same name in all of them
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    assert not weights[~np.broadcast_to(mask[:, None, None], weights.shape)].any()
