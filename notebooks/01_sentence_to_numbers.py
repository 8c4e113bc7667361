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
# # From a sentence to numbers
#
# *20 minutes. Builds on: nothing but Python and the product of two matrices. 目标：看清一句话怎样一步步变成一组向量。*
#
# A Transformer computes with arrays of numbers, and a sentence is none. At the end of this lesson you hold the array
# that the first encoder layer of a trained model reads for 今天天气怎么样？: shape (1, S, D), one sentence of S tokens,
# D numbers for each. You can say of each number where it comes from: which character, which row of which table, which
# position.

# %%
import math
from itertools import pairwise, product

import numpy as np

from minisora.checkpoint import load
from minisora.text import SoraTokenizer

np.set_printoptions(precision=3, suppress=True, linewidth=110)
question = "今天天气怎么样？"

# %% [markdown]
# ## Characters
#
# 字：每个字对应一个编号。
#
# A token is a piece of text that gets one number; here it is a character. A vocabulary is a list of tokens, and a
# token's id is its place in that list. `SoraTokenizer.learn` collects the characters of some texts and sorts them by
# their code points, the numbers that Unicode gives them (今 is U+4ECA, in hexadecimal). Their ids do not begin at 0,
# because two groups come first in every vocabulary:
#
# | ids | tokens |
# |---|---|
# | 0 to 4 | `<pad>`, `<s>` (begin), `</s>` (end), `<unk>`, `<sep>` |
# | 5 to 260 | the 256 values of a byte, used for what was never learnt |
# | 261 and up | what was learnt: here the characters |

# %%
texts = ["今天天气怎么样？", "明天会下雨吗？", "今天天气晴朗，气温适中。"]
small = SoraTokenizer.learn(texts, kind="characters")
learnt = sorted(set("".join(texts)))
print(small)
print("learnt, in order:", "".join(learnt))
for character in question:
    print(character, f"U+{ord(character):04X}", 261 + learnt.index(character))

ids = small.encode(question)
print(ids)
assert ids == [261 + learnt.index(character) for character in question]
assert small.decode(ids) == question

# %% [markdown]
# 天 stands twice, and has the same id twice. An id says which character it is and nothing more: not where it stands,
# not what it means; that one id is larger than another says nothing either.
#
# ## Bytes of the unknown
#
# 没学过的字：拆成 UTF-8 字节，什么字都不会丢。
#
# 饕餮 (a greedy beast of legend) is not in this vocabulary. Many tokenizers answer with `<unk>`, and the text is lost.
# This one writes the character in UTF-8 and takes one token for each byte, $\text{id} = 5 + \text{byte}$. A code point
# from U+0800 to U+FFFF fits into 16 bits (x, y and z below), which UTF-8 lays into three bytes:
#
# $$\texttt{xxxxyyyyyyzzzzzz} \;\to\; \texttt{1110xxxx}\;\; \texttt{10yyyyyy}\;\; \texttt{10zzzzzz}$$

# %%
code = ord("饕")
print(f"U+{code:04X} = {code >> 12:04b} {code >> 6 & 0b11_1111:06b} {code & 0b11_1111:06b}")
spelt = [0b1110_0000 | (code >> 12), 0b1000_0000 | (code >> 6 & 0b11_1111), 0b1000_0000 | (code & 0b11_1111)]
print([f"{byte:08b}" for byte in spelt], "= bytes", spelt)
assert bytes(spelt) == "饕".encode()

by_hand = [5 + byte for byte in spelt]
print("ids", by_hand, [small.tokens[i] for i in by_hand])
assert small.encode("饕") == by_hand and small.decode(by_hand) == "饕"

# %% [markdown]
# A model writes one token after another, so it may stop in the middle of a character. What is no valid UTF-8 comes out
# as U+FFFD, the replacement character. And no text ever becomes one of the special tokens 0 to 4: `</s>` in a text is
# four characters (spelt in bytes here), so nobody can end a sentence by typing the sign for its end. `<s>` and `</s>`
# come only from who asks for them, by `add_bos` and `add_eos`.

