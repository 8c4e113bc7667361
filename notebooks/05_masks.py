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
# # Masks: what a query may see
#
# *25 minutes. Builds on: lessons 1, 3 and 4. 目标：弄懂掩码：填充、因果、什么都看不见的行，以及各个库的方向。*
#
# A mask says which query may see which key. It is one line of code and the home of many silent mistakes: a model with a
# wrong mask trains, and its loss even falls. At the end you know what minisora's masks promise, you have tried each
# promise on numbers, and you can translate a mask from any other library.

# %%
import numpy as np

from minisora.kernels import attention_backward, attention_forward, attention_steps
from minisora.text import SoraTokenizer

np.set_printoptions(precision=3, suppress=True, linewidth=110)

sentences = ["明天下雨吗", "今天热"]
tokenizer = SoraTokenizer.learn(sentences)
ids, key_mask = tokenizer.pad(tokenizer.encode(sentences))  # (B, S), (B, S)
B, S = ids.shape
short = len(sentences[1])
labels = [tokenizer.tokens[i] for i in ids[1]]
print(labels)
print(key_mask)  # True = a token, may be attended

rng = np.random.default_rng(5)
q, k, v = (rng.normal(size=(B, 1, S, 4)) for _ in range(3))  # (B, H, T or S, d_k): one head, T = S = 5

# %% [markdown]
# ## Hiding is minus infinity
#
# 遮住：在 softmax 之前把分数设为负无穷，权重就恰好是 0。
#
# To hide a key means that it gets the weight 0 and that the others share the whole 1 among them. So the hiding has to
# come before the softmax:
#
# $$w_{ts} = \frac{m_{ts}\, e^{\text{scores}_{ts}}}{\sum_r m_{tr}\, e^{\text{scores}_{tr}}}
# = \text{softmax}_s(\text{scores}_{ts} + \log m_{ts}), \qquad m \in \{0, 1\}, \quad \log 0 = -\infty$$
#
# Two ways that look alike and are wrong, for a row with the scores 2, 1, 3 whose last key is hidden:

# %%
from minisora.kernels.numpy_attention import hide, softmax_forward

row, visible = np.array([[[[2.0, 1.0, 3.0]]]]), np.array([True, True, False])
right, _ = softmax_forward(hide(row.copy(), visible))  # hide writes into its argument
after, _ = softmax_forward(row)
print("minus infinity before softmax  ", right[0, 0, 0], right.sum().round(3))
print("times 0 after softmax          ", (after * visible)[0, 0, 0], (after * visible).sum().round(3))
print("score times 0 before softmax   ", softmax_forward(row * visible)[0][0, 0, 0])

np.testing.assert_allclose(right.sum(), 1)
np.testing.assert_allclose(right[..., :2], softmax_forward(row[..., :2])[0])  # as if the third key were not there
assert right[..., 2] == 0

# %% [markdown]
# After the softmax it is too late: the hidden key has taken its share of the sum. And a score of 0 hides nothing, since
# $e^0 = 1$.
#
# ## Padding
#
# 填充：补上的格子谁也不能看。
#
# The second sentence has three characters and two places of padding, with vectors like all others. `key_mask` (B, S)
# hides them from every query. True = may be attended.

# %%
out, cache = attention_forward(q, k, v, key_mask=key_mask)
weights = attention_steps(cache).weights  # (B, H, T, S)
print(weights[1, 0])
assert (weights[1, 0, :, short:] == 0).all()
np.testing.assert_allclose(weights.sum(axis=-1), 1)

alone, _ = attention_forward(q[1:, :, :short], k[1:, :, :short], v[1:, :, :short])  # without any padding
np.testing.assert_allclose(out[1, :, :short], alone[0], rtol=1e-12)

# %% [markdown]
# The rows of the padding itself are computed too: there are queries at `<pad>`, they see the three characters, and
# nobody reads what they give. A key mask hides columns. On the map they are grey:

# %%
from minisora.plotting import plot_attention

plot_attention(cache, labels, batch=1)

# %% [markdown]
# The promise of a mask can be tested without any formula: *what is hidden may be any finite number*. Change it, and no
# output changes, to the last bit. (Finite, because the weight 0 times NaN or infinity is NaN.)

