"""The whole model: what it may see, what it must not feel, and that decoding with a cache is decoding without."""

import numpy as np
import pytest

from minisora import DropoutKey, SoraConfig, SoraModel
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.layer import Layer
from minisora.layers.loss import SoftmaxCrossEntropy

B, S, T = 3, 7, 5
VARIANTS = [dict(norm=norm, tie=tie) for norm in ("pre", "post") for tie in ("none", "output", "all")]


@pytest.fixture
def ids(rng):
    source, target = rng.integers(3, 23, (B, S)), rng.integers(3, 23, (B, T))
    source[1, 4:] = 0
    return source, target


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_future_token_changes_no_earlier_logit(norm, dtype, rng):
    config = SoraConfig(source_vocab_size=23, target_vocab_size=29, d_model=32, norm=norm)
    model = SoraModel(config, rng, dtype=dtype)
    source, target = rng.integers(3, 23, (B, S)), rng.integers(3, 29, (B, T))
    before, _ = model.forward(source, target)
    target[:, 3] = (target[:, 3] + 1) % 29
    after, _ = model.forward(source, target)
    np.testing.assert_array_equal(after[:, :3], before[:, :3])
    assert (after[:, 3:] != before[:, 3:]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_stands_in_the_padding_does_not_matter(dtype, rng, ids):
    model = SoraModel(SoraConfig(source_vocab_size=23, target_vocab_size=23, d_model=32), rng, dtype=dtype)
    source, target = ids
    mask = source != 0
    before, _ = model.forward(source, target, source_mask=mask)
    other = np.where(mask, source, 11)
    after, _ = model.forward(other, target, source_mask=mask)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_permuted_batch_gives_permuted_logits(dtype, rng, ids):
    model = SoraModel(SoraConfig(source_vocab_size=23, target_vocab_size=23, d_model=32), rng, dtype=dtype)
    order = np.array([2, 0, 1])
    before, _ = model.forward(*ids)
    after, _ = model.forward(ids[0][order], ids[1][order])
    np.testing.assert_array_equal(after, before[order])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_batch_of_one_is_its_row_of_a_batch(dtype, tolerance, rng, ids):
    model = SoraModel(SoraConfig(source_vocab_size=23, target_vocab_size=23, d_model=32), rng, dtype=dtype)
    source, target = ids
    batch, _ = model.forward(source, target)
    alone, _ = model.forward(source[1:2, :4], target[1:2])  # without its padding as well
    assert np.abs(alone[0] - batch[1]).max() <= tolerance * np.abs(batch).max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_decoding_equals_uncached(variant, tiny_model, ids):
    model = tiny_model(**variant)
    source, target = ids
    mask = source != 0
    memory = model.encoder(source)
    logits = model.decoder(target, memory, mask)
    state = model.decoder.start(memory, mask, T)
    for t in range(T):
        step, state = model.decoder.step(target[:, t], state)
        assert np.abs(step - logits[:, t]).max() <= 1e-12 * np.abs(logits).max()


def test_cached_decoding_with_learned_positions_and_float32(rng, ids):
    config = SoraConfig(source_vocab_size=23, target_vocab_size=23, d_model=32, positions="learned", max_len=9)
    model = SoraModel(config, rng)
    source, target = ids
    memory = model.encoder(source)
    logits, state = model.decoder(target, memory, source != 0), model.decoder.start(memory, source != 0)
    for t in range(T):
        step, state = model.decoder.step(target[:, t], state)
        assert np.abs(step - logits[:, t]).max() <= 1e-5 * np.abs(logits).max()


def test_reorder_moves_whole_sequences(tiny_model, ids):
    model = tiny_model()
    source, target = ids
    memory, mask, rows = model.encoder(source), source != 0, np.array([2, 2, 1, 0])
    state = model.decoder.start(memory, mask, T)
    for t in range(2):
        _, state = model.decoder.step(target[:, t], state)
    state.reorder(rows)
    step, _ = model.decoder.step(target[rows, 2], state)
    expected = model.decoder(target[:, :3], memory, mask)[rows, -1]
    np.testing.assert_allclose(step, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_the_state_has_room_for_max_len_tokens_and_no_more(tiny_model, ids):
    model = tiny_model()
    state = model.decoder.start(model.encoder(ids[0]), None, 2)
    for t in range(2):
        _, state = model.decoder.step(ids[1][:, t], state)
    with pytest.raises(ValueError, match="room for 2 tokens, and all are used"):
        model.decoder.step(ids[1][:, 2], state)
    with pytest.raises(ValueError, match=r"max_len is expected in 1 \.\. 31, got 32"):
        model.decoder.start(model.encoder(ids[0]), None, 32)


def test_encoder_then_decoder_is_forward(tiny_model, ids):
    model = tiny_model()
    source, target = ids
    logits, _ = model.forward(source, target)
    np.testing.assert_array_equal(model.decoder(target, model.encoder(source), source != 0), logits)
    assert model(source, target).shape == (B, T, 29)


def test_dropout_needs_a_key_and_follows_it(tiny_model, ids):
    model = tiny_model(dropout=0.3)
    key = DropoutKey(1)
    plain, same = model(*ids), model.forward(*ids)[0]
    np.testing.assert_array_equal(plain, same)
    dropped = model.forward(*ids, key=key)[0]
    np.testing.assert_array_equal(dropped, model.forward(*ids, key=key)[0])
    assert (dropped != plain).any()
    assert (dropped != model.forward(*ids, key=DropoutKey(2))[0]).any()


@pytest.mark.parametrize("tie", ["none", "output", "all"])
def test_tied_tables_are_one_parameter(tie, tiny_model):
    model = tiny_model(tie=tie)
    tables = [
        model.encoder.embedded.embedding.table,
        model.decoder.embedded.embedding.table,
        model.decoder.projection.weight if tie == "none" else model.decoder.projection.table,
    ]
    assert len({id(table) for table in tables}) == {"none": 3, "output": 2, "all": 1}[tie]
    names = [name for name, _ in model.parameters()]
    assert len(names) == len(set(names))
    assert sum("table" in name for name in names) == {"none": 2, "output": 1 + 1, "all": 1}[tie]


def test_a_tied_gradient_is_the_sum_of_its_places(tiny_model, ids):
    """The same numbers untied: what the three tables get separately, the one table gets together."""
    tied, untied = tiny_model(tie="all"), tiny_model(tie="none", target_vocab_size=23)
    own = dict(tied.parameters())
    for name, parameter in untied.parameters():
        if name in own:
            parameter.data[...] = own[name].data
    table = own["encoder.embedded.embedding.table"]
    untied.decoder.embedded.embedding.table.data[:] = table.data
    untied.decoder.projection.weight.data[:] = table.data.T
    untied.decoder.projection.bias.data[:] = 0
    for model in (tied, untied):
        logits, cache = model.forward(*ids)
        loss = SoftmaxCrossEntropy()
        (_, count), loss_cache = loss.forward(logits, ids[1])
        model.backward(loss.backward(1 / count, loss_cache), cache)
    parts = (
        untied.encoder.embedded.embedding.table.grad,
        untied.decoder.embedded.embedding.table.grad,
        untied.decoder.projection.weight.grad.T,
    )
    np.testing.assert_allclose(table.grad, sum(parts), rtol=1e-11, atol=1e-14)
    assert all(np.abs(part).max() > 1e-6 for part in parts)


class OneHead(Layer):
    """An attention of somebody else's, with nothing but the layer protocol."""

    def __init__(self, d_model, num_heads, rng, *, dropout, dtype):
        self.inner = MultiHeadAttention(d_model, 1, rng, dropout=dropout, dtype=dtype)

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        return self.inner.forward(x, memory, key=key, key_mask=key_mask, causal=causal)

    def backward(self, dout, cache):
        return self.inner.backward(dout, cache)


def test_a_replaced_attention_computes_learns_and_decodes(rng, ids):
    config = SoraConfig(source_vocab_size=23, target_vocab_size=23, d_model=8, num_heads=4)
    model = SoraModel(config, rng, layers={"attention": OneHead}, dtype=np.float64)
    source, target = ids
    logits, cache = model.forward(source, target)
    model.backward(rng.normal(size=logits.shape), cache)
    assert all(np.abs(p.grad).max() > 0 for name, p in model.parameters() if "inner.w_v" in name)
    state = model.decoder.start(model.encoder(source), source != 0)
    for t in range(T):
        step, state = model.decoder.step(target[:, t], state)
    np.testing.assert_allclose(step, logits[:, -1], rtol=0, atol=1e-12 * np.abs(logits).max())


class Sharper(MultiHeadAttention):
    """A subclass whose forward is its own, and whose inherited shortcut for decoding is not."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        out, cache = super().forward(x, memory, key=key, key_mask=key_mask, causal=causal)
        return 2 * out, cache


def test_a_subclass_with_a_forward_of_its_own_decodes_with_it(rng, ids):
    config = SoraConfig(source_vocab_size=23, target_vocab_size=23, d_model=8, num_heads=4)
    model = SoraModel(config, rng, layers={"attention": Sharper}, dtype=np.float64)
    source, target = ids
    memory, mask = model.encoder(source), source != 0
    logits, state = model.decoder(target, memory, mask), model.decoder.start(memory, mask)
    for t in range(T):
        step, state = model.decoder.step(target[:, t], state)
        assert np.abs(step - logits[:, t]).max() <= 1e-12 * np.abs(logits).max()
    assert model.replaced == ("attention",)


def test_an_unknown_replacement_is_refused(rng):
    config = SoraConfig(source_vocab_size=9, target_vocab_size=9)
    with pytest.raises(ValueError, match="attention, feed_forward, norm, activation, got atention"):
        SoraModel(config, rng, layers={"atention": OneHead})


def test_the_summary_counts_every_parameter_once(tiny_model):
    model = tiny_model(tie="all")
    assert model.summary().endswith(f"{model.num_parameters():,}")
    assert len(model.summary().splitlines()) == len(list(model.parameters())) + 1


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.full((2, 3), 5), np.full((3, 2), 5), "as many sources as targets are expected, got 2 and 3"),
        (np.full((2, 32), 5), np.full((2, 2), 5), "a sequence of 1 to 31 tokens is expected, got 32"),
        (np.full((2, 0), 5), np.full((2, 2), 5), "a sequence of 1 to 31 tokens is expected, got 0"),
        ([[5, 5]], np.full((1, 2), 5), "as an array of integers, got a list"),
        (np.full((2, 3), 5), np.full((2, 0), 5), "a sequence of 1 to 31 tokens is expected, got 0"),
        (np.full((2, 3), 23), np.full((2, 2), 5), "in 0 .. 22, got 23"),
        (np.full(3, 5), np.full(3, 5), "shape"),
        (np.array([[0, 0], [0, 0]]), np.full((2, 2), 5), "hides everything"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_model, source, target, message):
    with pytest.raises(ValueError, match=message):
        tiny_model().forward(source, target)


def test_masks_that_do_not_fit_are_refused(tiny_model, ids):
    model, hidden = tiny_model(), np.zeros((3, 7), bool)
    with pytest.raises(ValueError, match=r"boolean array \(B, S\) = \(3, 7\), True = may be attended"):
        model.forward(*ids, source_mask=np.ones((3, 6), bool))
    with pytest.raises(ValueError, match="got list"):
        model.forward(*ids, source_mask=[[True] * 7] * 3)
    with pytest.raises(ValueError, match="is it inverted"):
        model.forward(ids[0][2:], ids[1][2:], source_mask=ids[0][2:] == 0)
    with pytest.raises(ValueError, match="is it inverted"):
        model.decoder(ids[1], model.encoder(ids[0]), hidden)


def test_a_decoder_without_memory_is_refused(tiny_model, ids):
    """Without memory, cross-attention would attend to the target itself, its future included."""
    with pytest.raises(ValueError, match="expects memory"):
        tiny_model().decoder(ids[1], None)


def test_a_step_takes_one_token_a_sequence_and_a_mistake_costs_nothing(tiny_model, ids):
    model = tiny_model()
    memory = model.encoder(ids[0])
    state, same = model.decoder.start(memory), model.decoder.start(memory)
    for wrong in (ids[1][:2, 0], ids[1][:, :1]):
        with pytest.raises(ValueError, match="one token for each of 3 sequences is expected"):
            model.decoder.step(wrong, state)
    np.testing.assert_array_equal(model.decoder.step(ids[1][:, 0], state)[0], model.decoder.step(ids[1][:, 0], same)[0])


def test_a_key_is_given_by_name_and_inference_takes_none(tiny_model, ids):
    model = tiny_model(dropout=0.5)
    with pytest.raises(TypeError):
        model.forward(*ids, DropoutKey(1))
    with pytest.raises(TypeError):
        model(*ids, key=DropoutKey(1))
