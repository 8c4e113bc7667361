# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Encoder layer and decoder layer
#
# *45 minutes. Builds on: lessons 06 and 07 (heads, norm, feed-forward). 目标：看清残差、交叉注意力和梯度的去向。*
#
# At the end you will have put an encoder layer together from its parts and taken it apart backwards, seen what becomes
# of a sentence in twelve layers with and without residual connections, seen that the decoder asks and the memory
# answers, and drawn which output depends on which input. A cross-attention that is wired wrongly passes every gradient
# check; the drawing shows it.
#
# Open beside this lesson: `minisora/layers/encoder.py` and `minisora/layers/decoder.py`.
#
# `SoraConfig` holds the sizes of a model (the two vocabularies play no part here). The checks need float64.

# %%
from dataclasses import replace

import numpy as np

from minisora import SoraConfig
from minisora.gradcheck import Probe, check, check_properties, randomize
from minisora.kernels import attention_backward
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.decoder import DecoderLayer
from minisora.layers.encoder import Encoder, EncoderLayer
from minisora.plotting import plot_attention, plot_curves

np.set_printoptions(precision=2, suppress=True)
config = SoraConfig(source_vocab_size=11, target_vocab_size=11, d_model=6, num_heads=2, d_ff=13, dropout=0.0)


def build(kind, config, seed=8, **options):
    """A layer in float64 with random gammas and biases."""
    rng = np.random.default_rng(seed)
    return randomize(kind(config, rng, dtype=np.float64, **options), rng)


# %% [markdown]
# ## Two sub-layers, each added to its input
#
# 编码器层：自注意力和前馈，各自加回到自己的输入上。
#
# $$h = x + \mathrm{attention}(\mathrm{norm}_1(x)), \qquad \mathrm{out} = h + \mathrm{ff}(\mathrm{norm}_2(h))$$
#
# The vector $x$ of a word runs through the layer like a main road. Attention reads a normed copy of it and adds what it
# found; feed-forward reads a normed copy of the sum and adds its own. Attention and feed-forward are the two
# sub-layers; the sum around each is a residual connection. This order is called pre-norm: the norm stands before the
# sub-layer, on the side road. (Dropout, which is off here, is applied to what a sub-layer adds.)

# %%
B, S, D = 2, 5, config.d_model
layer = build(EncoderLayer, config)
x = np.random.default_rng(0).normal(size=(B, S, D))
out, cache = layer.forward(x)
h = x + layer.self_attention(layer.norm_1(x))  # (B, S, D)
np.testing.assert_allclose(out, h + layer.feed_forward(layer.norm_2(h)), rtol=1e-12)
print("the cache holds:", ", ".join(cache._fields))

# %% [markdown]
# Post-norm, the layer of the paper that brought the Transformer ("Attention is all you need", 2017), puts the norm on
# the main road, after each sum:
#
# $$h = \mathrm{norm}_1(x + \mathrm{attention}(x)), \qquad \mathrm{out} = \mathrm{norm}_2(h + \mathrm{ff}(h))$$

# %%
post = build(EncoderLayer, replace(config, norm="post"))
h_post = post.norm_1(x + post.self_attention(x))
np.testing.assert_allclose(post(x), post.norm_2(h_post + post.feed_forward(h_post)), rtol=1e-12)

# %% [markdown]
# ## Backward: at a sum the gradient goes both ways
#
# 反向：遇到加法，梯度原样走两边，最后再相加。
#
# Call the side road $F(h) = \mathrm{ff}(\mathrm{norm}_2(h))$. In $\mathrm{out} = h + F(h)$ every $h_j$ reaches the
# output twice, directly and through $F$. Think of all numbers of a sequence as one long column, and let $J_F$ be the
# Jacobian of $F$, $(J_F)_{ij} = \partial F_i / \partial h_j$. Then
#
# $$dh = \mathrm{dout} + J_F^\top\,\mathrm{dout}$$
#
# The first term needs no computation. The second one is `backward` of the two parts of the side road, last to first; no
# Jacobian is built. The names are those of `EncoderLayer._backward_pre`, where dropout has steps of its own.

# %%
dout = np.random.default_rng(1).normal(size=out.shape)
dnormed = layer.feed_forward.backward(dout, cache.feed_forward)
dh = dout + layer.norm_2.backward(dnormed, cache.norm_2)
dnormed = layer.self_attention.backward(dh, cache.self_attention)
dx = dh + layer.norm_1.backward(dnormed, cache.norm_1)
np.testing.assert_allclose(layer.backward(dout, cache), dx, rtol=1e-12)

