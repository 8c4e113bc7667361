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
# # Word vectors: Word2Vec and GloVe by hand
#
# *35 minutes. Builds on: lesson 1, and derivatives of log and exp. 目标：亲手算出词向量训练的一步，并看懂 GloVe
# 为什么不是 softmax。*
#
# A row of an embedding table means nothing until something has trained it. Before Transformers trained their tables
# along with everything else, two methods made them from plain text, and their formulas are still the best place to meet
# scores, softmax and gradients. At the end you have made one training step of each with your own numbers, equal to the
# library's, and you have seen a structure that was hidden in a text come back as angles between vectors.

# %%
import numpy as np

from minisora.gradcheck import run_checks
from minisora.text import word2vec
from minisora.text.word_counts import count_words, encode_words

np.set_printoptions(precision=3, suppress=True, linewidth=110)

# %% [markdown]
# ## A text with a secret
#
# 藏了规律的文本：同类的词从不相遇，却有相同的邻居。
#
# We write 1500 sentences. In each stands one fruit among words of eating, or one tool among words of working. Two
# fruits never stand together, so no program can find their kinship by counting how often they meet. What they share is
# their company: "you shall know a word by the company it keeps" (Firth, 1957). The words below mean, in their order,
# apple, pear, peach, grape; eat, sweet, wash, ripe; saw, axe, hammer, pliers; mend, wood, iron, screw.

# %%
FRUITS, EATING = ["苹果", "梨子", "桃子", "葡萄"], ["吃", "甜", "洗", "熟"]
TOOLS, WORKING = ["锯子", "斧头", "锤子", "钳子"], ["修", "木头", "铁", "拧"]

rng = np.random.default_rng(3)
sentences = []
for _ in range(1500):
    names, around = (FRUITS, EATING) if rng.random() < 0.5 else (TOOLS, WORKING)
    before, after = rng.choice(around, (2, 2)).tolist()
    sentences.append([*before, str(rng.choice(names)), *after])

vocabulary = count_words(sentences, min_count=1)  # every word; the most frequent comes first
print(sentences[0], sentences[1])
print(dict(zip(vocabulary.words, vocabulary.counts.tolist())))

# %% [markdown]
# ## Skip-gram with the softmax
#
# 跳字模型：由中间的词预测周围的词，先看 softmax 的写法。
#
# Skip-gram takes each word in turn as the centre $c$ and predicts every neighbour $o$ within a window, so many words to
# the left and as many to the right. Each word has two vectors: $v$, with which it predicts, and $u$, with which it is
# predicted. The form that textbooks print, and the Chinese article that minisora follows (see its README), is a softmax
# over the whole vocabulary. The scores are the dot products:
#
# $$p(o \mid c) = \frac{\exp(u_o \cdot v_c)}{\sum_w \exp(u_w \cdot v_c)}, \qquad L = -\log p(o \mid c)$$
#
# Five words, two numbers each, one pair: centre 0, neighbour 3. The library's functions come in pairs. `forward`
# returns its result, here a loss for each pair of words, and a cache: the arrays that `backward` will need.

# %%
v = np.array([[1.0, 0.5], [0.2, -0.4], [-0.6, 0.3], [0.8, 0.1], [-0.2, -0.9]])  # (V, D)
u = np.array([[0.3, -0.2], [-0.5, 0.4], [0.1, 0.7], [0.6, 0.9], [-0.8, 0.2]])  # (V, D)
c, o = 0, 3

scores = u @ v[c]  # (V,)
p = np.exp(scores) / np.exp(scores).sum()
loss = -np.log(p[o])
print("scores", scores, "\np     ", p, "\nloss  ", round(loss, 3))

losses, cache = word2vec.word2vec_forward(v, u, np.array([c]), np.array([o]), loss="softmax")  # one pair
np.testing.assert_allclose(losses, [loss])

