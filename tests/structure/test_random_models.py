"""What holds for every model, whatever its sizes: the bit-identities of causality, padding and batches, and the cache.

No gradient check can replace these: forward and backward may agree on the wrong function.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora import SoraConfig, SoraModel
from minisora.gradcheck import randomize, structure
from minisora.gradcheck.bug_zoo import CASES, WIRING, planted
from minisora.gradcheck.probe import must_vanish
from minisora.kernels import attention_backward, attention_forward, numpy_attention
from minisora.layers.decoder import Decoder
from minisora.layers.loss import SoftmaxCrossEntropy

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
V = 17
drawn = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@st.composite
def cases(draw):
    """A random model, and ids with padding: (model, source_ids, decoder_ids, rng)."""
    heads = draw(st.sampled_from([1, 2, 3]))
    d_model = heads * draw(st.sampled_from([2, 4, 5]))
    config = SoraConfig(
        source_vocab_size=V, target_vocab_size=V, d_model=d_model, num_heads=heads,
        d_ff=draw(st.sampled_from([3, 7])), num_encoder_layers=draw(st.integers(1, 2)),
        num_decoder_layers=draw(st.integers(1, 2)), max_len=16, norm=draw(st.sampled_from(["pre", "post"])),
        activation=draw(st.sampled_from(["relu", "gelu", "gelu_tanh"])),
        positions=draw(st.sampled_from(["sinusoidal", "learned"])),
        tie=draw(st.sampled_from(["none", "output", "all"])),
        encoder=draw(st.sampled_from(["transformer", "rnn"])), cell=draw(st.sampled_from(["rnn", "gru", "lstm"])),
        bidirectional=d_model % 2 == 0 and draw(st.booleans()), copy=draw(st.booleans()),
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    model = SoraModel(config, rng, dtype=dtype)
    for _, parameter in randomize(model, rng).parameters():
        parameter.data = parameter.data.astype(dtype)
    batch, sources, targets = draw(st.integers(1, 5)), draw(st.integers(1, 11)), draw(st.integers(2, 13))
    source, target = rng.integers(3, V, (batch, sources)), rng.integers(3, V, (batch, targets))
    source[np.arange(sources) >= rng.integers(1, sources + 1, batch)[:, None]] = 0
    source[:, 1:][rng.random((batch, sources - 1)) < draw(st.sampled_from([0, 0.3]))] = 0  # holes in the mask
    return model.use_backend(draw(st.sampled_from(["numpy", "numba"]))), source, target, rng


@drawn
@given(cases())
def test_later_tokens_do_not_change_earlier_logits_by_a_bit(case):
    model, source, target, rng = case
    assert structure.future_leak(model, source, target, int(rng.integers(target.shape[1] - 1))) == 0


@drawn
@given(cases())
def test_padding_does_not_change_the_logits_by_a_bit(case):
    model, source, target, _ = case
    assert structure.padding_leak(model, source, target, source != 0) == 0


@drawn
@given(cases())
def test_neighbours_in_a_batch_do_not_change_the_logits_by_a_bit(case):
    model, source, target, rng = case
    assert structure.batch_leak(model, source, target, rng.permutation(len(source))) == 0


@drawn
@given(cases())
def test_a_batch_of_one_and_the_cache_agree_to_rounding(case):
    model, source, target, _ = case
    tolerance = TOLERANCE[model.decoder.embedded.embedding.table.data.dtype.type]
    assert structure.batch_of_one_gap(model, source, target) < tolerance
    assert structure.cache_gap(model, source, target) < tolerance


@drawn
@given(cases())
def test_a_reordered_state_goes_on_as_if_it_had_begun_so(case):
    model, source, target, rng = case
    tolerance = TOLERANCE[model.decoder.embedded.embedding.table.data.dtype.type]
    rows = rng.integers(0, len(source), len(source))
    scale = np.abs(model(source, target)).max()
    assert structure.reorder_gap(model, source, target, rows) < tolerance * scale


@drawn
@given(cases())
def test_no_parameter_is_walked_twice(case):
    assert structure.repeated_parameters(case[0]) == []


@drawn
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 7), st.booleans())
def test_a_row_that_sees_nothing_is_zero_forward_and_backward(seed, targets, sources, causal):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=(3, 2, length, 5)) for length in (targets, sources, sources))
    key_mask = rng.random((3, sources)) < 0.6
    key_mask[1] = False
    out, cache = attention_forward(q, k, v, key_mask=key_mask, causal=causal)
    dq, dk, dv = attention_backward(rng.normal(size=out.shape), cache)
    visible = numpy_attention.visibility(targets, sources, key_mask, causal, np)
    blind = ~np.broadcast_to(visible, (3, 2, targets, sources)).any(axis=-1)
    for array in (out, dq, dk, dv):
        assert np.isfinite(array).all()
    assert not out[blind].any()
    assert not dq[blind].any()
    hidden = np.broadcast_to(~key_mask[:, None], (3, 2, sources))
    assert not dk[hidden].any()
    assert not dv[hidden].any()


@drawn
@given(cases())
def test_a_memory_that_is_hidden_whole_gives_no_nan_and_gets_no_gradient(case):
    model, source, target, rng = case
    decoder: Decoder = model.decoder.stack
    dtype = model.decoder.embedded.embedding.table.data.dtype
    d_model = model.config.d_model
    x, memory = (rng.normal(size=(*ids.shape, d_model)).astype(dtype) for ids in (target, source))
    mask = source != 0
    mask[0] = False
    out, cache = decoder.forward(x, memory, memory_mask=mask)
    dx, dmemory = decoder.backward(rng.normal(size=out.shape).astype(dtype), cache)
    for array in (out, dx, dmemory, *(parameter.grad for _, parameter in decoder.parameters())):
        assert np.isfinite(array).all()
    assert not dmemory[~mask].any()


@drawn
@given(st.integers(0, 2**32), st.integers(1, 5), st.floats(0, 0.5))
def test_a_batch_of_padding_alone_has_no_loss_and_no_gradient(seed, batch, smoothing):
    logits = np.random.default_rng(seed).normal(size=(batch, 3, V))
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing)
    (total, count), cache = loss.forward(logits, np.zeros((batch, 3), int))
    assert (total, count) == (0, 0)
    assert not loss.backward(1.0, cache).any()


@drawn
@given(cases())
def test_no_gradient_reaches_what_the_logits_cannot_know(case):
    model, source, target, rng = case
    assert structure.gradient_leak(model, source, target, int(rng.integers(target.shape[1] - 1)), rng) == 0


@drawn
@given(cases())
def test_every_parameter_gets_a_gradient(case):
    """Except where all attention sees one key: its weight is 1 whatever the scores. Units of ReLU may be dead.

    A key bias has a gradient of rounding alone, which may be 0.
    """
    model, source, target, rng = case
    if (source != 0).sum(axis=1).max() > 1 and model.config.activation != "relu":
        silent = structure.silent_parameters(model, source, target, rng)
        assert [name for name in silent if not must_vanish(name)] == []


BROKEN_BY = {
    test_later_tokens_do_not_change_earlier_logits_by_a_bit: "layer norm over time too",
    test_padding_does_not_change_the_logits_by_a_bit: "heads cut without a permutation",
    test_neighbours_in_a_batch_do_not_change_the_logits_by_a_bit: "layer norm over the batch too",
    test_a_batch_of_one_and_the_cache_agree_to_rounding: "step forgets the position",
    test_a_reordered_state_goes_on_as_if_it_had_begun_so: "reorder forgets the past",
    test_no_parameter_is_walked_twice: "tied weights updated twice",
    test_a_row_that_sees_nothing_is_zero_forward_and_backward: "minus a billion on a row that sees nothing",
    test_a_memory_that_is_hidden_whole_gives_no_nan_and_gets_no_gradient: "minus infinity on a row that sees nothing",
    test_a_batch_of_padding_alone_has_no_loss_and_no_gradient: "padding has a gradient",
    test_no_gradient_reaches_what_the_logits_cannot_know: "layer norm over time too",
    test_every_parameter_gets_a_gradient: "cross attention looks at the target",
}


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
@pytest.mark.parametrize(("test", "mistake"), BROKEN_BY.items(), ids=lambda value: getattr(value, "__name__", None))
def test_a_mistake_is_seen(test, mistake, monkeypatch):
    monkeypatch.setattr(SoraModel, "use_backend", lambda self, name: self)  # mistakes are planted in NumPy's code
    (case, *_) = (case for case in [*CASES, *WIRING] if case.name == mistake)
    with planted(case), pytest.raises(AssertionError):
        test()


def test_every_property_has_its_mistake():
    tests = {value for value in globals().values() if getattr(value, "is_hypothesis_test", False)}
    assert tests == set(BROKEN_BY)
