"""What decoding keeps: keys and values where the attention says so, vectors otherwise; written in place, reordered."""

import numpy as np
import pytest

from minisora.layers.attention import MultiHeadAttention
from minisora.layers.decoder_state import DecoderState, LayerState, attend, has_shortcut, remember, weigh


class Own(MultiHeadAttention):
    """Another forward: what it inherits of ``remember`` and ``attend`` is not its own."""

    def forward(self, x, memory=None, **options):
        return super().forward(2 * x, memory, **options)


class OwnWhole(Own):
    """With all three."""

    def forward(self, x, memory=None, **options):
        return super().forward(x, memory, **options)

    def remember(self, x):
        return (x if x.ndim == 3 else x[:, None],)

    def attend(self, x, remembered, key_mask=None):
        return self(x.reshape(len(remembered[0]), -1, 6), remembered[0], key_mask=key_mask).reshape(x.shape)


class Half(Own):
    def forward(self, x, memory=None, **options):
        return super().forward(x, memory, **options)

    def remember(self, x):
        return ()


@pytest.mark.parametrize(
    ("kind", "shortcut"), [(MultiHeadAttention, True), (Own, False), (OwnWhole, True), (Half, False)]
)
def test_a_shortcut_belongs_to_the_class_that_has_the_forward(rng, kind, shortcut):
    assert has_shortcut(kind(6, 2, rng)) is shortcut


@pytest.mark.parametrize("kind", [MultiHeadAttention, Own, OwnWhole])
def test_attending_to_what_is_remembered_is_forward(rng, kind):
    attention = kind(6, 2, rng, dtype=np.float64)
    x, memory, key_mask = rng.normal(size=(3, 6)), rng.normal(size=(3, 7, 6)), rng.random((3, 7)) < 0.7
    expected = attention(x[:, None], memory, key_mask=key_mask)[:, 0]
    np.testing.assert_allclose(attend(attention, x, remember(attention, memory), key_mask), expected, rtol=1e-13)
    one = attend(attention, x, remember(attention, x))
    np.testing.assert_allclose(one, attention(x[:, None], x[:, None])[:, 0], rtol=1e-13)


def test_of_another_attention_the_vectors_are_kept(rng):
    attention, x = Own(6, 2, rng, dtype=np.float64), rng.normal(size=(3, 7, 6))
    assert remember(attention, x)[0] is x
    assert remember(attention, x[:, 0])[0].shape == (3, 1, 6)
    keys, values = remember(MultiHeadAttention(6, 2, rng), x)
    assert keys.shape == values.shape == (3, 2, 7, 3)


def test_steps_are_appended_in_place_and_reordered(rng):
    memory = (rng.normal(size=(3, 2, 7, 5)),)
    state = LayerState(memory, 4)
    steps = [rng.normal(size=(3, 2, 1, 5)).astype(np.float32) for _ in range(3)]
    state.extend((steps[0],))
    first = state.past()[0]
    for step in steps[1:]:
        state.extend((step,))
    (past,) = state.past()
    assert past.dtype == np.float32
    assert np.shares_memory(first, past)
    np.testing.assert_array_equal(past, np.concatenate(steps, axis=2))
    assert state.length == 3
    for rows in ([2, 0, 2], [1, 0], [0, 1, 1, 0]):
        expected, memory = past[rows], (memory[0][rows],)
        state.reorder_memory(np.array(rows))
        state.reorder_past(np.array(rows))
        (past,) = state.past()
        np.testing.assert_array_equal(past, expected)
        np.testing.assert_array_equal(state.memory[0], memory[0])
        past = past.copy()
    state.extend((steps[0][[0, 1, 2, 0]],))
    np.testing.assert_array_equal(state.past()[0][..., :3, :], past)


def test_several_sequences_share_the_memory_of_their_source(rng):
    """Three for each of five sources: (0, 1, 2), (3, 4, 5), ...; then those of two of them go on."""
    memory, mask = rng.normal(size=(5, 2, 7, 3)), rng.random((5, 7)) < 0.5
    state = DecoderState([LayerState((memory,), 4)], mask, 4, (memory,))
    state.widen(3)
    assert state.batch == 15
    past = rng.normal(size=(15, 2, 1, 3))
    state.layers[0].extend((past,))
    rows = np.array([3, 5, 3, 12, 13, 14])  # of the sources 1 and 4
    state.reorder(rows)
    assert state.batch == 6
    for got, expected in ((state.layers[0].memory[0], memory), (state.copied[0], memory), (state.memory_mask, mask)):
        np.testing.assert_array_equal(got, expected[[1, 4]])
    np.testing.assert_array_equal(state.layers[0].past()[0], past[rows])