# %%
print(repr(small.decode(by_hand[:2])))
print(small.encode("</s>"), [small.tokens[i] for i in small.encode("</s>")])
print(small.encode("今天", add_bos=True, add_eos=True))
assert min(small.encode("<pad><s></s><unk><sep>")) > 4

# %% [markdown]
# ## Words
#
# 词：在所有切分里，选概率最大的一种。
#
# With words the sequences are shorter, but Chinese is written without spaces, so someone has to cut. A vocabulary of
# words gives every word $w$ a probability $p(w)$, and a sentence is cut so that the product of the probabilities, that
# is the sum of their logarithms, is largest (over all words that make the text when they are joined):
#
# $$\text{words} = \arg\max_{w_1 w_2 \cdots w_n = \text{text}} \; \sum_i \log p(w_i)$$
#
# The old example is 研究生命起源, "to study the origin of life". Who takes the longest word first reads 研究生 (a
# graduate student), and is left with 命. The probabilities below are chosen by hand (a few words of a large
# vocabulary: they need not sum to 1), and all segmentations are tried.

# %%
p = {"研究": 0.02, "研究生": 0.004, "生命": 0.01, "起源": 0.005, "生": 0.006, "命": 0.003}
p |= {"研": 0.001, "究": 0.001, "起": 0.004, "源": 0.002}
scores = {word: math.log(probability) for word, probability in p.items()}
text = "研究生命起源"

cut_in_all_ways = []
ways = list(product([False, True], repeat=len(text) - 1))  # between two characters there is a cut or none
for cuts in ways:
    places = [0, *(i for i, cut in enumerate(cuts, 1) if cut), len(text)]
    words = [text[a:b] for a, b in pairwise(places)]
    if all(word in scores for word in words):
        cut_in_all_ways.append((sum(scores[word] for word in words), words))
print(len(ways), "segmentations,", len(cut_in_all_ways), "of them into words; the best four:")
for total, words in sorted(cut_in_all_ways, reverse=True)[:4]:
    print(f"{total:7.2f}", " / ".join(words))

# %% [markdown]
# A text of $n$ characters has $2^{n-1}$ segmentations; nobody can try them all for a long one. Viterbi's algorithm
# tries at most $n$ times the length of the longest word. It goes by one observation: whatever the best segmentation is,
# without its last word it is the best one of what comes before. Let $\text{best}(e)$ be the largest sum for the first
# $e$ characters; their last word ends at $e$ and begins at some $b$:
#
# $$\text{best}(0) = 0, \qquad
# \text{best}(e) = \max_{b < e,\; \text{text}[b:e] \text{ is a word}}
# \bigl(\text{best}(b) + \log p(\text{text}[b:e])\bigr)$$
#
# Fill the table from left to right and remember where each best last word begins; then read back from the right.

# %%
best, begins = [0.0], [None]
longest = max(len(word) for word in scores)
for end in range(1, len(text) + 1):
    near = range(max(0, end - longest), end)  # no word that ends here begins before
    choices = [(best[b] + scores[text[b:end]], b) for b in near if text[b:end] in scores]
    best.append(max(choices)[0])
    begins.append(max(choices)[1])
    tried = "   ".join(f"{text[b:end]} {total:.2f}" for total, b in choices)
    print(f"best({end}) = {best[end]:7.2f}   last word {text[begins[end] : end]}   of  {tried}")

words, end = [], len(text)
while end:
    words.insert(0, text[begins[end] : end])
    end = begins[end]
print(" / ".join(words))

# %% [markdown]
# `minisora.text.viterbi.Segmenter` is this table; `unknown` is its score for a single character that is no word. It
# agrees with our table, and both with the trial of all ways.

# %%
from minisora.text.viterbi import Segmenter

