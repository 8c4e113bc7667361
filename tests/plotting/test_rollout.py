"""Attention rollout of the encoder, and of the decoder with its memory."""

import numpy as np
import pytest

from minisora.plotting import attention_rollout, decoder_rollout, plot_rollout
from minisora.plotting.image import png

H, T, S, LAYERS = 3, 7, 5, 2


def layers(rng, targets, sources, count=LAYERS):
    return list(rng.dirichlet(np.ones(sources), (count, H, targets)))


def test_the_rule_of_the_paper_by_hand():
    first, second = np.array([[[0.5, 0.5], [0, 1]]]), np.array([[[1, 0], [0.2, 0.8]], [[0, 1], [0.6, 0.4]]])
    a_1 = np.array([[0.75, 0.25], [0, 1]])
    a_2 = np.array([[0.75, 0.25], [0.2, 0.8]])  # heads averaged: [[0.5, 0.5], [0.4, 0.6]]
    np.testing.assert_allclose(attention_rollout([first]), a_1)
    np.testing.assert_allclose(attention_rollout([first, first]), a_1 @ a_1)
    np.testing.assert_allclose(attention_rollout([np.concatenate([first, first]), second]), a_2 @ a_1)


def test_rows_sum_to_1_also_where_nothing_is_seen(rng):
    encoder, decoder, cross = layers(rng, S, S), layers(rng, T, T), layers(rng, T, S)
    encoder[1][:, 2] = decoder[0][:, 3] = cross[1][:, 4] = 0
    np.testing.assert_allclose(attention_rollout(encoder).sum(axis=-1), 1)
    np.testing.assert_allclose(attention_rollout([np.zeros((H, S, S))]), np.eye(S))
    source, target = decoder_rollout(encoder, decoder, cross)
    assert source.shape == (T, S) and target.shape == (T, T)
    np.testing.assert_allclose(source.sum(axis=-1) + target.sum(axis=-1), 1)


def test_the_decoder_is_followed_with_one_hot_inputs(rng):
    """Every vector is one-hot at first; layers add what they bring to what is there, and halve."""
    encoder, decoder, cross = layers(rng, S, S), layers(rng, T, T), layers(rng, T, S)
    memory, x = np.eye(S, S + T), np.eye(T, S + T, k=S)
    for weights in encoder:
        memory = (memory + weights.mean(axis=0) @ memory) / 2
    for own, across in zip(decoder, cross, strict=True):
        x = (x + own.mean(axis=0) @ x) / 2
        x = (x + across.mean(axis=0) @ memory) / 2
    source, target = decoder_rollout(encoder, decoder, cross)
    np.testing.assert_allclose(source, x[:, :S])
    np.testing.assert_allclose(target, x[:, S:])


def test_the_caches_of_a_model_and_their_map(tiny_model, rng):
    model = tiny_model()
    ids, read = rng.integers(4, 20, (2, S)), rng.integers(4, 20, (2, T))
    _, cache = model.forward(ids, read)
    encoder = [layer.self_attention for layer in cache.encoder.stack.layers]
    decoder = [layer.self_attention for layer in cache.decoder.stack.layers]
    cross = [layer.cross_attention for layer in cache.decoder.stack.layers]
    source, target = decoder_rollout(encoder, decoder, cross, batch=1)
    assert not np.triu(target, 1).any()
    figure = plot_rollout(encoder, "今天天气好", decoder=decoder, cross=cross, target=list("<日日夜夜雨>"), batch=1)
    axes = figure.axes[0]
    drawn = np.ma.getdata(axes.images[0].get_array())
    np.testing.assert_array_equal(drawn, np.concatenate([source, target], axis=-1))
    assert [label.get_text() for label in axes.get_xticklabels()] == list("今天天气好<日日夜夜雨>")
    assert axes.lines[0].get_xdata() == [S - 0.5, S - 0.5] and png(figure)
    figure = plot_rollout(encoder, "今天天气好")
    np.testing.assert_array_equal(np.ma.getdata(figure.axes[0].images[0].get_array()), attention_rollout(encoder))


def test_what_does_not_fit_is_said_in_one_sentence(rng):
    encoder, decoder, cross = layers(rng, S, S), layers(rng, T, T), layers(rng, T, S)
    for arguments, message in [
        ((encoder[0],), "layers is expected as a list with one for each layer, got ndarray"),
        ((cross,), r"self-attention, weights \(H, T, T\), got \(7, 5\) a head"),
        (([-each for each in encoder],), "attention weights are expected from 0 to 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            attention_rollout(*arguments)
    with pytest.raises(ValueError, match=r"as many layers .* got 2 of \(7, 7\), 1 of \(7, 5\) a head and S = 5"):
        decoder_rollout(encoder, decoder, cross[:1])
    with pytest.raises(ValueError, match=r"with the encoder's S, .* \(7, 7\) a head and S = 5"):
        decoder_rollout(encoder, decoder, decoder)
    with pytest.raises(ValueError, match="decoder and cross are expected together, got one of them"):
        plot_rollout(encoder, cross=cross)
