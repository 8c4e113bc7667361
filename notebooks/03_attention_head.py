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
# # One attention head by hand
#
# *25 minutes. Builds on: lesson 1. 目标：用三个词，把一个注意力头的每个数都亲手算一遍。*
#
# Attention is three lines of arithmetic: scores, softmax, weighted sum. We do them for three words, with numbers small
# enough for paper. At the end you have every intermediate value of one head, the same values from minisora's kernels
# (its functions on arrays, without parameters), and the same three lines found again inside a trained model.

# %%
import math

import numpy as np

np.set_printoptions(precision=3, suppress=True, linewidth=110)

words = ["今天", "天气", "晴朗"]  # today, weather, sunny
x = np.array(
    [
        #  time thing quality pleasant
        [2.0, 0.0, 0.0, 0.0],
        [0.0, 2.0, 0.0, 0.0],
        [0.0, 0.0, 2.0, 1.0],
    ]
)  # (T, D), D = 4
T, D = x.shape
S = T

# %% [markdown]
# In a model nobody knows what a column stands for. Here we choose it: how much of a time, a thing, a quality, something
# pleasant a word is. There are two letters for the number of words: $T$ ask, $S$ are looked at. Here these are the same
# three; in lesson 8 the words of an answer look at those of a question.
#
# ## Query, key, value
#
# 查询、键、值：每个词问什么、拿什么给人认、交出什么。
#
# Each word is multiplied by three matrices. Its **query** says what it looks for, its **key** by what it can be found,
# its **value** what it hands over when it is found.
#
# $$Q = X W_q, \qquad K = X W_k, \qquad V = X W_v$$
#
# A query and a key have the same number of entries, $d_k$, for they will be compared; a value has $d_v$.
#
# Training finds such matrices; ours are made up. $W_q$, row by row: a time looks for a thing, a thing for a quality, a
# quality for a thing, and what is pleasant for a time. $W_k$ is the identity: a word is found by what it is. $W_v$ maps
# to two numbers only, so that we can draw them.

# %%
W_q = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])  # (D, d_k)
W_k = np.eye(4)  # (D, d_k)
W_v = np.array([[0.0, 1], [1, 0], [2, 2], [0, -1]])  # (D, d_v)

q, k, v = x @ W_q, x @ W_k, x @ W_v  # (T, d_k), (S, d_k), (S, d_v)
d_k = q.shape[1]
for word, *rows in zip(words, q, k, v):
    print(word, "asks", rows[0], " is found by", rows[1], " hands over", rows[2])

# %% [markdown]
# ## Scores
#
# 分数：每个查询与每个键的点积，再除以 $\sqrt{d_k}$。
#
# How well does a key answer a query? By their dot product, divided by the root of the number of their entries:
#
# $$\text{scores}_{ts} = \frac{q_t \cdot k_s}{\sqrt{d_k}} = \frac{1}{\sqrt{d_k}} \sum_{i} q_{ti}\, k_{si}$$
#
# Row $t$ belongs to the word that asks, column $s$ to the word that is looked at, both in the order of `words`. 天气
# looks for a quality and finds it in 晴朗:

# %%
scale = 1 / math.sqrt(d_k)
terms = [q[1, i] * k[2, i] for i in range(d_k)]
print(" + ".join(f"{a:g}*{b:g}" for a, b in zip(q[1], k[2])), "=", sum(terms), " times", scale, "=", scale * sum(terms))

scores = scale * q @ k.T  # (T, S)
print(scores)
np.testing.assert_allclose(scores[1, 2], scale * sum(terms))

# %% [markdown]
# ## Why the root of d_k
#
# 为什么要除：维数越大，点积越散，softmax 就越尖。
#
# Let the numbers in $q$ and $k$ be independent, of mean 0 and variance 1. Each product $q_i k_i$ then has variance 1,
# and the sum of $d_k$ of them has variance $d_k$: its size (standard deviation) is $\sqrt{d_k}$. The next step,
# softmax, makes weights of sum 1 from a row of scores, by exponentials. With scores of size 30, nearly all weight falls
# on one key before anything is learnt, and hardly a gradient comes back (lesson 4). Divided by $\sqrt{d_k}$, the scores
# have variance 1 at any width. For random queries and 16 random keys, the mean of each row's largest weight:

# %%
from minisora.kernels.numpy_attention import softmax_forward

rng = np.random.default_rng(0)
for width in (4, 64, 1024):
    products = rng.normal(size=(500, width)) @ rng.normal(size=(16, width)).T  # 500 queries, 16 keys
    plain, scaled = (softmax_forward(s)[0].max(axis=-1).mean() for s in (products, products / math.sqrt(width)))
    size = products.std()
    print(f"d_k {width:4d}: products of size {size:5.2f}, largest weight {plain:.2f}; "
          f"scaled {size / math.sqrt(width):.2f}, {scaled:.2f}")  # fmt: skip
    np.testing.assert_allclose(size, math.sqrt(width), rtol=0.1)

