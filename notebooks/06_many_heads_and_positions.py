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
# # Many heads, and where a word stands
#
# *40 minutes. Builds on: lessons 03 to 05 (a head, its backward, masks). 目标：看清多头的切分与合并，以及位置的作用。*
#
# At the end you will have computed a layer of two heads one head at a time, seen what one missing `swapaxes` does (the
# gradients stay right, the function is wrong), shown that attention alone does not know the order of words, and drawn
# the sinusoidal positions with their dot products, which depend on distance alone.
#
# Open beside this lesson: `minisora/layers/attention.py` and `minisora/layers/positional.py`.

# %%
import numpy as np

from minisora.gradcheck import Probe, check, check_properties, randomize
from minisora.kernels import attention_forward
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.positional import LearnedPositions, SinusoidalPositions, sinusoidal_table
from minisora.plotting import plot_attention

np.set_printoptions(precision=2, suppress=True)

# %% [markdown]
# ## One head, one question
#
# 一个头只能给出一种分布；多个头就能同时看不同的地方。
#
# The weights of one head are one distribution for each word: it mixes all that it looks at into one mean. A verb that
# looks for its subject and its object at once gets one mean of both, and cannot tell them apart. Multi-head attention
# asks $H$ questions side by side, each on a narrower vector of $d_k = D / H$ numbers, and lets one more matrix mix the
# answers (biases are left out here):
#
# $$\mathrm{out} = \mathrm{concat}(\mathrm{head}_0, \dots, \mathrm{head}_{H-1})\,W_o, \qquad
# \mathrm{head}_i = \mathrm{attention}(x W_{q,i},\; x W_{k,i},\; x W_{v,i})$$
#
# The $W_{q,i}$ of all heads are stored as the columns of one matrix $W_q$: head $i$ owns the columns $i\,d_k$ to
# $(i+1)\,d_k$. So $H$ heads have as many parameters as one head of full width.
#
# `layer.forward(x)` returns the output and a cache, `layer(x)` the output alone. `randomize` draws every parameter
# anew, so that no bias is 0.

# %%
B, T, D, H = 1, 5, 6, 2
rng = np.random.default_rng(6)
layer = randomize(MultiHeadAttention(D, H, rng, dtype=np.float64), rng)
x = rng.normal(size=(B, T, D))
out, cache = layer.forward(x)
for name, parameter in layer.parameters():
    print(f"{name:11} {parameter.data.shape}")
print("q, k, v    ", cache.attention.q.shape, "(B, H, T, d_k)")
print("weights    ", cache.weights.shape, "(B, H, T, S)")
print("out        ", out.shape, "(B, T, D)")
for count in (1, 2, 3):
    one = MultiHeadAttention(D, count, np.random.default_rng(0))
    print(f"H = {count}: {sum(parameter.data.size for _, parameter in one.parameters())} parameters")

# %% [markdown]
# Each head has a map of its own:

# %%
plot_attention(cache, [f"x{t}" for t in range(T)])

# %% [markdown]
# ## Two heads, one at a time
#
# 一个头一个头地算，再拼起来，结果与整层相同。
#
# Nothing happens between the heads before $W_o$. We cut the columns out of the three matrices, attend with each head
# alone, put the results side by side, and must find what the layer found.

# %%
d_k = D // H
heads = []
for i in range(H):
    own = slice(i * d_k, (i + 1) * d_k)  # the columns of head i
    q, k, v = (x @ w.weight.data[:, own] + w.bias.data[own] for w in (layer.w_q, layer.w_k, layer.w_v))  # (B, T, d_k)
    scores = q @ k.swapaxes(1, 2) / np.sqrt(d_k)  # (B, T, S)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(weights, cache.weights[:, i], rtol=1e-12)
    heads.append(weights @ v)  # (B, T, d_k)
by_hand = np.concatenate(heads, axis=-1) @ layer.w_o.weight.data + layer.w_o.bias.data  # (B, T, D)
np.testing.assert_allclose(by_hand, out, rtol=1e-12)
print("by hand, x0  ", by_hand[0, 0])
print("the layer, x0", out[0, 0])

# %% [markdown]
# ## Split and merge
#
# 切分与合并：先 reshape，再交换两个轴。
#
# A loop over heads is slow. The layer computes $x W_q$ once, (B, T, D), and then only looks at it differently:
#
#     split   (B, T, D)  reshape  (B, T, H, d_k)  swapaxes(1, 2)  (B, H, T, d_k)
#     merge   (B, H, T, d_k)  swapaxes(1, 2)  (B, T, H, d_k)  reshape  (B, T, D)
#
# To see where every number goes, we write its address into it: the number 13 stands for token 1, column 3.

