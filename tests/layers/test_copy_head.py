"""The copy head: by hand, against its formula written out word by word, and what hidden places may not do."""

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel
from minisora.gradcheck import Probe, check, randomize
from minisora.layers.copy_head import CopyHead, copy_backward, copy_forward, log_add

B, T, S, V, D = 3, 5, 7, 11, 6


def drawn(rng, dtype=np.float64):
    """Logits, scores, ids of which some repeat, and a mask that hides some places, in the last row all."""
    logits, scores = (rng.normal(0, 2, size).astype(dtype) for size in ((B, T, V), (B, T, S)))
    visible = rng.random((B, S)) < 0.7
    visible[0], visible[-1] = True, False
    return logits, scores, rng.integers(3, 7, (B, S)), visible


def written_out(logits, scores, source_ids, visible):
    """Gu et al. 2016, eq. (4) to (8), one token after the other: the logarithm of what stands above Z."""
    out = np.empty(logits.shape)
    for b, t, w in np.ndindex(logits.shape):
        total = np.exp(np.float64(logits[b, t, w]))
        for s in range(source_ids.shape[1]):
            if visible[b, s] and source_ids[b, s] == w:
                total += np.exp(np.float64(scores[b, t, s]))
        out[b, t, w] = np.log(total)
    return out


def test_a_token_that_stands_twice_by_hand():
    """exp(logits) = (1, 2, 4), exp(scores) = (3, 5, 7) at the tokens 1, 0, 1: 1 + 5, 2 + 3 + 7, 4."""
    logits, scores = np.log([[[1.0, 2.0, 4.0]]]), np.log([[[3.0, 5.0, 7.0]]])
    source_ids, visible = np.array([[1, 0, 1]]), np.ones((1, 3), bool)
    out, cache = copy_forward(logits, scores, source_ids, visible)
    np.testing.assert_allclose(np.exp(out), [[[6.0, 12.0, 4.0]]], rtol=1e-15)
    dlogits, dscores = copy_backward(np.array([[[1.0, 2.0, 3.0]]]), cache)
    np.testing.assert_allclose(dlogits, [[[1 / 6, 4 / 12, 3.0]]], rtol=1e-14)
    np.testing.assert_allclose(dscores, [[[6 / 12, 5 / 6, 14 / 12]]], rtol=1e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_the_formula_written_out(rng, dtype, tolerance):
    case = drawn(rng, dtype)
    out, _ = copy_forward(*case)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, written_out(*case), rtol=0, atol=tolerance * np.abs(out).max())
    np.testing.assert_array_equal(out[-1], case[0][-1])  # nothing to copy


def test_the_inputs_stay_as_they_are(rng):
    case = drawn(rng)
    before = [array.copy() for array in case]
    _, cache = copy_forward(*case)
    copy_backward(rng.normal(size=(B, T, V)), cache)
    for array, old in zip(case, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_what_a_hidden_place_holds_changes_no_bit(rng):
    logits, scores, source_ids, visible = drawn(rng, np.float32)
    out, _ = copy_forward(logits, scores, source_ids, visible)
    for value in (-1e30, 1e30):
        changed = np.where(visible[:, None], scores, np.float32(value))
        np.testing.assert_array_equal(copy_forward(logits, changed, source_ids, visible)[0], out)
    for token in range(V):
        np.testing.assert_array_equal(
            copy_forward(logits, scores, np.where(visible, source_ids, token), visible)[0], out
        )


def test_scores_far_apart_overflow_nowhere(rng):
    logits, scores, source_ids, visible = drawn(rng)
    logits[0, 0] = -3000.0
    scores[0, 1], scores[0, 2], scores[1, :, 0] = -2000.0, 2000.0, 1000.0
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        out, cache = copy_forward(logits, scores, source_ids, visible)
        gradients = copy_backward(np.ones(out.shape), cache)
    assert np.isfinite(out).all()
    assert all((gradient >= 0).all() and (gradient <= 1).all() for gradient in gradients)
    np.testing.assert_allclose(
        out[0, 2, source_ids[0]], 2000 + np.log((source_ids[0][:, None] == source_ids[0]).sum(1))
    )


def test_log_add(rng):
    a, b = rng.normal(0, 20, (2, 50))
    np.testing.assert_allclose(log_add(a, b), np.logaddexp(a, b), rtol=1e-14)


def test_places_of_one_token_that_are_counted_once_are_found(rng):
    """A wrong backward that the check must catch: of a token's places only the first gets its gradient."""

    class FirstPlaceOnly(CopyHead):
        def backward(self, dout, cache):
            ids = cache.copy.source_ids
            again = np.array([[token in row[:s] for s, token in enumerate(row)] for row in ids.tolist()])
            copied = np.where(again[:, None], 0, cache.copy.copied)
            return super().backward(dout, cache._replace(copy=cache.copy._replace(copied=copied)))

    logits, _, source_ids, visible = drawn(rng)
    inputs = {"logits": logits, "x": rng.normal(size=(B, T, D)), "memory": rng.normal(size=(B, S, D))}
    inputs["source_ids"] = source_ids
    for kind, passes in ((CopyHead, True), (FirstPlaceOnly, False)):
        layer = randomize(kind(D, np.random.default_rng(1), dtype=np.float64), rng)
        assert check(Probe(layer, inputs, masks={"memory_mask": visible})).passed is passes


def model_and_ids(rng, **changes):
    config = SoraConfig(source_vocab_size=V, target_vocab_size=V, d_model=D, num_heads=2, d_ff=13, copy=True, **changes)
    return SoraModel(config, rng, dtype=np.float64), rng.integers(3, V, (B, S)), rng.integers(3, V, (B, T))


def test_the_model_s_logits_are_the_formula_s(rng):
    """The whole model beside the same one without copying: what differs is the formula, and nothing else."""
    model, source, target = model_and_ids(rng)
    source[1, 4:] = 0
    head, model.decoder.copy = model.decoder.copy, None
    memory = model.encoder(source)
    plain, cache = model.decoder.forward(target, memory, source != 0)
    model.decoder.copy = head
    scores = head.w_q(cache.projection.x) @ head.w_k(memory).swapaxes(1, 2) / np.sqrt(D)
    expected = written_out(plain, scores, source, source != 0)
    np.testing.assert_allclose(model(source, target), expected, rtol=1e-12)


@pytest.mark.parametrize("of", ["forward", "start"])
def test_a_decoder_that_copies_asks_for_the_source(rng, of):
    model, source, target = model_and_ids(rng)
    memory = model.encoder(source)
    with pytest.raises(ValueError, match="expects source_ids, the tokens"):
        model.decoder(target, memory) if of == "forward" else model.decoder.start(memory)
    with pytest.raises(ValueError, match=r"of shape \(3, 7\), got \(3, 6\)"):
        if of == "forward":
            model.decoder(target, memory, source_ids=source[:, 1:])
        else:
            model.decoder.start(memory, source_ids=source[:, 1:])


def test_two_vocabularies_cannot_be_copied_between():
    with pytest.raises(ValueError, match="copy=True needs one vocabulary for source and target, got sizes 11 and 13"):
        SoraConfig(source_vocab_size=11, target_vocab_size=13, copy=True)