# %% [markdown]
# ## Softmax
#
# softmax：把每一行分数变成和为 1 的权重。
#
# Scores become shares: all positive, the sum of each row 1.
#
# $$w_{ts} = \frac{e^{\text{scores}_{ts}}}{\sum_{r} e^{\text{scores}_{tr}}}$$
#
# For 晴朗, whose scores are 1, 2, 0:

# %%
exps = [math.exp(score) for score in scores[2]]
print("exps   ", [round(e, 3) for e in exps], " sum", round(sum(exps), 3))
row = [e / sum(exps) for e in exps]
print("weights", [round(w, 3) for w in row], " sum", round(sum(row), 3))

weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)  # (T, S)
print(weights)
np.testing.assert_allclose(weights[2], row)
np.testing.assert_allclose(weights.sum(axis=1), 1)

# %% [markdown]
# Two things follow from the formula. A constant added to a whole row changes nothing, since $e^{s + c} = e^c e^s$ and
# $e^c$ cancels. Only differences count: a difference of 1 is a factor of $e$ between two weights. And so the largest
# score of a row may be subtracted first. Programs must do that, for $e^{1000}$ is too large for a float64.

# %%
large = scores + 1000
with np.errstate(over="ignore", invalid="ignore"):
    naive = np.exp(large) / np.exp(large).sum(axis=1, keepdims=True)
print("naive", naive[2])

stable, _ = softmax_forward(large)  # subtracts the largest of each row
print("minus the largest", stable[2])
np.testing.assert_allclose(stable, weights)

# %% [markdown]
# `softmax_forward` also returns the logsumexp of each row, $\text{lse}_t = \log \sum_r e^{\text{scores}_{tr}}$. With it
# the weights are $e^{\text{scores} - \text{lse}}$, so whoever keeps $Q$, $K$ and these $T$ numbers can compute the
# weights again, and need not keep the $T \times S$ matrix.

# %%
_, lse = softmax_forward(scores)  # (T, S), (T,)
print("lse", lse, " of 晴朗 by hand:", round(math.log(sum(exps)), 3))
np.testing.assert_allclose(lse[2], math.log(sum(exps)))
np.testing.assert_allclose(np.exp(scores - lse[:, None]), weights)

# %% [markdown]
# ## The weighted sum
#
# 加权求和：每个词的输出是所有值的加权平均。
#
# With $W$ (T, S) for the matrix of the weights $w_{ts}$:
#
# $$\text{out}_t = \sum_s w_{ts}\, v_s, \qquad \text{out} = W V$$
#
# Most of what 天气 receives is the value of 晴朗. The word for the weather now knows that it is sunny:

# %%
received = sum(w * value for w, value in zip(weights[1], v))
print(" + ".join(f"{w:.3f} * {value}" for w, value in zip(weights[1], v)), "=", received)
out = weights @ v  # (T, d_v)
print(out)
np.testing.assert_allclose(out[1], received)

# %% [markdown]
# Positive weights that sum to 1 make an average. So an output never leaves the triangle whose corners are the values
# (with more values, the smallest convex shape around them): a head can choose and mix, and adds nothing of its own.

# %%
from minisora.plotting import chinese_font
from minisora.plotting.canvas import canvas


@chinese_font()
def between_the_values(v, out, words):
    """Return a figure with values (S, 2) as corners and the outputs (T, 2) between them."""
    figure = canvas(4.6, 3.8)
    axes = figure.subplots()
    axes.fill(v[:, 0], v[:, 1], color="whitesmoke", edgecolor="darkgray")
    for points, marker, name in ((v, "s", "v"), (out, "o", "out")):
        axes.scatter(points[:, 0], points[:, 1], marker=marker, label=name, zorder=2)
        for (a, b), word in zip(points, words, strict=True):
            axes.annotate(f"{name} {word}", (a, b), xytext=(6, 5), textcoords="offset points", fontsize=9)
    axes.margins(0.2)
    axes.set(xlabel="first number", ylabel="second number")
    axes.legend(loc="lower right")
    return figure


between_the_values(v, out, words)

# %% [markdown]
# ## The same from the library
#
# 对照：minisora 的内核给出同样的数。
#
# `attention_forward` takes B sequences at once, and H heads (lesson 6): q (B, H, T, d_k), k (B, H, S, d_k),
# v (B, H, S, d_v). Ours is a batch of one with one head. Its scale is $1/\sqrt{d_k}$ unless another is given. It
# returns the output and a cache, which is what the backward pass will need (lesson 4) and holds no $T \times S$ matrix.
# `attention_steps` computes the scores and the weights again from the cache, to be looked at. (`key_mask` and `causal`
# are lesson 5; `dropout` sets some weights to 0 in training.)

# %%
from minisora.kernels import attention_forward, attention_steps

heads = [array[None, None] for array in (q, k, v)]  # (B, H, T or S, d) = (1, 1, 3, 4 or 2)
found, cache = attention_forward(*heads)
steps = attention_steps(cache)
print(cache._fields)