# %%
hidden = ~key_mask[:, None, :, None]  # (B, 1, S, 1)
other_k, other_v = (np.where(hidden, rng.normal(0, 100, array.shape), array) for array in (k, v))
changed, _ = attention_forward(q, other_k, other_v, key_mask=key_mask)
np.testing.assert_array_equal(changed, out)

unmasked = [attention_forward(q, *pair)[0] for pair in ((k, v), (other_k, other_v))]
largest = np.abs(changed - out).max(), np.abs(unmasked[1] - unmasked[0]).max()
print(f"largest change with the mask: {largest[0]:.3g}, without: {largest[1]:.3g}")

# %% [markdown]
# ## In a model
#
# 在模型里：一句话单独算，和在一批里算，结果一样。
#
# `model.encoder(ids)` masks `pad_id` by itself. What it gives for a short question, a vector of D numbers for each
# token, is the same alone and in a batch, up to the rounding of float32. With a mask that lets everything through it is
# not.

# %%
from minisora.checkpoint import load

model, reader, _ = load("sora/sora-base")
questions = ["今天天气怎么样？", "城市=北京;日期=明天;天气=小雨|明天北京要带伞吗？"]
together, real = reader.pad(reader.encode(questions))  # (2, S): the ids, and their key mask
length = real[0].sum()

alone = model.encoder(together[:1, :length])[0]  # (length, D)
masked = model.encoder(together)[0, :length]
careless = model.encoder(together, key_mask=np.ones_like(real))[0, :length]
print("difference, masked:", np.abs(masked - alone).max(), " unmasked:", np.abs(careless - alone).max())
np.testing.assert_allclose(masked, alone, atol=1e-4)

# %% [markdown]
# ## The future
#
# 因果掩码：一个字只能看自己和前面的字。
#
# A decoder, the part of a model that writes the answer (lesson 8), is trained on whole answers, and each place must
# predict its next token without having seen it. So query $t$ sees the keys $s \le t$: a lower triangle. `causal=True`
# does this, and needs no array.

# %%
q, k, v = (rng.normal(size=(1, 1, 5, 4)) for _ in range(3))
out, cache = attention_forward(q, k, v, causal=True)
print(attention_steps(cache).scores[0, 0])  # -inf where hidden

later = k.copy(), v.copy()
for array in later:
    array[:, :, 3:] += 1.0  # change the last two tokens
changed, _ = attention_forward(q, *later, causal=True)
np.testing.assert_array_equal(changed[:, :, :3], out[:, :, :3])
assert not np.allclose(changed[:, :, 3:], out[:, :, 3:])

# %% [markdown]
# The map, with five characters as names; q, k and v are still random numbers. The first row sees one key, so its weight
# is 1:

# %%
plot_attention(cache, list("今天很晴朗"))

# %% [markdown]
# ## Fewer queries than keys
#
# T 不等于 S：最后一个查询总是看得见所有的键。
#
# While an answer is written, the keys of all tokens so far are kept, and only the newest tokens ask: $T < S$. The
# newest query is the last of the sequence, so it must see everything, and query $t$ sees
#
# $$s \le t + (S - T)$$
#
# The triangle stands in the bottom right corner. Some programs leave it in the top left, $s \le t$, for every shape; a
# single newest token then sees the first key alone. For $T = S$ the two are the same, so test with $T \ne S$.
# `visibility` gives the mask that `attention_forward` uses, from T, S, a key mask or None, `causal`, and the array
# library, here NumPy.

# %%
from minisora.kernels.numpy_attention import visibility

T, S = 2, 5
bottom_right = visibility(T, S, None, True, np)  # (T, S)
top_left = np.tri(T, S, dtype=bool)
print("s <= t + (S - T)\n", bottom_right.astype(int), "\ns <= t\n", top_left.astype(int), sep="")

newest, _ = attention_forward(q[:, :, -T:], k, v, causal=True)
np.testing.assert_allclose(newest, out[:, :, -T:], rtol=1e-12)  # the last rows of the whole

scores = attention_steps(cache).scores[:, :, -T:].copy()  # hidden already: a part of what top_left hides
wrong = softmax_forward(hide(scores, top_left))[0] @ v
print("output of the newest query, all queries at once:", out[0, 0, -1])
print("the last two alone, bottom right:", newest[0, 0, -1], " top left:", wrong[0, 0, -1])
assert not np.allclose(wrong, out[:, :, -T:])