# %% [markdown]
# ### The gradient of the softmax form
#
# 求导：误差就是“预测的概率减去真相”。
#
# Write $s_w = u_w \cdot v_c$, and $[w = o]$ for 1 where $w = o$ and 0 elsewhere. Then $L = \log \sum_w e^{s_w} - s_o$,
# and
#
# $$\frac{\partial L}{\partial s_w} = \frac{e^{s_w}}{\sum_r e^{s_r}} - [w = o] = p_w - [w = o]$$
#
# These slopes, the derivatives by the scores, sum to 0, since $p$ sums to 1. The rest is the chain rule, since $s_w$ is
# linear in either vector:
#
# $$\frac{\partial L}{\partial v_c} = \sum_w (p_w - [w = o])\, u_w, \qquad
# \frac{\partial L}{\partial u_w} = (p_w - [w = o])\, v_c$$
#
# *Every* $u_w$ gets a gradient, for one pair. With a vocabulary of 100,000 words that is the price of this form.
#
# In code, `dx` is the derivative of $L$ by `x`. `backward` takes the derivatives of $L$ by forward's result, here 1 for
# the one loss, and the cache; it returns a gradient for each argument of forward, None for the ids of words.

# %%
dscores = p - np.eye(5)[o]  # (V,)
dv_c = dscores @ u  # (D,)
du = np.outer(dscores, v[c])  # (V, D)
print("dscores", dscores, f" sum {abs(dscores.sum()):.0e}")

dv_library, du_library, *_ = word2vec.word2vec_backward(np.ones(1), cache)
np.testing.assert_allclose(dv_library[c], dv_c)
np.testing.assert_allclose(du_library, du)
assert not dv_library[1:].any()  # only the centre's v moves

# %% [markdown]
# ## Negative sampling
#
# 负采样：不再和全词表比，只要认出真邻居、拒绝几个噪声词。
#
# Mikolov et al. (2013) replaced the question "which of all words stands here?" by $1 + K$ questions with yes or no: is
# this a true neighbour, or a word of noise, drawn at random? With $\sigma(x) = 1 / (1 + e^{-x})$, and $u_k$ the vectors
# of $K$ words of noise, this is equation (4) of their paper, which has the opposite sign and makes it large:
#
# $$L = -\log \sigma(u_o \cdot v_c) - \sum_{k=1}^{K} \log \sigma(-u_k \cdot v_c)$$
#
# The words of noise are drawn with probability proportional to $\text{count}^{3/4}$, which gives rare words a little
# more than their share. Since $-\log \sigma(x) = \log(1 + e^{-x})$ has the derivative $\sigma(x) - 1$, and
# $-\log \sigma(-x)$ has $\sigma(x)$, the slopes by all $1 + K$ scores are of one form:
#
# $$\frac{\partial L}{\partial s} = \sigma(s) - \text{label}, \qquad \text{label} = 1 \text{ for } o, \text{ else } 0$$
#
# The chain rule stays as it was, with these slopes for $p_w - [w = o]$. Only $1 + K$ rows of $u$ get a gradient.

# %%
from minisora.text.noise import noise_distribution

noise = noise_distribution(vocabulary.counts)
by_hand = vocabulary.counts**0.75 / (vocabulary.counts**0.75).sum()
np.testing.assert_allclose(noise, by_hand)
share = vocabulary.counts / vocabulary.counts.sum()
for word in (0, len(share) - 1):  # the most frequent and the rarest
    print(vocabulary.words[word], f"share of the text {share[word]:.3f}, drawn as noise {noise[word]:.3f}")

# %% [markdown]
# ### One step by hand
#
# 一步：一个中心词、一个真邻居、两个噪声词，学习率 0.5。
#
# Centre 0, neighbour 3, and the noise 1 and 4. Every number of the step:

# %%
targets, labels, rate = np.array([3, 1, 4]), np.array([1, 0, 0]), 0.5  # o, then the noise
scores = u[targets] @ v[c]  # (1 + K,)
sigmoids = 1 / (1 + np.exp(-scores))
loss = -np.log(sigmoids[0]) - np.log(1 - sigmoids[1:]).sum()  # sigma(-x) = 1 - sigma(x)
slopes = sigmoids - labels
print("scores  ", scores, "\nsigmoids", sigmoids, "\nslopes  ", slopes, "\nloss    ", round(loss, 3))