found, total = Segmenter(scores, unknown=-20.0).best(text)
print(found, round(total, 3))
assert found == words == max(cut_in_all_ways)[1] == ["研究", "生命", "起源"]
np.testing.assert_allclose([total, max(cut_in_all_ways)[0]], best[-1])

# %% [markdown]
# ## Where the words come from
#
# 词表：从没有切分过的文本里自己学出来。
#
# Nobody wrote the probabilities of a real vocabulary by hand. `learn_words` (`minisora/text/unigram.py`) takes
# frequent substrings as first candidates. Then it repeats two things: it estimates how often each word is expected in
# the texts, over all segmentations, weighed by their probabilities (expectation-maximisation, EM), and it drops the
# words that the texts would miss least, until the vocabulary is small enough. We give it three thousand questions of
# the corpus that comes with minisora, and let it learn 800 tokens, single characters among them.

# %%
from minisora.corpus import train_sample

questions = [drawn.source.rpartition("|")[2] for drawn in train_sample(3000)]  # facts|earlier turns|the question
print(questions[:3])
in_words = SoraTokenizer.learn(questions, kind="words", vocab_size=261 + 800)
for sentence in (question, "明天北京要带伞吗？"):
    print(in_words.labels(sentence), in_words.encode(sentence))
    assert in_words.decode(in_words.encode(sentence)) == sentence
print(sum(len(token) > 1 for token in in_words.tokens[261:]), "of the 800 are longer than one character")
for piece in ("今天", "天气怎么样", "北京"):
    print(piece, "in", sum(piece in asked for asked in questions), "questions, a word:", piece in in_words.tokens)

# %% [markdown]
# What it finds depends on the texts: it knows nothing of grammar. How much the texts would miss a word is its count
# times the price of doing without, $\log p(w)$ minus the score of its best other segmentation. A whole phrase would
# take many tokens, so it may be one word, while a city of two characters, found as often, is not: there is no room for
# all.
#
# ## Labels
#
# 标签：每个编号对应原文的哪一段。
#
# Wherever attention is drawn later (from lesson 3 on), someone has to say which piece of the text a row or a column
# is. `labels` gives the slice that each token covers, `offsets` its place. A byte is shown as a part of its character.

# %%
sentence = "今天有饕"
for token, label, (start, stop) in zip(small.encode(sentence), small.labels(sentence), small.offsets(sentence)):
    print(f"{token:4d}  {label}\t[{start}:{stop}] = {sentence[start:stop]}")
assert len(small.labels(sentence)) == len(small.encode(sentence)) == 2 + 3 + 3

# %% [markdown]
# 有 was not learnt either, so it takes three bytes as well.
#
# ## Padding
#
# 填充：长短不同的句子排成一个矩形，并记住哪些格子是真的。
#
# A model reads several sentences at once, a batch of B. An array has rows of one length, sentences do not. Short ones
# are filled up with `<pad>`, id 0, and a mask (B, S) says which places are tokens: True (printed as 1) = this is one,
# and may be looked at. What attention does with the mask is lesson 5.

# %%
batch = [question, "明天呢？", "下雨吗？"]
ids, mask = small.pad(small.encode(batch))
print(ids)  # (B, S)
print(mask.astype(int))
lengths = mask.sum(axis=1)
assert ids.shape == (3, lengths.max())
assert (ids[~mask] == small.pad_id).all() and (ids[mask] != small.pad_id).all()

# %% [markdown]
# (The second row is longer than its four characters: 呢 is spelt in bytes.)
#
# ## A row of a table
#
# 词嵌入：每个编号取出表里的一行。
#
# Now a trained model. Its tokenizer has learnt from other texts, so the ids of the question are others. Its embedding
# is a table $E$ of shape (V, D): a row of $D$ numbers for each of the $V$ tokens. Training has set them; a token's
# meaning, for this model, is what these numbers do further on. To look a row up is the same as to multiply with a
# one-hot vector, 1 at the place $i$ and 0 elsewhere: $E[i] = \text{onehot}(i)\, E$. A product can be differentiated, so
# training gets a gradient for $E$ (exercise 3) although there is none for whole numbers like ids.

