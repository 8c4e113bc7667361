"""Batches: the token budget, padding, and that they are a function of seed and position."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from minisora.training.batching import Batch, Batches, Position, cut_to_budget, encode_pairs, pad_pairs
from minisora.training.data import PairList

BEGIN = Position()


def make_batches(pairs, tokenizer, *, seed=3, batch_tokens=50, chunk_examples=31):
    data = PairList(pairs, seed)
    return Batches(data, tokenizer, tokenizer, batch_tokens=batch_tokens, chunk_examples=chunk_examples, seed=seed)


def walk(batches, steps, position=BEGIN):
    out = []
    for _ in range(steps):
        batch, position = batches.at(position)
        out.append(batch)
    return out, position


def texts(batch, tokenizer):
    """The pairs of a batch, decoded from all three arrays."""
    rows = zip(batch.source, batch.decoder_ids, batch.targets, strict=True)
    decoded = [[tokenizer.decode(row[row != tokenizer.pad_id]) for row in three] for three in rows]
    assert all(decoder_text == target for _, decoder_text, target in decoded)
    return [(source, target) for source, _, target in decoded]


def test_a_chunk_holds_its_examples_once(pairs, tokenizer):
    batches = make_batches(pairs, tokenizer)
    seen, position = [], Position()
    while position.chunk == 0:
        batch, position = batches.at(position)
        assert batch.source.shape[0] * (batch.source.shape[1] + batch.targets.shape[1]) <= 50
        seen += texts(batch, tokenizer)
    assert position == Position(1, 0)
    assert sorted(seen) == sorted(batches.data.draw(0, 31))


def test_rows_by_hand(tokenizer):
    encoded = encode_pairs([("甲乙", "丙"), ("甲", "丙丁")], tokenizer, tokenizer)
    batch = pad_pairs(encoded, tokenizer, tokenizer)
    a, b, c, d = tokenizer.encode("甲乙丙丁")
    np.testing.assert_array_equal(batch.source, [[a, b], [a, 0]])
    np.testing.assert_array_equal(batch.decoder_ids, [[1, c, 0], [1, c, d]])
    np.testing.assert_array_equal(batch.targets, [[c, 2, 0], [c, d, 2]])


def test_batches_are_a_function_of_seed_and_position(pairs, tokenizer):
    whole, _ = walk(make_batches(pairs, tokenizer), 40)
    _, middle = walk(make_batches(pairs, tokenizer), 23)
    rest, _ = walk(make_batches(pairs, tokenizer), 17, middle)
    for one, other in zip(whole[23:], rest, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    others, _ = walk(make_batches(pairs, tokenizer, seed=4), 40)
    assert [texts(batch, tokenizer) for batch in others] != [texts(batch, tokenizer) for batch in whole]


def test_similar_lengths_share_a_batch(pairs, tokenizer):
    """Sorted in chunks, batches hold little padding; in the order of the data they would hold a third."""
    batches, _ = walk(make_batches(pairs, tokenizer, chunk_examples=113), 20)
    filled = sum((batch.source != 0).sum() for batch in batches)
    assert filled / sum(batch.source.size for batch in batches) > 0.9


def test_the_budget_is_cut_where_it_would_be_exceeded():
    """Rows of 2 + 1 tokens and a budget of 9: three fit; one that is over the budget alone still gets a batch."""
    short, long = ([5, 6], [1, 2]), ([5] * 8, [1, 7, 2])
    assert cut_to_budget([short] * 4 + [long] * 2, 9) == [[short] * 3, [short], [long], [long]]
    assert cut_to_budget([], 9) == []


def test_a_run_has_at_most_so_many_rows():
    short = ([5, 6], [1, 2])
    assert cut_to_budget([short] * 5, 9, 2) == [[short] * 2, [short] * 2, [short]]
    assert cut_to_budget([short] * 5, 6, 4) == [[short] * 2, [short] * 2, [short]]  # the budget counts as well


def test_an_epoch_of_batches_of_equal_size(pairs, tokenizer):
    data = PairList(pairs, 3)
    limits = {"batch_tokens": 10**4, "batch_examples": 25, "chunk_examples": len(pairs)}
    found, position = walk(Batches(data, tokenizer, tokenizer, seed=3, **limits), 5)
    assert position == Position(1, 0)
    assert sorted(len(batch.source) for batch in found) == [13, 25, 25, 25, 25]


def test_shards_are_the_rows_in_order_and_trimmed(pairs, tokenizer):
    encoded = sorted(encode_pairs(pairs[:7], tokenizer, tokenizer), key=lambda pair: len(pair[0]))
    batch = pad_pairs(encoded, tokenizer, tokenizer)
    shards = batch.shards(3, 0, 0)
    assert len(shards) == 3
    assert [pair for shard in shards for pair in texts(shard, tokenizer)] == texts(batch, tokenizer)
    for shard in shards:
        assert (shard.source != 0).any(axis=0).all()
        assert (shard.targets != 0).any(axis=0).all()
        assert shard.decoder_ids.shape == shard.targets.shape
    assert len(batch.shards(11, 0, 0)) == 6  # of seven rows: the two shortest together are no longer than the last
    (whole,) = batch.shards(1, 0, 0)
    assert all(np.array_equal(one, other) for one, other in zip(whole, batch, strict=True))


def tokens(shard):
    return shard.source.size + shard.targets.size


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_largest_shard_is_as_small_as_it_can_be(rng, count):
    """Against every way to cut rows of any lengths; in halves of rows the one with the long rows takes longer."""
    halves = best = 0
    for _ in range(31):
        ids = [np.arange(13) < rng.integers(1, 14, size=(11, 1)) for _ in range(2)]
        source, targets = (np.sort(one.astype(np.int64), axis=0) for one in ids)
        batch = Batch(source, targets, targets)
        lengths = source.sum(axis=1), targets.sum(axis=1)
        costs = [
            max((b - a) * sum(one[a:b].max() for one in lengths) for a, b in pairwise((0, *cuts, 11)))
            for cuts in combinations(range(1, 11), count - 1)
        ]
        shards = batch.shards(count, 0, 0)
        assert sum(len(shard.source) for shard in shards) == 11 and len(shards) <= count
        assert max(map(tokens, shards)) == min(costs)
        best += min(costs)
        parts = np.array_split(np.arange(11), count)
        halves += max(len(part) * sum(one[part].max() for one in lengths) for part in parts)
    assert best < 0.95 * halves


def test_texts_that_do_not_fit_are_named(tokenizer):
    with pytest.raises(ValueError, match="at most 3 tokens, got 4 in the pair that begins '甲乙丙丁'"):
        encode_pairs([("甲乙丙丁", "甲")], tokenizer, tokenizer, max_len=3)
    with pytest.raises(ValueError, match="at most 3 tokens, got 4"):
        encode_pairs([("甲", "甲乙丙")], tokenizer, tokenizer, max_len=3)  # bos is read too
    with pytest.raises(ValueError, match="at least one token"):
        encode_pairs([("", "甲")], tokenizer, tokenizer)