new_v, new_u = v.copy(), u.copy()
new_v[c] -= rate * slopes @ u[targets]  # dv_c = sum_k slope_k u_k
new_u[targets] -= rate * np.outer(slopes, v[c])  # du_k = slope_k v_c
print("v_0", v[0], "->", new_v[0])
for k in targets:
    print(f"u_{k}", u[k], "->", new_u[k])

# %% [markdown]
# The library's loss is this one unless told otherwise. A row of targets is the true neighbour, then the noise.

# %%
losses, cache = word2vec.word2vec_forward(v, u, np.array([c]), targets[None])
dv, du, *_ = word2vec.word2vec_backward(np.ones(1), cache)
np.testing.assert_allclose(losses, [loss])
np.testing.assert_allclose(v - rate * dv, new_v)
np.testing.assert_allclose(u - rate * du, new_u)

after, _ = word2vec.word2vec_forward(new_v, new_u, np.array([c]), targets[None])
print("loss before", losses, "after", after)
assert after < losses

# %% [markdown]
# One warning. We wrote `new_u[targets] -= ...`, which is right only because the targets differ. If a word of noise is
# drawn twice, NumPy keeps the last of the two updates; the library uses `np.add.at`, which adds both.
#
# The library has a check for each of its gradients: "central" compares every entry with
# $(L(x + h) - L(x - h)) / 2h$ for a small $h$, on random examples in which words repeat. (Kinks are entries left out
# because the function has a corner there.) CBOW comes in exercise 1, GloVe below.

# %%
report = run_checks(["Word2Vec", "GloVe"])
print(report)
assert report.passed

# %% [markdown]
# ## What a score becomes
#
# 学到的是什么：分数趋向一个对数：共现次数，除以这一对词作为噪声出现的次数。
#
# Put all pairs of a text together. Let $X_{co}$ be how often $o$ is a neighbour of $c$, $X_c = \sum_o X_{co}$, and
# $N(o)$ the distribution of the noise. A score $s_{co}$ then stands $X_{co}$ times as a true neighbour and, on
# average, $K X_c N(o)$ times as noise. Its slope vanishes where (since $\sigma(s) / (1 - \sigma(s)) = e^s$)
#
# $$X_{co}\,(\sigma(s) - 1) + K X_c N(o)\, \sigma(s) = 0
# \quad\Longleftrightarrow\quad s_{co} = \log \frac{X_{co}}{K\, X_c\, N(o)}$$
#
# (Levy and Goldberg, 2014; where $X_{co} = 0$ the score sinks without end.) So the vectors factorise a table of
# logarithms of counts: what GloVe does on purpose, as we shall see. To check it, we write such scores down for a table
# of three words, take $v$ to be the identity so that $u_o \cdot v_c$ is any score we like, and look at the gradient of
# the expected loss: it is 0, up to rounding.

# %%
X = np.array([[1.0, 8.0, 3.0], [8.0, 2.0, 5.0], [3.0, 5.0, 4.0]])
N, K = np.array([0.5, 0.3, 0.2]), 1
best = np.log(X / (K * X.sum(axis=1, keepdims=True) * N))  # (V, V), s_co
print("best scores, a row for each centre\n", best, sep="")

c, o, k = (index.ravel() for index in np.indices((3, 3, 3)))  # every centre, neighbour and word of noise
expected = X[c, o] * N[k]  # how often each such example comes
targets = np.stack([o, k], axis=1)  # (27, 2)
for name, table in (("at the best scores", best), ("at scores of 0", 0 * best)):
    _, cache = word2vec.word2vec_forward(np.eye(3), table.T.copy(), c, targets)
    _, du, *_ = word2vec.word2vec_backward(expected, cache)  # L = the sum of expected * losses
    print(f"{name}: largest gradient {np.abs(du).max():.1e}")
    assert (np.abs(du).max() < 1e-12) == (name == "at the best scores")

# %% [markdown]
# ## The structure comes back
#
# 训练：藏进去的两类词，又被向量找了回来。
#
# Now the whole text. `train_word2vec` goes through it twelve times, in a compiled loop, with vectors of 16 numbers. For
# each centre it draws whether to look 1 or 2 words far, and makes one step of the kind above for each neighbour there,
# with $K = 5$ words of noise and a rate that falls from 0.1 to nearly 0. `subsample=0.0` leaves no word out. Two words
# are called alike when the cosine of the angle between their $v$ is large.

