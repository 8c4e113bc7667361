"""Maps of attention and of its gradients."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest

from minisora.kernels import attention_forward, attention_steps
from minisora.layers.attention import MultiHeadAttention
from minisora.plotting import plot_attention, plot_attention_gradients, plot_curves
from minisora.plotting.font import FAMILIES
from minisora.plotting.image import png

B, H, T, S, D_K = 2, 3, 7, 5, 4
SOURCE, TARGET = list("春夏秋冬年"), ["$a_b$", "a\nb", " c ", "龘", "长长的词语", "</script>", '"']


@pytest.fixture
def attention(rng):
    """A cache whose second sequence has two rows that see nothing, and a dout."""
    q, k, v = (rng.normal(size=(B, H, length, D_K)) for length in (T, S, S))
    mask = np.array([[True] * S, [True] * 3 + [False] * 2])
    out, cache = attention_forward(q, k, v, key_mask=mask, causal=True)
    return cache, rng.normal(size=out.shape)


@pytest.fixture(autouse=True)
def settings_stay():
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before


def maps(figure):
    """The panels that show a map, in the order of reading."""
    return [axes for axes in figure.axes if axes.images and axes.get_visible()]


def image(axes):
    return np.ma.getdata(axes.images[0].get_array())


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_one_head_of_a_cache(attention):
    cache, _ = attention
    figure = plot_attention(cache, SOURCE, TARGET, head=2, batch=1)
    (axes,) = maps(figure)
    weights = attention_steps(cache).weights[1, 2]
    np.testing.assert_array_equal(image(axes), weights)
    np.testing.assert_array_equal(axes.images[0].get_array().mask, weights == 0)
    assert labels(axes.xaxis) == SOURCE
    assert labels(axes.yaxis) == ["$a_b$", "a↵b", "␣c␣", "[U+9F98]", "长长的词语", "</script>", '"']
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("head 2", "key", "query")
    assert all(label.get_fontfamily() == FAMILIES for label in axes.get_yticklabels())
    assert len(axes.patches) == 2 and [patch.get_y() for patch in axes.patches] == [-0.5, 0.5]  # rows 0, 1 are blind
    assert len(axes.texts) == np.count_nonzero(weights) and axes.texts[0].get_text() == "1.00"
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_all_heads_of_a_layer_share_their_scale(attention):
    cache, _ = attention
    weights = attention_steps(cache).weights[0]
    figure = plot_attention(weights, SOURCE, TARGET)
    assert [axes.get_title() for axes in maps(figure)] == ["head 0", "head 1", "head 2"]
    for axes, expected in zip(maps(figure), weights, strict=True):
        np.testing.assert_array_equal(image(axes), expected)
        assert axes.images[0].get_clim() == (0, weights.max())
        assert labels(axes.xaxis) == SOURCE
    assert [labels(axes.yaxis) != [] for axes in maps(figure)] == [True, False, False]
    assert len(figure.axes) == 4  # and one bar
    assert png(figure).startswith(b"\x89PNG")


def test_many_heads_take_several_rows(rng):
    weights = rng.dirichlet(np.ones(S), (5, T))
    figure = plot_attention(weights)
    assert [axes.get_subplotspec().rowspan.start for axes in maps(figure)] == [0, 0, 0, 1, 1]
    below = [labels(axes.xaxis) != [] for axes in maps(figure)]
    assert below == [False, False, True, True, True]  # what has nothing below it names the keys


def test_layers_by_heads(rng):
    layers = [MultiHeadAttention(6, 2, rng, dtype=np.float64) for _ in range(3)]
    x, memory = rng.normal(size=(B, T, 6)), rng.normal(size=(B, S, 6))
    caches = [layer.forward(x, memory)[1] for layer in layers]
    figure = plot_attention(caches, batch=1)
    titles = [f"layer {layer}, head {head}" for layer in range(3) for head in range(2)]
    assert [axes.get_title() for axes in maps(figure)] == titles
    np.testing.assert_array_equal(image(maps(figure)[5]), caches[2].weights[1, 1])
    figure = plot_attention(caches, layer=1, head=-1)
    np.testing.assert_array_equal(image(*maps(figure)), caches[1].weights[0, 1])
    assert maps(figure)[0].get_title() == "layer 1, head 1"


def test_a_plain_matrix_and_characters_as_labels():
    (axes,) = maps(plot_attention(np.array([[0.9, 0.1], [0.3, 0.7], [1, 0]]), "天气", "今天好"))
    assert (labels(axes.xaxis), labels(axes.yaxis)) == (["天", "气"], ["今", "天", "好"])
    assert axes.get_title() == "" and [text.get_text() for text in axes.texts] == "0.90 0.10 0.30 0.70 1.00".split()


def test_self_attention_needs_its_labels_once(rng):
    weights = rng.dirichlet(np.ones(3), 3)
    (axes,) = maps(plot_attention(weights, "天地人"))
    assert labels(axes.xaxis) == labels(axes.yaxis) == ["天", "地", "人"]
    (axes,) = maps(plot_attention(weights))
    assert labels(axes.xaxis) == labels(axes.yaxis) == ["0", "1", "2"]


def test_scores_are_drawn_on_both_sides_of_0(attention):
    cache, _ = attention
    scores = attention_steps(cache).scores[1]
    figure = plot_attention(scores, signed=True)
    largest = np.abs(scores[np.isfinite(scores)]).max()
    for axes, expected in zip(maps(figure), scores, strict=True):
        assert axes.images[0].get_clim() == (-largest, largest)
        np.testing.assert_array_equal(axes.images[0].get_array().mask, np.isneginf(expected))
    white = axes.images[0].cmap(axes.images[0].norm(0.0))
    assert min(white[:3]) > 0.95


def test_gradients_beside_the_weights(attention):
    cache, dout = attention
    figure = plot_attention_gradients(cache, dout, SOURCE, TARGET, batch=1)
    steps = attention_steps(cache, dout)
    assert [axes.get_title() for axes in maps(figure)] == [
        f"{name}, head {head}" for name in ("weights", "dweights", "dscores") for head in range(H)
    ]
    hidden = np.isneginf(steps.scores[1])
    for row, name in enumerate(("weights", "dweights", "dscores")):
        for head in range(H):
            axes = maps(figure)[row * H + head]
            seen = np.where(hidden[head], 0, getattr(steps, name)[1])
            np.testing.assert_array_equal(image(axes), seen[head])
            np.testing.assert_array_equal(axes.images[0].get_array().mask, hidden[head])
            assert axes.images[0].get_clim() == (-np.abs(seen).max() if row else 0, np.abs(seen).max())
    assert png(figure).startswith(b"\x89PNG")


def test_gradients_of_one_head_stand_side_by_side(attention):
    figure = plot_attention_gradients(*attention, head=1)
    assert {axes.get_subplotspec().rowspan.start for axes in maps(figure)} == {0}
    assert len(maps(figure)) == 3 and len(figure.axes) == 6  # each with its bar


@pytest.mark.parametrize("length", [30, 200])
def test_labels_do_not_overlap(length):
    text = ("今天天气怎么样？明天会下雨吗，我要不要带伞出门去看电影呢好吧" * 7)[:length]
    figure = plot_attention(np.full((length, length), 1 / length), text)
    figure.canvas.draw()
    (axes,) = maps(figure)
    for axis, side in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
        places = sorted((getattr(box, f"{side}0"), getattr(box, f"{side}1")) for box in boxes)
        inked = 0.8  # a box has room above and below what is drawn
        assert all(b[0] - a[0] >= inked * (a[1] - a[0]) for a, b in pairwise(places)), side
    assert len(boxes) == length if length == 30 else len(boxes) < length


def test_a_cache_of_nothing_but_hidden_keys_is_drawn(rng):
    q, k = rng.normal(size=(2, 1, 1, 3, 2))
    _, cache = attention_forward(q, k, k, key_mask=np.zeros((1, 3), bool))
    assert png(plot_attention(cache)) and png(plot_attention_gradients(cache, q))


@pytest.mark.parametrize(
    "weights, options, message",
    [
        ([], {}, "got an empty list"),
        (np.ones((2, 0)), {}, r"an array of numbers \(T, S\).* got float64 \(2, 0\)"),
        (np.ones(3), {}, r"got float64 \(3,\)"),
        ("text", {}, "an attention cache or an array of numbers .* got "),
        (object(), {}, "got object"),
        ([np.eye(2), np.eye(3)], {}, r"one shape \(H, T, S\), got \[\(1, 2, 2\), \(1, 3, 3\)\]"),
        (np.eye(3), {"head": 1}, "head is expected as an integer below 1, got 1"),
        (np.eye(3), {"layer": "0"}, "layer is expected as an integer below 1, got '0'"),
        (np.full((2, 1, 3, 3), 0.1), {"batch": 2}, "batch is expected as an integer below 2, got 2"),
        (np.eye(3), {"source": "天气"}, "source is expected to have S = 3 tokens, one for each, got 2"),
        (np.eye(3), {"target": ["a"] * 4}, "target is expected to have T = 3 tokens, one for each, got 4"),
        (np.eye(3), {"source": [1, 2, 3]}, "source is expected as a list of str, got int: 1"),
        (-np.eye(3), {}, "from 0 to 1, .* got -1 to -0 .* signed=True"),
        (np.ones((3, 3)), {}, "with a row that sums to 3"),
        (np.full((3, 3), np.nan), {}, "got nan to nan"),
        (np.full((3, 3), np.nan), {"signed": True}, "finite numbers are expected, or -inf .* got NaN or inf"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(weights, options, message):
    with pytest.raises(ValueError, match=message):
        plot_attention(weights, **options)


def test_gradients_need_a_cache_of_attention_itself_and_a_dout_of_its_shape(attention, rng):
    cache, dout = attention
    with pytest.raises(ValueError, match=r"an AttentionCache is expected, .* got ndarray"):
        plot_attention_gradients(dout, dout)
    with pytest.raises(ValueError, match=r"dout \(B, H, T, d_v\) = \(2, 3, 7, 4\), got \(3, 7, 4\)"):
        plot_attention_gradients(cache, dout[0])


@pytest.mark.parametrize("label", ["$", "$x^2$", r"$\frac{$", r"\$", "{", "_a^"])
def test_a_token_is_no_formula(label):
    """As a formula, some of these would be an error, and the others would lose their signs."""
    figure = plot_attention(np.eye(2), [label, "x2"])
    assert png(figure) != png(plot_attention(np.eye(2), ["x2", "x2"]))


def test_chinese_in_curves():
    assert png(plot_curves({"损失": {"学习率 1e-3": [3.0, 2.0, 1.0]}}, 50, "步", "损失 $\\ell$"))