# %% [markdown]
# ## A row that sees nothing
#
# 什么都看不见的行：输出是 0，梯度也是 0，而不是 NaN。
#
# With `causal=True` and more queries than keys the first $T - S$ queries see nothing. Nor does any query where all keys
# are padding. The formula is then $0 / 0$. There are three answers in the wild:

# %%
q3, k3, v3 = rng.normal(size=(1, 1, 3, 4)), rng.normal(size=(1, 1, 2, 4)), rng.normal(size=(1, 1, 2, 4))  # T = 3, S = 2
visible = visibility(3, 2, None, True, np)
print(visible.astype(int))

scores = q3 @ k3.swapaxes(-1, -2) / 2  # (B, H, T, S), sqrt(d_k) = 2
with np.errstate(invalid="ignore"):
    infinite = np.where(visible, scores, -np.inf)
    exps = np.exp(infinite - infinite.max(axis=-1, keepdims=True))
    print("-inf: ", (exps / exps.sum(axis=-1, keepdims=True) @ v3)[0, 0, 0])
exps = np.exp(np.where(visible, scores, -1e9) - np.where(visible, scores, -1e9).max(axis=-1, keepdims=True))
average = exps / exps.sum(axis=-1, keepdims=True) @ v3
print("-1e9: ", average[0, 0, 0], " the mean of all values:", v3[0, 0].mean(axis=0))
np.testing.assert_allclose(average[0, 0, 0], v3[0, 0].mean(axis=0))
blind, blind_cache = attention_forward(q3, k3, v3, causal=True)
print("ours: ", blind[0, 0, 0])
np.testing.assert_array_equal(blind[0, 0, 0], 0)

# %% [markdown]
# * $-\infty$ in every place: the maximum is $-\infty$, and $-\infty - (-\infty)$ is NaN. In the backward pass
#   $0 \cdot \text{NaN}$ is NaN again; dK and dV sum over all rows, so one empty row spoils every gradient from
#   there on down.
# * $-10^9$ as a stand-in for $-\infty$: all scores of the row become equal, and the row gets the mean of exactly what
#   it must not see. No error, and no warning. (In float16 it is $-\infty$ anyway.)
# * An empty sum is 0. That is minisora's answer, on every backend. The gradient is 0 as well. lse, the logarithm of
#   the row's sum of exponentials (lesson 3), is $-\infty$. On the map such a row is hatched:

# %%
dout = rng.normal(size=blind.shape)
dq, dk, dv = attention_backward(dout, blind_cache)
print("dq of the blind row", dq[0, 0, 0], " lse", blind_cache.lse[0, 0])
assert (dq[0, 0, 0] == 0).all() and np.isfinite(dk).all() and np.isfinite(dv).all()
plot_attention(blind_cache, ["k0", "k1"], ["q0", "q1", "q2"])

# %% [markdown]
# ## Gradients and masks
#
# 梯度：被遮住的位置，梯度恰好是 0。
#
# Backward needs no mask of its own. In $\text{dscores} = w \odot (\text{dweights} - \sum w \odot \text{dweights})$,
# with the sum over the row (lesson 4), every hidden place has the factor $w = 0$. Here are padding and the future
# together, on the two sentences of the beginning; printed is the second one, where a row sees at most the first three
# keys:

# %%
q, k, v = (rng.normal(size=(B, 1, 5, 4)) for _ in range(3))
out, cache = attention_forward(q, k, v, key_mask=key_mask, causal=True)
dout = rng.normal(size=out.shape)
steps = attention_steps(cache, dout)
dq, dk, dv = attention_backward(dout, cache)
print("dweights\n", steps.dweights[1, 0], "\ndscores\n", steps.dscores[1, 0], sep="")
assert (steps.dscores[np.isneginf(steps.scores)] == 0).all()
assert (dk[1, :, short:] == 0).all() and (dv[1, :, short:] == 0).all()  # no gradient reaches padding

# %% [markdown]
# dweights is not 0 in the hidden places: it says what *would* happen if the weight were free. It is dscores that stops
# (-0 is 0 times a negative number). The first row sees one key only, so its weight is 1 whatever the score, and its
# gradient is 0 as well. The checker knows these cases: a random mask, more queries than keys, so that some see nothing,
# and a sequence that is all padding:

# %%
from minisora.gradcheck import run_checks