def test_a_state_is_widened_at_its_beginning(rng):
    state = DecoderState([LayerState((rng.normal(size=(3, 7, 5)),), 4)], None, 4)
    state.length = 1
    with pytest.raises(ValueError, match="before its first step, to 1 or more, got 1 tokens and 2"):
        state.widen(2)
    state.length = 0
    with pytest.raises(ValueError, match="to 1 or more, got 0 tokens and 0"):
        state.widen(0)


def test_sequences_that_leave_their_source_are_refused(rng):
    state = DecoderState([LayerState((rng.normal(size=(3, 7, 5)),), 4)], None, 4)
    state.widen(2)
    with pytest.raises(ValueError, match=r"the 2 rows of a source are expected side by side, got \[0, 2\]"):
        state.reorder(np.array([0, 2]))


def test_only_what_moves_is_copied(rng):
    """Room where nothing may be written shows it."""
    state = LayerState((), 4)
    state.extend((rng.normal(size=(5, 2, 1, 3)),))
    whole = state._past[0]

    class Guarded(np.ndarray):
        def __setitem__(self, rows, values):
            written.extend(np.arange(5)[rows].tolist())
            super().__setitem__(rows, values)

    written, expected = [], whole[[0, 1, 1, 3, 2]].copy()
    state._past = (whole.view(Guarded),)
    state.reorder_past(np.array([0, 1, 1, 3, 2]))
    np.testing.assert_array_equal(whole[:, :, 0], expected[:, :, 0])
    assert written == [2, 4]


@pytest.mark.parametrize("kind", [MultiHeadAttention, Own, OwnWhole])
def test_several_queries_attend_to_one_memory(rng, kind):
    attention = kind(6, 2, rng, dtype=np.float64)
    x, memory, key_mask = rng.normal(size=(15, 6)), rng.normal(size=(5, 7, 6)), rng.random((5, 7)) < 0.7
    each, its_mask = np.repeat(memory, 3, axis=0), np.repeat(key_mask, 3, axis=0)
    expected, cache = attention.forward(x[:, None], each, key_mask=its_mask)
    remembered = remember(attention, memory)
    np.testing.assert_allclose(attend(attention, x, remembered, key_mask), expected[:, 0], rtol=1e-12)
    if kind is not OwnWhole:
        np.testing.assert_allclose(
            weigh(attention, x, remembered, key_mask), cache.weights[:, :, 0], rtol=1e-12, atol=1e-15
        )


def test_the_past_alone_is_reordered(rng):
    memory = rng.normal(size=(3, 7, 5))
    state = DecoderState([LayerState((memory,), 4)], None, 4)
    state.reorder_past(np.array([2, 0, 2]))  # before the first step there is none
    state.layers[0].extend((rng.normal(size=(3, 1, 5)),))
    past = state.layers[0].past()[0].copy()
    state.reorder_past(np.array([2, 0, 2]))
    np.testing.assert_array_equal(state.layers[0].past()[0], past[[2, 0, 2]])
    assert state.layers[0].memory[0] is memory


def test_a_step_of_other_arrays_is_refused(rng):
    state = LayerState((), 4)
    state.extend((rng.normal(size=(3, 1, 5)), rng.normal(size=(3, 1, 5))))
    with pytest.raises(ValueError, match="shorter"):
        state.extend((rng.normal(size=(3, 1, 5)),))


def test_the_whole_state_is_reordered(rng):
    layers = [LayerState((rng.normal(size=(3, 7, 5)),), 4) for _ in range(2)]
    memories, mask = [layer.memory[0] for layer in layers], rng.random((3, 7)) < 0.5
    state = DecoderState(layers, mask, 4)
    assert (state.batch, state.length, state.max_len) == (3, 0, 4)
    state.reorder(np.array([1, 1]))
    assert state.batch == 2
    np.testing.assert_array_equal(state.memory_mask, mask[[1, 1]])
    for layer, memory in zip(state.layers, memories, strict=True):
        np.testing.assert_array_equal(layer.memory[0], memory[[1, 1]])


def test_a_state_before_its_first_step_and_without_a_mask_is_reordered(rng):
    memory = rng.normal(size=(3, 7, 5))
    state = DecoderState([LayerState((memory,), 4)], None, 4)
    state.reorder(np.array([2]))
    assert state.memory_mask is None
    np.testing.assert_array_equal(state.layers[0].memory[0], memory[[2]])