# %%
tokens, columns = np.arange(3)[:, None], np.arange(4)
addresses = (10 * tokens + columns)[None]  # (1, 3, 4)
small = MultiHeadAttention(4, 2, np.random.default_rng(0))
print(addresses[0])
for i, head in enumerate(small.split(addresses)[0]):  # (H, T, d_k)
    print(f"head {i}\n{head}")
np.testing.assert_array_equal(small.merge(small.split(addresses)), addresses)

# %% [markdown]
# Head 0 has columns 0 and 1 of every token, head 1 has columns 2 and 3. `split` copies nothing: it gives a view of the
# same memory. `merge` must copy what attention has computed head by head, because there the numbers of one token do not
# lie side by side.

# %%
heads_computed = cache.attention.out  # (B, H, T, d_k), fresh from attention
view = np.shares_memory(addresses, small.split(addresses))
copy = not np.shares_memory(heads_computed, layer.merge(heads_computed))
print("split is a view:", view, " merge is a copy:", copy)
assert view and copy

# %% [markdown]
# ## Without the permutation
#
# 少了这一步交换：形状都对，意思全错。
#
# The shape (B, H, T, d_k) can also be had by `reshape` alone. No error is raised, and the round trip gives back what
# went in. But look at the addresses.


# %%
class Unpermuted(MultiHeadAttention):
    """The mistake: heads are cut out as the numbers lie in memory."""

    def split(self, x):
        """(B, T, D) to (B, H, T, d_k), with the wrong numbers in every place."""
        return x.reshape(len(x), self.num_heads, -1, x.shape[-1] // self.num_heads)

    def merge(self, heads):
        """(B, H, T, d_k) to (B, T, D), the inverse of this split."""
        batch, num_heads, length, d_k = heads.shape
        return heads.reshape(batch, length, num_heads * d_k)


wrong = Unpermuted(4, 2, np.random.default_rng(0))
for i, head in enumerate(wrong.split(addresses)[0]):
    print(f"head {i}\n{head}")
np.testing.assert_array_equal(wrong.merge(wrong.split(addresses)), addresses)  # the round trip proves nothing

# %% [markdown]
# Head 0 now holds the first half of the *sentence*, all columns of it, and head 1 the second half. Where a head should
# compare three tokens it compares two halves of token 0 with the first half of token 1.
#
# What that means for the output: we move one input vector at a time and look which output vectors move. In attention
# without a mask every output depends on every input (white is 0):


# %%
def influence(layer, x, **masks):
    """How far each output vector (row) moves when one input vector (column) is moved: (T, T)."""
    out, moved = layer(x, **masks), []
    for s in range(x.shape[1]):
        changed = x.copy()
        changed[:, s] += 1
        moved.append(np.abs(layer(changed, **masks) - out).max(axis=(0, 2)))
    return np.stack(moved, axis=1)


def draw(matrix, row, column):
    """Draw a matrix that is not of attention, with a name for its rows and one for its columns."""
    places = [[str(i) for i in range(length)] for length in matrix.shape[::-1]]
    figure = plot_attention(matrix, *places, signed=True)
    figure.axes[0].set_ylabel(row)
    figure.axes[0].set_xlabel(column)
    return figure


six = np.random.default_rng(1).normal(size=(1, 6, D))
reach = influence(layer, six)
assert (reach > 0).all()
draw(reach, "output that moves", "input that is moved")

# %% [markdown]
# The same parameters without the permutation: the sentence falls into two halves that never meet.

# %%
rng = np.random.default_rng(6)  # as for layer
wrong = randomize(Unpermuted(D, H, rng, dtype=np.float64), rng)
reach = influence(wrong, six)
assert (reach[:3, 3:] == 0).all() and (reach[3:, :3] == 0).all()
draw(reach, "output that moves", "input that is moved")

# %% [markdown]
# So what a word can see depends on how long the sentence is. (Of an odd number of tokens the middle one lies in both
# halves.)

# %%
for length in (4, 5, 6, 7):
    reach = influence(wrong, np.random.default_rng(1).normal(size=(1, length, D)))
    print(f"of {length} tokens, token 2 sees", np.flatnonzero(reach[2]))

# %% [markdown]
# A mask makes it worse: `key_mask` hides the places of tokens, and these are no longer the tokens' places. Let tokens 4
# and 5 of six be padding. In head 0 the places 4 and 5 are the two halves of token 2, which is real and is hidden. In
# head 1 they are token 5; token 4 lies in the places 2 and 3, where all can see it. A padding token must not be able to
# move any other, and a real token must.

# %%
key_mask = np.array([[True, True, True, True, False, False]])
for name, one in {"right": layer, "without permutation": wrong}.items():
    reach = influence(one, six, key_mask=key_mask)
    np.fill_diagonal(reach, 0)  # a padding token always moves its own output, which nobody reads
    print(f"{name:20} others moved by the padding: {reach[:, 4:].max():.2f}, by token 2: {reach[:, 2].max():.2f}")
assert (influence(layer, six, key_mask=key_mask)[:4, 4:] == 0).all()

# %% [markdown]
# ## The gradient check does not see it
#
# 梯度检查看不出来：前向和反向犯了同一个错。
#
# Backward uses the same `split` and `merge`, so it is the exact derivative of the wrong function. A gradient check
# compares backward with forward, and they agree.

# %%
result = check(Probe(wrong, {"x": six}))
print(f"passed: {result.passed}, largest relative error {result.largest_relative_error:.1e}")
assert result.passed

# %% [markdown]
# Such a layer trains, too, and its loss tells nothing: in lesson 15 it learns to copy faster than the right one. What
# finds it are properties that the right function has whatever its parameters are. `minisora.gradcheck.check_properties`
# builds whole models around a layer and tries them one by one. (Logits are the outputs of such a model, a score for
# each token that may come next. Memory is what its encoder has made of the source.)

# %%
properties = check_properties(layers={"attention": Unpermuted})
for kept in properties:
    print(kept)
broken = {kept.name for kept in properties if not kept.passed}
assert {"padding", "without padding", "whole positions"} <= broken
assert all(kept.passed for kept in check_properties(layers={"attention": MultiHeadAttention}))

# %% [markdown]
# *Padding* is what we have seen, and *known gradient* is its other side: the hidden memory gets a gradient. *Without
# padding* breaks because the halves move with the length, and *cache* because a single token is cut rightly and a
# whole sentence is not. *Causal* is kept: inside each head the pieces still stand in the order of the tokens. Those
# about batches are kept because no piece leaves its sequence. *Whole positions* comes next; the others belong to later
# lessons.
#
# ## Attention does not know the order
#
# 没有位置信息时，注意力不知道词的先后：打乱输入，输出只是跟着打乱。
#
# The property "whole positions" above is this one. Let $\Pi$ be a permutation matrix, so that $\Pi x$ has the rows of
# $x$ in another order. Then $q = x W_q$ becomes $\Pi x W_q = \Pi q$; so do $k$ and $v$. The scores become
# $\Pi q\,(\Pi k)^\top = \Pi\,(q k^\top)\,\Pi^\top$: the same numbers, rows and columns reordered. Softmax works on each
# row, so the weights $w$ become $\Pi w\,\Pi^\top$. And $\Pi w\,\Pi^\top\,\Pi v = \Pi\,(w v)$ because
# $\Pi^\top \Pi = I$:
#
# $$\mathrm{attention}(\Pi x) = \Pi\,\mathrm{attention}(x)$$

# %%
order = np.array([2, 0, 4, 1, 3])
permutation = np.eye(T)[order]
np.testing.assert_allclose(permutation @ x[0], x[0, order])
np.testing.assert_allclose(layer(x[:, order]), layer(x)[:, order], rtol=1e-12)
print("x2 in its place", layer(x)[0, 2])
print("x2 put first   ", layer(x[:, order])[0, 0])

# %% [markdown]
# 狗咬人, dog bites man, and 人咬狗, man bites dog, are then one and the same: each character gets the same vector in
# both.

# %%
characters = "狗咬人"
dog_bites, man_bites = np.array([[0, 1, 2]]), np.array([[2, 1, 0]])
embedding = TokenEmbedding(len(characters), D, np.random.default_rng(3), dtype=np.float64)
news, no_news = layer(embedding(man_bites)), layer(embedding(dog_bites))  # (1, 3, D); only a man who bites is news
print("人 in 人咬狗", news[0, 0])
print("人 in 狗咬人", no_news[0, 2])
np.testing.assert_allclose(news[:, ::-1], no_news, rtol=1e-12)

# %% [markdown]
# ## Positions are added
#
# 办法：给每个位置一个向量，加到词向量上。
#
# Each position $t$ gets a vector $P_t$ that is added to the word's vector before the first layer. The sinusoidal ones
# are $D / 2$ clocks that turn at different speeds $\omega_i$, each with its sine and its cosine:
#
# $$P_{t,2i} = \sin(\omega_i t), \qquad P_{t,2i+1} = \cos(\omega_i t), \qquad \omega_i = 10000^{-2i/D}$$

# %%
length, width = 32, 16
t, i = np.arange(length)[:, None], np.arange(width // 2)
omega = 10000.0 ** (-2 * i / width)  # (D / 2,)
table = np.empty((length, width))
table[:, 0::2], table[:, 1::2] = np.sin(omega * t), np.cos(omega * t)
np.testing.assert_allclose(table, sinusoidal_table(length, width), atol=1e-12)
print("positions for one turn:", 2 * np.pi / omega)
placed, _ = SinusoidalPositions(width).forward(np.zeros((1, length, width)))
np.testing.assert_allclose(placed[0], table, atol=1e-12)

# %% [markdown]
# A row is a position, a column is one number of its vector. The first columns turn fast, the last ones hardly move.

# %%
draw(table, "position", "column")

# %% [markdown]
# With positions the two sentences differ:

# %%
positions = SinusoidalPositions(D)
news, no_news = (layer(positions(embedding(ids))) for ids in (man_bites, dog_bites))
print("人 in 人咬狗", news[0, 0])
print("人 in 狗咬人", no_news[0, 2])
assert np.abs(news[:, ::-1] - no_news).max() > 0.1

# %% [markdown]
# ## The dot product of two positions depends on their distance alone
#
# 两个位置的点积只与距离有关，与起点无关。
#
# Attention compares by dot products, so that is what matters about a table. Pair by pair,
# $\sin a \sin b + \cos a \cos b = \cos(a - b)$, hence
#
# $$P_t \cdot P_s = \sum_i \cos(\omega_i\,(t - s))$$
#
# The right side knows only $t - s$. And $P_t \cdot P_t = D / 2$: all these vectors are equally long.

# %%
dots = table @ table.T  # (length, length)
distance = t - t.T  # (length, length)
np.testing.assert_allclose(dots, np.cos(omega[:, None, None] * distance).sum(axis=0), atol=1e-12)
np.testing.assert_allclose(np.diag(dots), width / 2)
for d in (0, 1, 2, 3, 4, 5, 6, 9, 16):
    np.testing.assert_allclose(np.diagonal(dots, d), np.diagonal(dots, d)[0], atol=1e-12)
    print(f"distance {d:2}: {np.diagonal(dots, d)[0]:6.3f}, the same on the whole diagonal")

# %% [markdown]
# The product is largest at distance 0, but it does not fall steadily: at distance 6 it is larger than at 4, because the
# fastest clock has made almost a whole turn of 6.28 positions. The slower clocks tell 6 from 0. In the picture every
# diagonal has one colour:

# %%
draw(dots, "position t", "position s")

# %% [markdown]
# ## A shift is a rotation
#
# 平移 k 个位置，等于每一对坐标旋转一个固定的角度。
#
# Why should a layer be able to use this? Because "the word before me" is one fixed linear map. To go from $t$ to
# $t + k$, each pair turns by the angle $\omega_i k$, whatever $t$ is:
#
# $$\begin{pmatrix} \sin \omega_i (t+k) \\ \cos \omega_i (t+k) \end{pmatrix} =
# \begin{pmatrix} \cos \omega_i k & \sin \omega_i k \\ -\sin \omega_i k & \cos \omega_i k \end{pmatrix}
# \begin{pmatrix} \sin \omega_i t \\ \cos \omega_i t \end{pmatrix}$$
#
# A head whose $W_q$ is made of these rotations asks for the neighbour at distance $k$: its query is $P_{t+k}$, which
# has its largest product with the key $P_{t+k}$. We build such a head. $W_q$ shifts back by one; it is the transpose of
# the matrix above, for our vectors are rows. $W_k$ is the identity, and the scores are multiplied by 8, where
# $1 / \sqrt{D}$ would be usual, so that the weights are sharp. The map must show the word before.

# %%
shift = np.zeros((width, width))
for j, angle in enumerate(-1 * omega):  # k = -1
    pair = slice(2 * j, 2 * j + 2)
    shift[pair, pair] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
np.testing.assert_allclose(table[1:] @ shift.T, table[:-1], atol=1e-12)  # one matrix for all positions

sentence = "今天天气怎么样"
p = table[: len(sentence)][None, None]  # (1, 1, T, D)
_, looking_back = attention_forward(p @ shift.T, p, p, scale=8.0)
plot_attention(looking_back, list(sentence))

# %% [markdown]
# The first character has no one before it; the nearest thing to position $-1$ is position 0, itself.
#
# In a real model the vectors are word plus position, and $(e_t + P_t)\,W_q W_k^\top (e_s + P_s)^\top$ has four terms:
# word with word, word with position, position with word, position with position. Only the last one is what we have
# looked at. A head learns which of the four to use.

# %% [markdown]
# ## Why the embedding is multiplied by sqrt(D)
#
# 词向量乘以根号 D，免得被位置向量盖住。
#
# The table of embeddings is drawn with variance $1 / D$, so a row has length about 1. The position's vector has length
# $\sqrt{D/2}$, which is longer for every $D > 2$. `TokenEmbedding` returns the row times $\sqrt D$, and then the word
# is the louder of the two.

# %%
wide = 128
words = TokenEmbedding(1000, wide, np.random.default_rng(0), dtype=np.float64)
row_length = np.linalg.norm(words.table.data, axis=1).mean()
word_length = np.linalg.norm(words(np.arange(1000)), axis=1).mean()
position_length = np.linalg.norm(sinusoidal_table(64, wide), axis=1).mean()
print(f"a row of the table {row_length:.2f}, times sqrt(D) {word_length:.2f}, a position {position_length:.2f}")
np.testing.assert_allclose(position_length, np.sqrt(wide / 2))

# %% [markdown]
# ## One token at a time, and a table that is learned
#
# 解码时一次只来一个字，位置用 offset 说明；也可以让位置表自己学习。
#
# A decoder that writes token by token sees only the newest one. It says where that one stands: `offset`. What comes out
# must be what a whole sequence gets in that place.

# %%
whole = positions(embedding(man_bites))  # (1, 3, D)
for place, token in enumerate(man_bites[0]):
    vector = embedding(np.array([[token]]))  # (1, 1, D)
    newest, astray = positions.forward(vector, offset=place)[0], positions(vector)
    np.testing.assert_array_equal(newest[0, 0], whole[0, place])
    print(f"{characters[token]}, without offset={place} off by {np.abs(astray[0, 0] - whole[0, place]).max():.2f}")

# %% [markdown]
# `LearnedPositions` is a table of parameters. Since $\mathrm{out}_{b,t} = x_{b,t} + P_t$, the gradient passes to $x$
# unchanged, and $dP_t = \sum_b d\mathrm{out}_{b,t}$: every sequence of the batch used the same row. Rows beyond the
# longest sequence get nothing, and a longer sequence than the table is an error.

# %%
learned = LearnedPositions(7, D, np.random.default_rng(5), dtype=np.float64)
batch = np.random.default_rng(8).normal(size=(3, T, D))
dout = np.random.default_rng(9).normal(size=(3, T, D))
_, positions_cache = learned.forward(batch)
dx = learned.backward(dout, positions_cache)
np.testing.assert_array_equal(dx, dout)
np.testing.assert_allclose(learned.table.grad[:T], dout.sum(axis=0))
print("rows with a gradient:", np.flatnonzero(np.abs(learned.table.grad).sum(axis=1)), "of", len(learned.table.data))
try:
    learned(np.zeros((1, 8, D)))
except ValueError as error:
    print(error)

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Write `split` and `merge` anew, with `np.split`, `np.stack` and `np.concatenate` instead of `reshape` and
#    `swapaxes`, in a class `MyAttention(MultiHeadAttention)` in a file of your own. It is right when
#    `minisora gradcheck my_attention.py:MyAttention --as attention` says that all checks pass and all properties are
#    kept. Then use `reshape` in `merge` alone and read which properties break. Why do the gradient checks fail as well,
#    when `Unpermuted` passed them?
#    (Decoding calls `split` with (B, D), one token a sequence: think of that case.)
# 2. A layer `ScaledPositions` computes out = x + s P, with P from `sinusoidal_table` and one trained number s, a
#    `Parameter` of shape (1,). Write it after the pattern of `LearnedPositions`, with a backward that adds to `s.grad`.
#    `check(Probe(ScaledPositions(D), {"x": batch})).passed` must be True. Then let the gradient of s count the first
#    sequence of the batch alone: it must be False. And why is it True again for `batch[:1]`?
# 3. With `causal=True`, `layer(x[:, order], causal=True)` is no longer `layer(x, causal=True)[:, order]`. Take the
#    order 0, 3, 1, 4, 2: at which positions do the two agree all the same, and why? Say it with
#    `np.testing.assert_allclose`, and that the others differ by more than 0.001. Then find an order other than
#    0, 1, 2, 3, 4 for which the last position agrees as well.