report = run_checks(["attention/padding", "attention/causal-more-queries", "attention/blind-sequence"])
print(report)
assert report.passed

# %% [markdown]
# ## Which way other masks point
#
# 方向：别的库里，True 有时是“可以看”，有时是“不许看”。
#
# | where | the argument | True, or 1, means | causal, $T \ne S$ |
# |---|---|---|---|
# | minisora | `key_mask`, `memory_mask` (B, S) | may be attended | bottom right |
# | `torch.nn.MultiheadAttention` | `key_padding_mask` (B, S) | **hidden** | |
# | the same | `attn_mask` (T, S) | **hidden** | |
# | `torch.nn.functional.scaled_dot_product_attention` | `attn_mask` | may be attended | `is_causal`: top left |
# | Hugging Face Transformers | `attention_mask` (B, S) | may be attended | |
# | Keras `MultiHeadAttention` | `attention_mask` (B, T, S) | may be attended | |
# | Flax `dot_product_attention` | `mask` | may be attended | |
# | FlashAttention 2.1 and later | | | `causal`: bottom right |
#
# `memory_mask` is the key mask where a decoder looks at the encoder's output (lesson 8). An empty place: nothing of the
# kind is set by this argument. PyTorch points both ways. A mask of floats is added to the scores: 0 = may be attended,
# $-\infty$ = hidden. To translate:

# %%
key_padding_mask = ids == tokenizer.pad_id  # as torch.nn.MultiheadAttention takes it
attention_mask = (ids != tokenizer.pad_id).astype(np.int64)  # as Hugging Face Transformers gives it
additive = np.where(key_padding_mask, -np.inf, 0.0)  # to be added to scores

for translated in (~key_padding_mask, attention_mask == 1, additive == 0):
    np.testing.assert_array_equal(translated, key_mask)

# %% [markdown]
# What if a mask comes in the wrong way round? A sentence without padding is then hidden altogether, and minisora asks
# the question:

# %%
try:
    model.encoder(together[1:], key_mask=together[1:] == model.config.pad_id)
except ValueError as error:
    print(error)

# %% [markdown]
# With padding there is something left to see, namely the padding, and no program can know that this was not meant. The
# test from above does: change what should be hidden, and nothing else.

# %%
other_k, other_v = (np.where(hidden, rng.normal(0, 100, array.shape), array) for array in (k, v))
changes = []
for mask in (key_mask, ~key_mask):
    first, _ = attention_forward(q[1:], k[1:], v[1:], key_mask=mask[1:])
    second, _ = attention_forward(q[1:], other_k[1:], other_v[1:], key_mask=mask[1:])
    changes.append(np.abs(second - first).max())
print(f"changed by {changes[0]:.3g} with the right mask, by {changes[1]:.3g} with the inverted one")
assert changes[0] == 0 and changes[1] > 1

# %% [markdown]
# ## Exercises
#
# 练习：梯度检查发现不了的错，用性质来发现。
#
# 1. A window: query $t$ sees only the keys with $t - 2 < s \le t$. Build the mask (T, S) with two calls of `np.tri`,
#    for $T = S = 7$; compute the output with `scores_forward`, `hide`, `softmax_forward` and `weighted_sum_forward`
#    of `minisora.kernels.numpy_attention` (`help` shows their arguments), with the scale $1/\sqrt{d_k}$. Find the
#    outputs that change when the key *and* the value of token $s$ do, and show by `np.testing.assert_array_equal`, for
#    every $s$, that they are $s$ and $s + 1$ (for $s = 6$, $s$ alone). For which $s$ is the key not enough, and why?
# 2. Hold the backward of your window against the checker: write `forward(q, k, v)`, which returns the output and a
#    cache, and `backward(dout, cache)`, from `weighted_sum_backward`, `softmax_backward` and `scores_backward` of the
#    same module, and let `check(Probe(FunctionPair(forward, backward), {"q": q, ...})).passed` be True (all three of
#    `minisora.gradcheck`). Which of the backward steps have to know of the mask?
# 3. Write `class Inverted(MultiHeadAttention)` (from `minisora.layers.attention`) whose forward hands `~key_mask` on
#    where there is one. Show that `minisora gradcheck FILE.py:Inverted --as attention` finds every gradient right, and
#    that the property "padding", among others, is broken. Why can no gradient check find this?