np.testing.assert_allclose(steps.scores[0, 0], scores, rtol=1e-14)
np.testing.assert_allclose(steps.weights[0, 0], weights, rtol=1e-14)
np.testing.assert_allclose(found[0, 0], out, rtol=1e-14)
np.testing.assert_allclose(cache.lse[0, 0], lse, rtol=1e-14)

# %% [markdown]
# `explain` works one number out from those that it is made of, down to the inputs, with every value put in; of a sum it
# follows only the largest term further. It does so for any number of any attention cache, also inside a
# trained model. The last place (b, h, t, j) below is: first sequence, first head, the word 天气, its first number.

# %%
from minisora.plotting import explain

print(explain(cache, "out", (0, 0, 1, 0)))  # (b, h, t, j)

# %% [markdown]
# And the definition without a single matrix product, one number after the other; the assertion says that it gives the
# same:

# %%
by_loops = np.zeros_like(out)  # (T, d_v)
for t in range(len(q)):
    row = [scale * sum(q[t, i] * k[s, i] for i in range(d_k)) for s in range(len(k))]
    total = sum(math.exp(score) for score in row)
    for s in range(len(k)):
        for j in range(v.shape[1]):
            by_loops[t, j] += math.exp(row[s]) / total * v[s, j]
np.testing.assert_allclose(by_loops, found[0, 0], rtol=1e-14)

# %% [markdown]
# The weights as a map: a row for each query, a column for each key.

# %%
from minisora.plotting import plot_attention

plot_attention(cache, words)

# %% [markdown]
# ## No order
#
# 注意力不认顺序：打乱输入，输出只是跟着打乱。
#
# Nothing in the three lines says where a word stands. Put the words into another order and the same outputs come, in
# that order. Language needs the order; that is why positions were added in lesson 1, before attention. (All three words
# move, as queries, keys and values.)

# %%
shuffle = [2, 0, 1]
shuffled, _ = attention_forward(*(array[:, :, shuffle] for array in heads))
np.testing.assert_allclose(shuffled, found[:, :, shuffle], rtol=1e-12)
for place, i in enumerate(shuffle):
    print(words[i], shuffled[0, 0, place], " before", found[0, 0, i])

# %% [markdown]
# ## In a trained model
#
# 在训练好的模型里：同样的三行。
#
# The encoder of the bundled model, its first layer. Its cache holds q, k and v of all
# heads; the three lines on them give what the layer computed. (q, k and v come from `Linear` layers, $X W + b$: a bias
# $b$ is added to every row. Lesson 6 is about several heads.)

# %%
from minisora.checkpoint import load

model, tokenizer, _ = load("sora/sora-base")
question = "今天天气怎么样？"
_, encoder_cache = model.encoder.forward(tokenizer.encode(question, return_tensors="np"))
layer_cache = encoder_cache.stack.layers[0].self_attention
q_h, k_h, v_h = (array[0] for array in layer_cache.attention[:3])  # (H, T, d_k), (H, S, d_k), (H, S, d_v)
print("H, T, d_k =", q_h.shape)

scores_h = q_h @ k_h.swapaxes(-1, -2) / math.sqrt(q_h.shape[-1])  # (H, T, S)
exps_h = np.exp(scores_h - scores_h.max(axis=-1, keepdims=True))
weights_h = exps_h / exps_h.sum(axis=-1, keepdims=True)
np.testing.assert_allclose(weights_h, layer_cache.weights[0], atol=1e-5)
np.testing.assert_allclose(weights_h @ v_h, layer_cache.attention.out[0], atol=1e-4)

# %%
plot_attention(layer_cache, tokenizer.labels(question))

# %% [markdown]
# A panel for each head, with one scale of colours. Not every head can be read as easily as ours. What the heads look
# at, and which of them matter, is lesson 11.
#
# ## Exercises
#
# 练习：改一个数，先预言，再用断言验证。
#
# 1. Work out on paper the weights of 今天 when its query is doubled, and then when it is all zeros. Change row 0 of a
#    copy of `q`, call `attention_forward` with it, and hold `attention_steps(cache).weights[0, 0, 0]` against both with
#    `np.testing.assert_allclose`. What does a head with the query 0 compute?
# 2. `attention_forward(*heads, scale=...)` takes any scale. Show by `np.testing.assert_allclose(..., atol=1e-12)`
#    that with `scale=0` every output is the mean of the values, and with `scale=100` the value of the best key. Then
#    give 今天 the key of 天气 (in a copy of `k`), so that two keys share the best score of 今天 and of 晴朗. Say first
#    what these two put out at `scale=100`, then assert it.
# 3. A head that looks at the word before: let five words be $x_t = \text{onehot}(t)$, so that a word is its position.
#    Choose $W_q$ and $W_k$ with `np.eye(5, k=...)` and a factor, and take `np.eye(5)` for the values, all as
#    (1, 1, 5, 5), so that
#    `np.testing.assert_allclose(attention_steps(cache).weights[0, 0, 1:], np.eye(5)[:-1], atol=1e-3)`. How small may
#    the factor be? What does the first word look at, and why? Assert that too.