# %%
model, tokenizer, _ = load("sora/sora-base")
ids = tokenizer.encode(question, return_tensors="np")  # (1, S)
E = model.encoder.embedded.embedding.table.data  # (V, D)
V, D = E.shape
S = ids.shape[1]
print("V, D =", E.shape, " ids", ids)

one_hot = np.zeros((S, V), E.dtype)  # (S, V)
one_hot[np.arange(S), ids[0]] = 1
np.testing.assert_array_equal(one_hot @ E, E[ids[0]])  # (S, D)
print("first numbers of 天:", E[ids[0, 1], :6])

# %% [markdown]
# ## Times the square root of D
#
# 缩放：乘以 $\sqrt{D}$，使向量的方差约为 1。
#
# `TokenEmbedding` returns $\sqrt{D}\,E[\text{ids}]$. At the start of a training, $E$ is drawn with variance $1/D$,
# and there are two reasons for that pair of factors. The vectors must be about as large as the positions that are
# added to them, which lie between -1 and 1: $\sqrt{D}\,E$ has variance $D \cdot \frac{1}{D} = 1$. And the same table
# may be used at the end, where the model has computed a vector $h$ (D,) and gives every token $w$ a number
# $h \cdot E_w$, its logit: the larger, the more probable. That is a sum of $D$ products; with independent $h_j$ of mean
# 0 and variance 1 it has variance $D \cdot 1 \cdot \frac{1}{D} = 1$. Without the factor one of the two would be off by
# $\sqrt{D}$. Training may change all this; the last line printed is about the trained table.

# %%
from minisora.layers.embedding import TokenEmbedding

fresh = TokenEmbedding(vocab_size=1000, d_model=256, rng=np.random.default_rng(0))
vectors = fresh(np.arange(1000))  # (V, D)
h = np.random.default_rng(1).normal(size=(1000, 256))
logits = (h * fresh.table.data).sum(axis=1)  # (V,), one h for each token
print(f"variances: table {fresh.table.data.var():.5f} = 1/{1 / fresh.table.data.var():.0f}, "
      f"embedded {vectors.var():.3f}, logits {logits.var():.3f}")  # fmt: skip
np.testing.assert_allclose([vectors.var(), logits.var()], 1, atol=0.15)

embedded, _ = model.encoder.embedded.embedding.forward(ids)  # (1, S, D)
np.testing.assert_allclose(embedded[0], math.sqrt(D) * E[ids[0]], rtol=1e-6)
print(f"trained: table {E.var():.5f} = 1/{1 / E.var():.0f}, D {D}, embedded {D * E.var():.3f}")

# %% [markdown]
# ## Positions
#
# 位置：同一个字站在不同的地方，要能分得开。
#
# The two 天 of 今天天气 have been the same vector so far. The encoder could not tell 天气今 from 今天气: attention, as
# lesson 3 shows, does not know the order of what it looks at. So a vector that depends on the place $t = 0, 1, \ldots$
# alone is added:
#
# $$P[t, 2i] = \sin\frac{t}{10000^{2i/D}}, \qquad P[t, 2i+1] = \cos\frac{t}{10000^{2i/D}}$$
#
# Each pair of columns, $2i$ and $2i+1$, is a clock hand: the first turns by one radian a step, the next ones ever more
# slowly. (The bundled model uses this table; others learn one, `SoraConfig(positions="learned")`.)

# %%
P = np.empty((S, D))
for t in range(S):
    for i in range(0, D, 2):
        angle = t / 10000 ** (i / D)
        P[t, i : i + 2] = math.sin(angle), math.cos(angle)
print(P[:4, :6])

from minisora.layers.positional import sinusoidal_table

np.testing.assert_allclose(P, sinusoidal_table(S, D), atol=1e-12)