# %%
from minisora.text.word2vec_training import Word2VecConfig, train_word2vec

config = Word2VecConfig(size=16, window=2, epochs=12, min_count=1, subsample=0.0, rate=0.1)
vectors = train_word2vec(sentences, config)
for word in (*FRUITS, *TOOLS):
    print(word, [(other, round(cosine, 2)) for other, cosine in vectors.nearest(word, 4)])

for group in (FRUITS, TOOLS):
    for word in group:
        nearest = [other for other, _ in vectors.nearest(word, len(vectors)) if other in FRUITS + TOOLS]
        assert set(nearest[:3]) == set(group) - {word}

# %% [markdown]
# The three nearest words of every fruit are the other fruits, though no two of them ever met. They have the same
# neighbours in nearly the same shares, hence nearly the same best scores, hence nearly the same $v$.
#
# The compiled loop makes the step that we made by hand; here it is on our five words, in float32:

# %%
from minisora.kernels.numba_word2vec import steps

step_v, step_u = v.astype(np.float32), u.astype(np.float32)
inputs, targets = np.array([[0]], np.int32), np.array([[3, 1, 4]], np.int32)  # one example
steps(step_v, step_u, np.float32(rate), inputs, targets, 0, 1)  # the examples from 0 to before 1
np.testing.assert_allclose(step_v, new_v, rtol=1e-5, atol=1e-6)
np.testing.assert_allclose(step_u, new_u, rtol=1e-5, atol=1e-6)

# %% [markdown]
# A picture: the vector $v$ of each word, brought to length 1 since the cosine does not see lengths, and projected onto
# the two directions in which the words differ most, the first two principal components.

# %%
from minisora.plotting import chinese_font
from minisora.plotting.canvas import canvas


@chinese_font()
def plane_of(vectors, groups):
    """Return a figure with the words in the plane of their two largest principal components."""
    centred = vectors.directions - vectors.directions.mean(axis=0)
    _, _, axes_of_space = np.linalg.svd(centred, full_matrices=False)
    where = dict(zip(vectors.words, centred @ axes_of_space[:2].T))
    figure = canvas(6, 3.8)
    axes = figure.subplots()
    for words in groups:
        points = np.array([where[word] for word in words])
        axes.scatter(*points.T, s=25)
        top = points[:, 0].mean(), points[:, 1].max()
        axes.annotate(" ".join(words), top, xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9)
    axes.set(xlabel="first component", ylabel="second component")
    axes.margins(0.25)
    return figure


plane_of(vectors, [FRUITS, EATING, TOOLS, WORKING])

# %% [markdown]
# Four heaps of four words. The first component parts fruits and eating from tools and working, the second the names
# from their company. Nobody told the program that there are four kinds of words.

# %% [markdown]
# ## GloVe: count first
#
# GloVe：先数清楚谁和谁常在一起，再拟合。
#
# Word2vec meets every pair when its turn comes. GloVe (Pennington, Socher, Manning, 2014) counts them all first:
# $X_{ij}$ is the sum of $1 / \text{distance}$ over all places where $j$ stands at most a window away from $i$. By
# hand for one sentence of four words, a window of 2:

# %%
from minisora.text.cooccurrence import count_cooccurrences

tiny, names = [["吃", "甜", "苹果", "吃"]], ("吃", "甜", "苹果")
X = np.zeros((3, 3))
ids = [names.index(word) for word in tiny[0]]
for i in range(4):
    for j in range(max(0, i - 2), min(4, i + 3)):
        if i != j:
            X[ids[i], ids[j]] += 1 / abs(i - j)
print(*names)
print(X)

table = count_cooccurrences(encode_words(tiny, names), len(names), window=2)
np.testing.assert_allclose(X[table.rows, table.columns], table.counts)
assert np.count_nonzero(X) == len(table.counts)  # only the cells that are not 0 are kept