# %% [markdown]
# ## Four roads to x
#
# 两个残差连接，四条路：直接、经前馈、经注意力、两者都经过。
#
# Two sums give $2 \times 2$ roads, and the gradient of $x$ is the sum over all of them:
#
# $$dx = (I + J_A^\top)(I + J_F^\top)\,\mathrm{dout} = \mathrm{dout} + J_F^\top\mathrm{dout} + J_A^\top\mathrm{dout}
# + J_A^\top J_F^\top \mathrm{dout}$$
#
# with $J_A$ for the other side road, $A(x) = \mathrm{attention}(\mathrm{norm}_1(x))$. Backward is linear in the
# gradient that arrives, so each road can be walked alone. Below are the length of each share and its six numbers for
# the first word of the first sequence; these add up. (Each walk also adds to the parameters' gradients, which we leave
# alone.)


# %%
def through_feed_forward(d):
    """J_F^T d."""
    return layer.norm_2.backward(layer.feed_forward.backward(d, cache.feed_forward), cache.norm_2)


def through_attention(d):
    """J_A^T d."""
    return layer.norm_1.backward(layer.self_attention.backward(d, cache.self_attention), cache.norm_1)


roads = {"straight": dout, "feed-forward": through_feed_forward(dout), "attention": through_attention(dout)}
roads["both"] = through_attention(roads["feed-forward"])
for name, share in {**roads, "sum, dx": dx}.items():
    print(f"{name:13} length {np.linalg.norm(share):6.2f}   {share[0, 0]}")
np.testing.assert_allclose(sum(roads.values()), dx, rtol=1e-12)

# %% [markdown]
# ## Twelve layers deep
#
# 十二层：没有残差，几层之后所有的字都变成同一个向量；有了残差，每个字仍是自己。
#
# What are the sums good for? We take twelve layers as they are before training and send three sentences, of seven
# random vectors each, through them: once pre-norm, once post-norm, once with the parts of pre-norm, in its order, but
# without the sums. All three have the same parameters.


# %%
class Bare:
    """An encoder layer without its two sums."""

    def __init__(self, layer):
        self.parts = [layer.norm_1, layer.self_attention, layer.norm_2, layer.feed_forward]

    def forward(self, x):
        """Pass x (B, S, D) through the four parts."""
        caches = []
        for part in self.parts:
            x, cache = part.forward(x)
            caches.append(cache)
        return x, caches

    def backward(self, dout, caches):
        """Pass dout back through the four parts."""
        for part, cache in zip(reversed(self.parts), reversed(caches), strict=True):
            dout = part.backward(dout, cache)
        return dout


# %% [markdown]
# Two measures, after each layer. On the way up: how much the seven vectors differ from their mean, as a share of their
# length (0: all seven are the same). On the way down, for a random gradient of length 1 at the top: the same share, and
# the length. Down, layers are counted from the top.


# %%
def difference(x):
    """How much the vectors x (B, S, D) differ from the mean of their sentence, as a share of their length."""
    return np.linalg.norm(x - x.mean(axis=1, keepdims=True)) / np.linalg.norm(x)


def up_and_down(layers, x):
    """Differences after each layer, differences of the gradients below each from the top down, their lengths."""
    up, down, lengths, caches = [], [], [], []
    for one in layers:
        x, cache = one.forward(x)
        caches.append(cache)
        up.append(difference(x))
    d = np.random.default_rng(2).normal(size=x.shape)
    d /= np.linalg.norm(d)
    for one, cache in zip(reversed(layers), reversed(caches), strict=True):
        d = one.backward(d, cache)
        down.append(difference(d))
        lengths.append(np.linalg.norm(d))
    return up, down, lengths


deep = replace(config, d_model=32, num_heads=4, d_ff=64, num_encoder_layers=12)
pre12 = Encoder(deep, np.random.default_rng(3), dtype=np.float64).layers
post12 = Encoder(replace(deep, norm="post"), np.random.default_rng(3), dtype=np.float64).layers

