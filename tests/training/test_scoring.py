"""Loss and exact match of a model on pairs."""

import numpy as np
import pytest

from minisora.training import scoring
from minisora.training.scoring import answer_pairs, mean_loss, score_pairs


def test_the_loss_is_the_mean_over_tokens_pair_by_pair(make_model, pairs, tokenizer):
    """Against one pair at a time, without padding: -log softmax at each target, eos too."""
    model = make_model(dtype=np.float64)
    nats, tokens = 0.0, 0
    for source, target in pairs[:9]:
        ids = np.array(tokenizer.encode(target))
        logits = model.forward(np.array([tokenizer.encode(source)]), np.array([[1, *ids]]))[0][0]
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        nats -= log_p[np.arange(len(ids) + 1), [*ids, 2]].sum()
        tokens += len(ids) + 1
    for batch_tokens in (1, 40, 8192):
        loss = mean_loss(model, tokenizer, tokenizer, pairs[:9], batch_tokens=batch_tokens)
        assert loss == pytest.approx(nats / tokens, rel=1e-12)


def test_exact_match_counts_equal_texts(make_model, pairs, tokenizer, monkeypatch):
    replies = [target for _, target in pairs[:8]]
    replies[2] += "甲"
    replies[5] = ""
    monkeypatch.setattr(scoring, "answer", lambda *_, **__: replies)
    score = score_pairs(make_model(), tokenizer, tokenizer, pairs[:8])
    assert (score.exact_match, score.n) == (0.75, 8)


def test_answers_come_in_order_and_are_cut_behind_the_longest_target(make_model, pairs, tokenizer):
    model = make_model()
    together = answer_pairs(model, tokenizer, tokenizer, pairs[:11])
    longest = max(len(target) for _, target in pairs[:11])
    alone = [answer_pairs(model, tokenizer, tokenizer, [(source, "甲" * longest)])[0] for source, _ in pairs[:11]]
    assert together == alone
    model.decoder.embedded.embedding.table.data[2] = 0  # eos: its logit is 0 then, so an untrained model rarely ends
    assert max(map(len, answer_pairs(model, tokenizer, tokenizer, pairs[:11]))) <= longest + 1