# %% [markdown]
# ## GloVe: weighted least squares
#
# GloVe 的损失：让点积加偏置等于共现次数的对数，并给每个格子一个权重。
#
# For every cell that is not 0, a word's vector $w_i$, a neighbour's vector $\tilde w_j$ and two biases are to make
#
# $$w_i \cdot \tilde w_j + b_i + \tilde b_j \approx \log X_{ij}, \qquad
# L = \sum_{X_{ij} > 0} f(X_{ij})\, \big(w_i \cdot \tilde w_j + b_i + \tilde b_j - \log X_{ij}\big)^2$$
#
# with $f(x) = \min(1, (x / x_{\max})^{3/4})$: a pair seen once is mostly chance and counts little, and no pair counts
# more than 1. The paper takes $x_{\max} = 100$, and so does the library unless told otherwise. The derivative of a
# square is all the calculus there is. One cell by hand, then the library; in code $\tilde w$ is `c` and $\tilde b$ is
# `d`.

# %%
from minisora.text.glove import cell_weights, least_squares_backward, least_squares_forward

w, c = np.array([[0.5, -0.2]]), np.array([[0.4, 0.7]])  # (1, D): one word, one neighbour
b, d, count = np.array([0.1]), np.array([-0.3]), 12.0

difference = w[0] @ c[0] + b[0] + d[0] - np.log(count)
f = min(1, (count / 100) ** 0.75)
slope = 2 * f * difference
print(f"w.c + b + d = {w[0] @ c[0] + b[0] + d[0]:.3f}, log X = {np.log(count):.3f}, f(X) = {f:.3f}")
print(f"loss {f * difference**2:.3f}, slope {slope:.3f}, dw {slope * c[0]}, dc {slope * w[0]}, db = dd = {slope:.3f}")

cell = np.array([0])  # its row and its column
losses, cache = least_squares_forward(w, c, b, d, cell, cell, counts=np.array([count]))
dw, dc, db, dd, *_ = least_squares_backward(np.ones(1), cache)
np.testing.assert_allclose(losses, [f * difference**2])
for found, expected in ((dw[0], slope * c[0]), (dc[0], slope * w[0]), (db, [slope]), (dd, [slope])):
    np.testing.assert_allclose(found, expected)
print("f:", dict(zip((1, 10, 100, 1000), cell_weights(np.array([1, 10, 100, 1000])).round(3).tolist())))

# %% [markdown]
# ### Training
#
# 训练：同样的结构，从计数里也回得来。
#
# GloVe is trained by AdaGrad. Each number $x$ remembers the sum $G$ of its squared gradients $g$, which begins at 1,
# and the more it has been moved, the smaller its steps become:
#
# $$G \leftarrow G + g^2, \qquad x \leftarrow x - \text{rate} \cdot g / \sqrt{G}$$
#
# One step for the cell above, at the rate 0.5 as before, by hand and by the library's compiled loop:

# %%
from minisora.kernels import numba_glove

stepped = [x - rate * g / np.sqrt(1 + g**2) for x, g in zip((w, c, b, d), (dw, dc, db, dd))]
print("w", w[0], "->", stepped[0][0], "  c", c[0], "->", stepped[1][0])
print("b", b, "->", stepped[2], "  d", d, "->", stepped[3])
after, _ = least_squares_forward(*stepped, cell, cell, counts=np.array([count]))
print("loss before", losses, "after", after)
assert after < losses


def side(vectors, biases):
    """One side of the model as the loop takes it: vectors, biases, and the sums G of both."""
    return tuple(x.astype(np.float32) for x in (vectors, biases, np.ones_like(vectors), np.ones_like(biases)))


word, neighbour = side(w, b), side(c, d)
logs, weights = np.log([count]).astype(np.float32), np.array([f], np.float32)
numba_glove.steps(word, neighbour, np.float32(rate), (cell, cell, logs, weights), 0, 1)
for found, expected in zip((word[0], neighbour[0], word[1], neighbour[1]), stepped):
    np.testing.assert_allclose(found, expected, rtol=1e-5)

# %% [markdown]
# Now thirty rounds over the cells of our text. None of them is below 100, so $f$ is 1 in all. The sum $w + \tilde w$ is
# the word's vector, so a word comes near its neighbours too, not only near those who share them.

# %%
from minisora.text.glove_training import GloveConfig, GloveTraining, train_glove
from minisora.text.word_vectors import WordVectors