# %%
stacks = {"pre-norm": pre12, "post-norm": post12, "no residual": [Bare(one) for one in pre12]}
sentences = np.random.default_rng(4).normal(size=(3, 7, 32))
found = {name: up_and_down(layers, sentences) for name, layers in stacks.items()}
passed = (1, 2, 3, 4, 5, 8, 12)
print("layers passed           ", *(f"{count:7}" for count in passed))
for which, measure in enumerate(("differ, up", "differ, down", "length, down")):
    for name, of in found.items():
        print(f"{measure:12} {name:11}", *(f"{of[which][count - 1]:7.1e}" for count in passed))
assert found["no residual"][0][-1] < 1e-12 < 0.1 < found["pre-norm"][0][-1]

# %%
panels = {"up: how much the words differ": 0, "down: how much their gradients differ": 1}
curves = {title: {name: of[which] for name, of in found.items()} for title, which in panels.items()}
plot_curves(curves, 1, "layers passed", "share")

# %% [markdown]
# Attention forms averages. Without the straight road, an average of averages is all that is left. After four layers
# the seven words differ by 2e-9 of their length: each layer about cubes the difference that remains [1]. From the fifth
# on, only the rounding of float64 is left. The gradient is not short, since each norm brings it back to size, but the
# first layer from the top already gives the same one to every word. The lowest layers, in which the words still differ,
# make it differ again; what each word at the top asked for is lost by then. With residual connections a word stays
# itself, and what attention found is added to it.
#
# In post-norm, every norm on the main road scales the word's own share down with the rest: the words come closer to
# each other from layer to layer, and four layers down the gradient has lost more than two thirds of its length. In
# pre-norm nothing stands on the road but sums: the gradient arrives whole, with what the layers added. That is one
# reason why deep pre-norm models are easier to train [2], and why `norm="pre"` is minisora's default.
#
# [1] Dong, Cordonnier, Loukas, "Attention is not all you need: pure attention loses rank doubly exponentially with
# depth", 2021. [2] Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020.

# %% [markdown]
# ## The decoder layer: three sub-layers
#
# 解码器层：因果自注意力、交叉注意力、前馈。
#
# $$x_1 = x + \mathrm{self}(\mathrm{norm}_1(x)), \qquad
# x_2 = x_1 + \mathrm{cross}(\mathrm{norm}_2(x_1),\,\mathrm{memory}), \qquad
# \mathrm{out} = x_2 + \mathrm{ff}(\mathrm{norm}_3(x_2))$$
#
# Memory is what the encoder returned for the source, (B, S, D); here it is random. The self-attention is causal:
# position $t$ sees the positions up to $t$. Sizes: $T = 3$ target tokens, $S = 5$ source tokens. They differ on
# purpose.

# %%
T = 3
decoder = build(DecoderLayer, config)
x, memory = np.random.default_rng(5).normal(size=(B, T, D)), np.random.default_rng(6).normal(size=(B, S, D))
out, cache = decoder.forward(x, memory)
x1 = x + decoder.self_attention(decoder.norm_1(x), causal=True)  # (B, T, D)
x2 = x1 + decoder.cross_attention(decoder.norm_2(x1), memory)
np.testing.assert_allclose(out, x2 + decoder.feed_forward(decoder.norm_3(x2)), rtol=1e-12)
print("self  weights", cache.self_attention.weights.shape, "(B, H, T, T)")
print("cross weights", cache.cross_attention.weights.shape, "(B, H, T, S)")

# %% [markdown]
# ## The decoder asks, the memory answers
#
# 交叉注意力：Q 来自解码器，K 和 V 来自编码器的输出（memory）。
#
# $$q = \mathrm{norm}_2(x_1)\,W_q, \qquad k = \mathrm{memory}\;W_k, \qquad v = \mathrm{memory}\;W_v$$
#
# A question is made of what the decoder has written so far; what it is compared with, and what is brought back, is made
# of the source. The cache of each projection keeps its input, so this can be read off. In the map (of the first
# sequence) a row is one question, from $x_t$, and its weights say how much of each $m_s$, a vector of the memory, it
# brings back.

# %%
cross = cache.cross_attention
np.testing.assert_allclose(cross.w_q.x, decoder.norm_2(x1), rtol=1e-12)
assert cross.w_k.x is memory and cross.w_v.x is memory
print("q      ", cross.attention.q.shape, "(B, H, T, d_k)")
print("k and v", cross.attention.k.shape, "(B, H, S, d_k)")
plot_attention(cross, [f"m{s}" for s in range(S)], [f"x{t}" for t in range(T)])