# %% [markdown]
# ## What the encoder reads
#
# 相加：字的向量加上位置的向量，就是编码器看到的输入。
#
# $$x_t = \sqrt{D}\, E[\text{id}_t] + P_t$$
#
# That is all of `model.encoder.embedded` (in training it also sets some values to 0 at random, which is called
# dropout). Like every `forward` it returns a cache beside its output: what the way back will need, here one entry for
# each of its three parts. The difference of the two 天 is now the difference of their positions, and nothing else.

# %%
assert model.config.positions == "sinusoidal"
x = math.sqrt(D) * E[ids[0]] + P  # (S, D)
from_model, cache = model.encoder.embedded.forward(ids)  # (1, S, D)
np.testing.assert_allclose(x, from_model[0], atol=1e-5)
print("x", x.shape, cache._fields)

first, second = x[1], x[2]  # 天 and 天
np.testing.assert_allclose(second - first, P[2] - P[1], atol=1e-5)
print("天 - 天 =", (second - first)[:6])
print("P - P   =", (P[2] - P[1])[:6])

# %% [markdown]
# The three arrays, a row for each character, and the first `columns` columns. Find the two equal rows on the left; on
# the right they are equal no more, most of all in the first columns. In the middle the fast hands stand at the left
# edge; further to the right they turn ever more slowly, and over one question hardly move: a stripe from top to bottom
# is a cosine that stays near 1, beside a sine that stays near 0.

# %%
from minisora.plotting import chinese_font
from minisora.plotting.canvas import canvas


@chinese_font()
def side_by_side(arrays, tokens, columns=48):
    """Return a figure with arrays (S, D) as panels, a row for each token."""
    figure = canvas(11, 2.8)
    axes = figure.subplots(1, len(arrays), sharey=True)
    for place, (title, array) in zip(axes, arrays.items(), strict=True):
        image = place.imshow(array[:, :columns], cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto", interpolation="nearest")
        place.set_title(title, fontsize=10)
        place.set_yticks(range(len(tokens)), tokens)
        place.set_xlabel("column", fontsize=8)
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01, extend="both")
    return figure


side_by_side({"√D E[ids]": embedded[0], "P": P, "their sum, x": x}, list(question))

# %% [markdown]
# ## Exercises
#
# 练习：每一题都有断言告诉你做对了没有。
#
# 1. Code points below U+0080 take one byte, `0zzzzzzz`; below U+0800 two, `110yyyyy 10zzzzzz`; from U+10000 on four,
#    `11110www 10xxxxxx 10yyyyyy 10zzzzzz`. Write a function that gives the ids of any one character outside the
#    vocabulary, without `str.encode`, and let this loop pass:
#    `for character in "Aé饕🐉": assert ids_of(character) == small.encode(character)`.
# 2. Change one number in `p` so that 研究生 / 命 / 起源 becomes the best segmentation. First work out on paper which
#    inequality must hold, and by which factor the product of the probabilities has to change; then
#    `assert Segmenter({w: math.log(q) for w, q in p.items()}, -20.0).segment(text) == ["研究生", "命", "起源"]`.
# 3. Write $\mathrm{d}a$ for the gradient of $a$: the derivatives of the loss by the numbers of $a$. Since
#    $\text{out} = \sqrt{D}\; \text{onehot}\; E$, it is $\mathrm{d}E = \sqrt{D}\; \text{onehot}^\top
#    \mathrm{d}\text{out}$. Compute it for the question's `one_hot` and a random `dout` (1, S, D). A new
#    `embedding = TokenEmbedding(V, D, rng=...)` has a gradient of zeros, to which `embedding.backward(dout, cache)`
#    adds; it returns nothing, for ids have no gradient. `cache` comes from `embedding.forward(ids)`. Hold
#    `embedding.table.grad` against yours with `np.testing.assert_allclose(..., rtol=1e-4, atol=1e-5)`, for it is
#    float32. Which rows of `dout` arrive at the row of 天? Then write it as `grad[ids] += ...`, see your assertion
#    fail, and say why. The library's own check of this is `minisora gradcheck --layer TokenEmbedding`.