config = GloveConfig(size=16, window=2, min_count=1, epochs=30, rate=0.1)
table = count_cooccurrences(encode_words(sentences, vocabulary.words), len(vocabulary.words), config.window)
training = GloveTraining(len(vocabulary.words), table, config).fit()
print("cells from", table.counts.min(), "to", table.counts.max())
print("loss of epochs 1, 10, 30:", [round(training.losses[i], 2) for i in (0, 9, 29)])

glove = WordVectors(vocabulary.words, training.words.vectors + training.contexts.vectors)  # w + w~, the paper's 4.2
np.testing.assert_array_equal(glove.vectors, train_glove(sentences, config).vectors)
for group in (FRUITS, TOOLS):
    for word in group:
        nearest = [other for other, _ in glove.nearest(word, len(glove)) if other in FRUITS + TOOLS]
        assert set(nearest[:3]) == set(group) - {word}
    print(group[0], [(other, round(cosine, 3)) for other, cosine in glove.nearest(group[0], 5)])

# %% [markdown]
# ## Why softmax(ABᵀ) is not GloVe
#
# softmax(ABᵀ) 不是 GloVe：一个逐行归一化，一个什么都不归一化。
#
# One often reads that GloVe is $\text{softmax}(A B^\top)$, a matrix of word vectors times one of context vectors. That
# is another model: each row is a distribution over the neighbours of $i$, fitted by cross-entropy.
#
# $$Q_{ij} = \frac{\exp(a_i \cdot b_j)}{\sum_k \exp(a_i \cdot b_k)}, \qquad L = -\sum_{ij} X_{ij} \log Q_{ij}$$
#
# The paper starts from it where it compares GloVe with skip-gram (section 3.1, equations 10 to 13), and leaves it. It
# is nothing new: **it is skip-gram with the softmax**, with equal pairs put together. If every pair $(c, o)$ occurs
# $X_{co}$ times, the sums are the same:

# %%
from minisora.text.glove import cross_entropy_forward

rng = np.random.default_rng(4)
X = np.array([[0, 3, 1], [3, 2, 0], [1, 0, 4]])
a, b = rng.normal(size=(2, 3, 2))  # (V, D) each
pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(X[i, j])]
centres, neighbours = np.array(pairs).T

as_skip_gram, _ = word2vec.word2vec_forward(a, b, centres, neighbours, loss="softmax")
as_table, _ = cross_entropy_forward(a, b, np.arange(3), counts=X.astype(float))
print(len(pairs), "pairs:", as_skip_gram.sum().round(6), " table:", as_table.sum().round(6))
np.testing.assert_allclose(as_skip_gram.sum(), as_table.sum())

# %% [markdown]
# Now the differences. **First, normalisation.** Add any number to all scores of a row: $Q$ does not change, the
# softmax divides it away. The least squares notice, for they want $\log X_{ij}$ itself. In the least squares a bias
# $b_i$ has to carry how frequent a word is; in the softmax there is nothing for it to do.
#
# **Second, the empty cells.** The gradient of the softmax form by a score is $X_i Q_{ij} - X_{ij}$, $X_i$ the sum of
# the row: it is $p_w - [w = o]$, summed over the pairs of the row. Where $X_{ij} = 0$ it is positive: unseen pairs are
# pushed down, all of them, in every step. In the least squares an empty cell has no term. ($\log 0$ could not be
# fitted.)

# %%
from minisora.text.glove import cross_entropy_backward

rows, columns = np.nonzero(X)  # the cells of the least squares
counts, zero = X.astype(float), np.zeros(3)


def by_scores(S):
    """Both losses at scores S (V, V), and their gradients by S: with B the identity, A B^T = A."""
    entropy, cache = cross_entropy_forward(S, np.eye(3), np.arange(3), counts=counts)
    dentropy, *_ = cross_entropy_backward(np.ones(3), cache)
    squares, cache = least_squares_forward(S, np.eye(3), zero, zero, rows, columns, counts=counts[rows, columns])
    dsquares, *_ = least_squares_backward(np.ones(len(rows)), cache)
    return entropy.sum(), squares.sum(), dentropy, dsquares