# %% [markdown]
# ## Who can know what
#
# 谁能知道什么：每个输出依赖哪些输入？用梯度来问。
#
# If output $t$ depends on input $s$, a gradient that enters at output $t$ alone arrives at input $s$. So one backward
# pass for each $t$ shows the whole wiring: rows are outputs, columns inputs, first $x$, then memory. A number is the
# length of the gradient there, as a share of the sum of its row, and grey is exactly 0.


# %%
def wiring(layer, x, memory):
    """The length of the gradient from each output (row) to each of the vectors of x, then of memory: (T, T + S)."""
    out, cache = layer.forward(x, memory)
    d, rows = np.random.default_rng(7).normal(size=out.shape), []
    for t in range(x.shape[1]):
        dout = np.zeros_like(d)
        dout[:, t] = d[:, t]
        dx, dmemory = layer.backward(dout, cache)
        rows.append([np.linalg.norm(v) for v in [*dx.swapaxes(0, 1), *dmemory.swapaxes(0, 1)]])
    return np.array(rows)


def draw_wiring(found):
    """Draw what `wiring` found, each row as shares of its sum."""
    length, width = found.shape
    inputs = [f"x{s}" for s in range(length)] + [f"m{s}" for s in range(width - length)]
    shares = found / found.sum(axis=1, keepdims=True)
    figure = plot_attention(shares, inputs, [f"out{t}" for t in range(length)])
    figure.axes[0].set_xlabel("input")
    figure.axes[0].set_ylabel("output")
    return figure


# %%
found = wiring(decoder, x, memory)
assert (found[:, :T][np.triu_indices(T, 1)] == 0).all()  # no output depends on a later input
assert (found[:, T:] > 0).all()  # and each one on all of the memory
draw_wiring(found)

# %% [markdown]
# A triangle, and beside it a full block. The diagonal is the strongest: the straight road.

# %% [markdown]
# ## A wrong wire that every gradient check passes
#
# 接错线：Q 与 K、V 对调，梯度检查全部通过，却偷看了未来。
#
# Here the memory asks and the decoder answers. Backward follows forward, so the gradients are right. Where the target
# is as long as the source, nothing fails. (`layers=` puts a class of ours in the place of the standard one, and
# `entries=40` checks at most 40 numbers of each tensor.)


# %%
class Exchanged(MultiHeadAttention):
    """The mistake: in cross-attention the memory asks."""

    def forward(self, x, memory=None, *, key_mask=None, **options):
        """Attend from memory to x."""
        if memory is None:
            return super().forward(x, key_mask=key_mask, **options)
        return super().forward(memory, x, **options)  # key_mask is left out: it hides memory, which is no key here

    def backward(self, dout, cache):
        """Return (dx, dmemory), which are the gradients of what answers and of what asks."""
        gradients = super().backward(dout, cache)
        return gradients[::-1] if cache.is_cross else gradients


wrong = build(DecoderLayer, config, layers={"attention": Exchanged})
x5 = np.random.default_rng(9).normal(size=(B, S, D))  # T = S = 5
result = check(Probe(wrong, {"x": x5, "memory": memory}), entries=40)
print(result.passed, f"{result.largest_relative_error:.1e}")
assert result.passed

# %% [markdown]
# The wiring shows it. Output $t$ now depends on every $x$, also on those that come later. In training $x$ is made
# from the right answer, and output $t$ should predict the token at $t + 1$: the decoder reads what it should predict.
# So the loss falls fast (lesson 15 draws it), but when the decoder writes alone, there is no answer to read. And of the
# memory, output $t$ sees position $t$ only.

# %%
found = wiring(wrong, x5, memory)
assert (found[:, :S] > 0).all()  # the future
assert (found[:, S:][~np.eye(S, dtype=bool)] == 0).all()  # of the memory, position t alone
draw_wiring(found)

# %% [markdown]
# The property *causal* (lesson 6) finds it, too. And this is why sizes in tests are unequal: with $T \neq S$ the
# mistake cannot even run.

# %%
(causal,) = check_properties(["causal"], layers={"attention": Exchanged})
print(causal)
assert not causal.passed
try:
    wrong.forward(x, memory)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## The road of dmemory
#
# memory 的梯度只有两条路：经过 K，经过 V；没有残差。
#
# Nothing adds the memory to the decoder's vectors: it enters through $W_k$ and $W_v$ alone. With `dq`, `dk`, `dv` from
# attention's backward (lesson 04):
#
# $$d\mathrm{memory} = dk\,W_k^\top + dv\,W_v^\top, \qquad d\mathrm{normed} = dq\,W_q^\top$$
#
# The first one goes to the encoder, the second back into the decoder. We walk from `dout` to there by hand; `split` and
# `merge` are those of lesson 6. The lengths of the two shares do not add up to that of their sum, since their
# directions differ.

