"""The entropy of attention's rows, and its maps."""

import numpy as np
import pytest

from minisora.kernels import attention_forward, attention_steps
from minisora.plotting import attention_entropy, plot_entropy
from minisora.plotting.image import png

B, H, T, S = 2, 3, 7, 5


def test_one_key_has_entropy_0_and_n_alike_log_n():
    weights = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0, 0, 0.5], [0, 0, 0, 0]])
    np.testing.assert_allclose(attention_entropy(weights), [0, np.log(4), np.log(2), 0], atol=1e-15)
    assert not np.signbit(attention_entropy(weights)).any()


@pytest.fixture
def cache(rng):
    """Whose second sequence has two queries that see nothing."""
    q, k = rng.normal(size=(B, H, T, 4)), rng.normal(size=(B, H, S, 4))
    return attention_forward(q, k, k, key_mask=np.array([[True] * S] * B), causal=True)[1]


def test_the_entropy_of_a_cache_is_that_of_its_weights(cache):
    entropy = attention_entropy(cache)
    assert entropy.shape == (B, H, T)
    row = attention_steps(cache).weights[1, 2, 6]
    np.testing.assert_allclose(entropy[1, 2, 6], -sum(w * np.log(w) for w in row))


def test_a_layer_is_drawn_by_head_and_query(cache):
    figure = plot_entropy(cache, list("今天天气怎么样"), batch=1)
    axes = figure.axes[0]
    np.testing.assert_array_equal(np.ma.getdata(axes.images[0].get_array()), attention_entropy(cache)[1])
    assert axes.images[0].get_array().mask.all(axis=0).tolist() == [True, True] + [False] * 5  # these see nothing
    assert [label.get_text() for label in axes.get_xticklabels()] == list("今天天气怎么样")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("query", "head") and png(figure)


def test_of_several_layers_the_means_over_what_sees_anything_are_drawn(cache, rng):
    other = rng.dirichlet(np.ones(S), (H, T))
    figure = plot_entropy([attention_steps(cache).weights[0], other])
    axes = figure.axes[0]
    expected = [attention_entropy(cache)[0, :, 2:].mean(axis=-1), attention_entropy(other).mean(axis=-1)]
    np.testing.assert_allclose(np.ma.getdata(axes.images[0].get_array()), expected)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("head", "layer") and png(figure)


def test_what_does_not_fit_is_said_in_one_sentence(cache):
    with pytest.raises(ValueError, match=r"weights \(..., T, S\) are expected, got float64 \(3,\)"):
        attention_entropy(np.ones(3))
    with pytest.raises(ValueError, match="attention weights are expected from 0 to 1"):
        attention_entropy(np.full((2, 2), -1.0))
    with pytest.raises(ValueError, match="target is expected to have T = 7 tokens, one for each, got 2"):
        plot_entropy(cache, "天气")