S = a @ b.T  # (V, V)
shifted = S + np.array([[5.0], [-2.0], [1.0]])  # a number for each row
before, after = by_scores(S), by_scores(shifted)
print(f"softmax form   {before[0]:.3f} -> {after[0]:.3f}\nleast squares  {before[1]:.3f} -> {after[1]:.3f}")
np.testing.assert_allclose(before[0], after[0])
assert not np.isclose(before[1], after[1])

# %%
dentropy, dsquares = before[2:]
print("X\n", X, "\nsoftmax form, X_i Q - X\n", dentropy, "\nleast squares\n", dsquares, sep="")
Q = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
np.testing.assert_allclose(dentropy, X.sum(axis=1, keepdims=True) * Q - X)
np.testing.assert_allclose(dentropy.sum(axis=1), 0, atol=1e-12)  # each row is normalised
assert (dentropy[X == 0] > 0).all() and (dsquares[X == 0] == 0).all()

# %% [markdown]
# **Third, the work.** The sum under the fraction runs over the whole vocabulary, so the softmax form needs all $V^2$
# products of $A B^\top$; the least squares need one for each cell that is not empty. In a large vocabulary nearly all
# cells are empty. **Fourth, the weight of a cell**: in the softmax form a row weighs $X_i$, as much as its word is
# frequent, where the least squares have $f$, which stops at 1.
#
# Both learn, of course. minisora has both: `GloveConfig(loss="softmax")` is the softmax form, and without it you get
# the least squares. For our text:

# %%
print(f"cells: {len(table.counts)} that are not empty, of V^2 = {len(vocabulary.words) ** 2}")
form = train_glove(sentences, GloveConfig(loss="softmax", size=16, window=2, min_count=1, epochs=30, rate=0.1))
for group in (FRUITS, TOOLS):
    nearest = [other for other, _ in form.nearest(group[0], len(form)) if other in FRUITS + TOOLS]
    print(group[0], nearest[:3])
    assert set(nearest[:3]) == set(group[1:])

# %% [markdown]
# ## What is left of it in a Transformer
#
# 和 Transformer 的关系：嵌入表、点积、softmax 都还在。
#
# A Transformer's embedding is such a table, its scores for the next token (the logits) are such dot products, and its
# loss is the softmax form of this lesson (lesson 9), with one difference: what predicts is no longer one vector for a
# word, the same in every sentence, but a vector that has looked at the other words. How it looks is the next lesson.
#
# ## Exercises
#
# 练习：自己推导，再让检查器作证。
#
# 1. CBOW predicts the centre from its neighbours: $h$, the mean of their $v$, stands where $v_c$ stood. Compute loss,
#    dv and du of negative sampling by hand for the inputs 1 and 4, the target 0 and the noise 2, with the `v` and `u`
#    of the five words, and hold them against `word2vec.word2vec_forward(v, u, np.array([[1, 4]]), np.array([[0, 2]]))`
#    and `word2vec.word2vec_backward(np.ones(1), cache)` by `np.testing.assert_allclose`. Which factor does each
#    neighbour's gradient have?
# 2. A square lets the largest differences rule. Take $L = \log \cosh(w \cdot \tilde w + b + \tilde b - \log X)$ for
#    each cell instead, without $f$, and derive its slope. Choose fixed arrays rows, columns and counts, with one cell
#    that occurs twice, and random `w`, `c` (V, D), `b`, `d` (V,). Write `forward(w, c, b, d)`, which returns the losses
#    and a cache, and `backward(dlosses, cache)`, which returns `dw, dc, db, dd`. With `check`, `Probe` and
#    `FunctionPair` of `minisora.gradcheck`,
#    `check(Probe(FunctionPair(forward, backward), {"w": w, "c": c, "b": b, "d": d})).passed` must be True, and False
#    once you write `dw[rows] += ...`.
# 3. Break the secret: in a share of the sentences with a fruit, draw the other four words from `WORKING` instead of
#    `EATING`; leave the tools as they are. First say what you expect of the nearest neighbours and of the cosine
#    `vectors.similarity("苹果", "锯子")`, then train with the shares 0, 0.2, 0.5 and 1. At which of them do the
#    assertions of the section *The structure comes back* fail, and why not before?