# %%
dout = np.random.default_rng(10).normal(size=out.shape)
dx, dmemory = decoder.backward(dout, cache)

attend = decoder.cross_attention
dnormed = decoder.feed_forward.backward(dout, cache.feed_forward)
dx2 = dout + decoder.norm_3.backward(dnormed, cache.norm_3)
dheads = attend.split(dx2 @ attend.w_o.weight.data.T)  # (B, H, T, d_k)
dq, dk, dv = attention_backward(dheads, cross.attention)
from_keys = attend.merge(dk) @ attend.w_k.weight.data.T  # (B, S, D)
from_values = attend.merge(dv) @ attend.w_v.weight.data.T
np.testing.assert_allclose(from_keys + from_values, dmemory, rtol=1e-11, atol=1e-14)
print(f"dmemory has length {np.linalg.norm(dmemory):.2f}: "
      f"keys {np.linalg.norm(from_keys):.2f}, values {np.linalg.norm(from_values):.2f}")  # fmt: skip

# %% [markdown]
# Through the values a source word learns *what* to say when it is looked at; through the keys, *when* to be looked at.
# Source words that `memory_mask` hides (False) learn neither: their rows of `dmemory` are exactly 0.

# %%
memory_mask = np.array([[True] * 5, [True, True, True, False, False]])
_, masked = decoder.forward(x, memory, memory_mask=memory_mask)
_, dmemory = decoder.backward(dout, masked)
print("length of each row of dmemory", np.linalg.norm(dmemory, axis=-1), sep="\n")  # (B, S)
assert (dmemory[~memory_mask] == 0).all() and (dmemory[memory_mask] != 0).any(axis=-1).all()

# %% [markdown]
# ## The rest of the way, and the check
#
# 剩下的路：回到 x；最后整层与数值差分比较。
#
# From `dnormed` to `dx` all is as in the encoder layer: at each of the two sums that are left, the straight road is
# added. Then the whole layer, with a mask on the memory, is compared with differences (the columns are those of
# lesson 4).

# %%
dnormed, _ = attend.backward(dx2, cross)
np.testing.assert_allclose(dnormed, attend.merge(dq) @ attend.w_q.weight.data.T, rtol=1e-11, atol=1e-14)
dx1 = dx2 + decoder.norm_2.backward(dnormed, cache.norm_2)
dnormed = decoder.self_attention.backward(dx1, cache.self_attention)
np.testing.assert_allclose(dx1 + decoder.norm_1.backward(dnormed, cache.norm_1), dx, rtol=1e-11, atol=1e-14)

result = check(Probe(decoder, {"x": x, "memory": memory}, masks={"memory_mask": memory_mask}), entries=20)
print(result)
assert result.passed

# %% [markdown]
# Look at the two rows `w_k.bias`: their gradients are 0 up to rounding. A bias of the keys moves all scores of a row by
# the same amount, and softmax does not see that. Cosine and scale compare rounding errors there, and mean nothing.

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Walk back through the post-norm layer `post` above by hand: from `out, cache = post.forward(x)` and a random `dout`
#    of the shape of `out` to `dx`, through two norms and two sub-layers, with the names in the cache.
#    `np.testing.assert_allclose(dx, post.backward(dout, cache), rtol=1e-12)` says when it is right.
# 2. Write `class Forgetful(EncoderLayer)` with a method `_backward_pre(self, dout, cache)` that does what the first
#    cell under "Backward" does, but forgets the `dout +`. Run
#    `print(check(Probe(build(Forgetful, config), {"x": x})))`: what is the first wrong step (the last line names it),
#    which gradients are still right, and why? Then forget the `dh +` instead.
# 3. A parallel layer computes out = x + attention(norm(x)) + ff(norm(x)) with one norm for both. Write it as
#    `class Parallel(Layer)` with `__init__(self, config, rng, *, dtype)`, which makes `self_attention`, `feed_forward`
#    and `norm`, with `forward(self, x, *, key=None)` and its backward. (`Layer` is in `minisora/layers/layer.py`;
#    lessons 6 and 7 import and make the other three.) It is right when
#    `check(Probe(build(Parallel, config), {"x": x})).passed`.
