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
# # Decoding: from probabilities to a text
#
# *50 minutes. Builds on: lessons 05, 06 and 08 (masks, positions, the decoder). 目标：贪心、采样、束搜索与键值缓存。*
#
# At the end you will have written greedy decoding, seen what temperature, top-k and top-p make of a distribution, drawn
# a beam search as a tree and worked out its scores by hand, and counted the multiplications that the key/value cache
# saves. That the logits are the same with the cache and without it is shown, too.
#
# Open beside this lesson: `minisora/generation/` and `minisora/layers/decoder_state.py`.

# %%
from collections import Counter
from dataclasses import replace

import numpy as np

from minisora import SoraModel
from minisora.checkpoint import load
from minisora.generation import BeamTree, generate, greedy, length_penalty
from minisora.generation.choice import draw
from minisora.generation.filters import top_k, top_p
from minisora.plotting import plot_beam_tree, plot_curves, plot_distributions

np.set_printoptions(precision=3, suppress=True)
model, tokenizer, _ = load("sora/sora-base")
bos, eos = model.config.bos_id, model.config.eos_id  # <s>, which begins every answer, and </s>, which ends it


def softmax(logits):
    """Probabilities of the last axis, in float64."""
    exps = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


# %% [markdown]
# ## The model gives a distribution
#
# 模型只给出下一个字的概率；怎样选，是解码的事。
#
# Given a question and what has been written so far, the decoder's last row of logits says how probable every token is
# as the next one. This request, for a short verse about two keywords, has several right answers: in training, one of
# four kinds of verse followed upon it, each as often as the others. Two of them begin with the first keyword, one with
# 一 and one with 我, so the shares to be learned are 1/2, 1/4 and 1/4. (`source_ids`, the question itself, is for
# models with a copy head, see lesson 09; others do not look at it.)

# %%
request = "关键词=明月、故乡|写一首小诗。"
source_ids = tokenizer.encode(request, return_tensors="np")  # (B, S)
memory = model.encoder(source_ids)  # (B, S, D)
logits = model.decoder(np.array([[bos]]), memory, source_ids=source_ids)[:, -1]  # (B, V)
p = softmax(logits)[0]
best = np.argsort(-p)[:8]
shown = [tokenizer.decode([token]) for token in best]
plot_distributions({"the first character": p[best]}, shown)

# %% [markdown]
# ## Greedy: always the most probable one
#
# 贪心：每一步都取概率最大的字。
#
# The simplest choice, written out: take the largest, append it, ask again, until the end-of-sequence token comes.


# %%
def write(choose, max_len=40):
    """Write an answer to the request; ``choose`` maps logits (V,) to a token."""
    written = [bos]
    while written[-1] != eos and len(written) <= max_len:
        logits = model.decoder(np.array([written]), memory, source_ids=source_ids)  # (1, T, V)
        written.append(int(choose(logits[0, -1])))
    return written[1:]


by_hand = write(np.argmax)
print(tokenizer.decode(by_hand, skip_special_tokens=True))
assert by_hand[:-1] == greedy(model, source_ids)[0]

# %% [markdown]
# Greedy decoding is what a model should do where one answer is right. Here it always writes the same verse.

# %% [markdown]
# ## Sampling: draw from the distribution
#
# 采样：按概率抽取，而不是总取最大的。
#
# Line the probabilities up on the interval from 0 to 1, each with its own width, and throw a number $u$ at it, equally
# likely everywhere. The token whose piece is hit is drawn. With $v < w$ for "$v$ lies to the left of $w$", token $w$ is
# drawn for
#
# $$\sum_{v < w} p_v \;\le\; u \;<\; \sum_{v \le w} p_v$$
#
# With many numbers $u$ the shares of the tokens must come near to their probabilities. We draw among the eight shown,
# so their probabilities are divided by their sum, 0.997. `draw` takes logits of which the largest is 0.

# %%
edges = p[best].cumsum()
for character, left, right in zip(shown[:4], [0, *edges], edges, strict=False):
    print(f"{character} is drawn for u from {left:.3f} to {right:.3f}")

u = np.random.default_rng(12).random(20_000)
scaled = (logits - logits.max()).astype(np.float64)[:, best]  # (1, 8), the largest 0
drawn = draw(np.repeat(scaled, len(u), axis=0), u)
shares = np.bincount(drawn, minlength=len(best)) / len(u)
expected = p[best] / p[best].sum()
print(f"all eight have {p[best].sum():.3f}")
for character, share, probability in zip(shown, shares, expected, strict=True):
    print(f"{character} drawn {share:.4f}, expected {probability:.4f}")
np.testing.assert_allclose(shares, expected, atol=0.015)

# %% [markdown]
# `generate` does this for whole texts; its two tokenizers are that of the question and that of the answer, here one
# and the same. What is drawn depends on `seed` and on the text alone, so the same seed gives the same answer, whatever
# else is in the batch.

# %%
answers = Counter(
    generate(model, tokenizer, tokenizer, [request], temperature=1.0, seed=seed)[0].text for seed in range(40)
)
for text, count in answers.most_common():
    print(count, text)
batches = [request], ["关键词=春风、田野|写一首小诗。", request]
again = [generate(model, tokenizer, tokenizer, texts, temperature=1.0, seed=7)[-1].text for texts in batches]
print("alone and beside another:", *again)
assert again[0] == again[1] and len(answers) > 1

# %% [markdown]
# These are the four kinds of verse, and once a mixture of two: at its fourth character an improbable 入 was drawn.

# %% [markdown]
# ## Temperature
#
# 温度：低则保守，高则大胆。
#
# With $\ell_v$ for the logit of token $v$,
#
# $$p_v(\tau) = \frac{e^{\ell_v / \tau}}{\sum_w e^{\ell_w / \tau}}$$
#
# For $\tau \to 0$ the largest logit takes everything: greedy decoding. For $\tau = 1$ it is the model's own
# distribution. For $\tau \to \infty$ every token is equally probable, the nonsense ones too.
#
# The entropy, $-\sum_v p_v \ln p_v$ in nats, tells how open the choice is: 0 where one token is certain, $\ln V$ where
# all $V$ are equally probable.

# %%
panels = {f"τ = {tau}": softmax(logits / tau)[0, best] for tau in (0.3, 1.0, 3.0)}
plot_distributions(panels, shown)

# %%
V = logits.shape[-1]
for tau in (0.1, 0.3, 1.0, 3.0, 100.0):
    q = softmax(logits / tau)[0]
    entropy = -(q * np.log(np.maximum(q, 1e-300))).sum()
    beyond = 1 - q[best].sum()
    print(f"τ = {tau:5}: largest {q.max():.3f}, beyond the eight shown {beyond:.3f}, entropy {entropy:.2f} nats")
print(f"V = {V}, ln V = {np.log(V):.2f}")
np.testing.assert_allclose(softmax(logits / 1e6)[0], 1 / V, rtol=1e-3)

# %% [markdown]
# At a high temperature much of the probability goes to tokens that nobody wants: each is rare, but they are many. For
# $\tau = 3$ they have 0.70 together.

# %% [markdown]
# ## Top-k and top-p: cut the tail
#
# 截断：只在前 k 个里抽，或只在累计概率达到 p 的最小集合里抽。
#
# **Top-k** keeps the $k$ most probable tokens, however probable they are. **Top-p** keeps the nucleus: the fewest
# tokens, most probable first, whose probabilities reach $p$ together; it is narrow where the model is sure and wide
# where it is not. What is left is divided by its sum. In the code the others get the logit $-\infty$.

# %%
panels = {
    "all": softmax(logits),
    "top-k, k = 2": softmax(top_k(logits, 2)),
    "top-p, p = 0.9": softmax(top_p(logits, 0.9)),
}
plot_distributions({title: q[0, best] for title, q in panels.items()}, shown)

# %%
order = np.argsort(-p)  # by hand
nucleus = order[: 1 + np.flatnonzero(p[order].cumsum() >= 0.9)[0]]
kept = np.flatnonzero(np.isfinite(top_p(logits, 0.9)[0]))
assert set(nucleus) == set(kept) and p[kept].sum() >= 0.9 > p[nucleus[:-1]].sum()
assert np.isfinite(top_k(logits, 2)).sum() == 2
np.testing.assert_allclose(softmax(top_p(logits, 0.9))[0, nucleus], p[nucleus] / p[nucleus].sum(), rtol=1e-6)

# %% [markdown]
# How wide is the nucleus at each step of the greedy verse? At the first character all verses are possible, and at the
# third once more two, 明月年… and 明月入…. The rest is nearly certain, and top-k with a fixed $k$ above 1 would keep
# nonsense there.

# %%
read = np.array([[bos, *by_hand[:-1]]])  # (1, T), what the decoder has read when it writes each token
steps = model.decoder(read, memory, source_ids=source_ids)[0]  # (T, V)
sizes = np.isfinite(top_p(steps, 0.9)).sum(axis=-1)
for token, size, one in zip(by_hand, sizes, softmax(steps), strict=True):
    print(tokenizer.decode([token]) or "终", f"probability {one[token]:.3f}, nucleus of {size}")

# %% [markdown]
# ## Greedy is short-sighted
#
# 贪心的短视：眼前最大的，不一定通向最好的整句。
#
# A sentence $Y = y_1 \dots y_T$ has the probability $P(Y) = \prod_t p(y_t \mid y_{<t})$. The most probable first
# character need not begin the most probable sentence. Here is a language of a few sentences, small enough to see it
# all:

# %%
language = {
    "": {"晴": 0.55, "小": 0.45},
    "晴": {"朗": 0.4, "天": 0.35, "空": 0.25},
    "小": {"雨": 0.95, "雪": 0.05},
}
sentences = {a + b: language[""][a] * language[a][b] for a in language[""] for b in language[a]}
for text, probability in sentences.items():
    print(text, f"{probability:.4f}")
np.testing.assert_allclose(sum(sentences.values()), 1)

# %% [markdown]
# Greedy takes 晴, and ends at 晴朗 with 0.22. The best sentence is 小雨 with 0.4275.
#
# ## The beam is a tree
#
# 束搜索：每一步保留 K 个最好的半句，它们合起来是一棵树。
#
# Beam search keeps the $K$ best beginnings. At each step it looks at all continuations of all of them, adds logarithms
# instead of multiplying probabilities, and keeps the $K$ best of these. What has reached its end leaves the beam, and
# the $K$ best of the others go on. The search is over when $K$ have ended and none that goes on scores better.
#
# `BeamTree` is minisora's bookkeeping; we feed it our language, with $K = 2$. Its `advance` takes a step: it is told
# the most probable tokens after each of the $K$ texts, with their logarithms, and answers with $K$ pairs, the row that
# is continued and the token that it gets. Its `alpha` is for the length penalty, which comes below; 0 is none.


# %%
def log_probabilities(text):
    """Of every token of the vocabulary after a text, (V,); after two characters the end is certain."""
    row = np.full(V, -np.inf)
    for character, probability in language.get(text, {"": 1.0}).items():
        row[tokenizer.encode(character)[0] if character else eos] = np.log(probability)
    return row


def search(beams, alpha=0.0):
    """Beam search in the language: the tree."""
    tree, texts = BeamTree(beams, alpha, eos), [""] * beams  # at the first step only row 0 counts
    while tree.live:  # until no text goes on
        rows = np.array([log_probabilities(text) for text in texts])  # (K, V)
        tokens = np.argsort(-rows, axis=-1, kind="stable")  # the most probable first
        going = tree.advance(np.take_along_axis(rows, tokens, axis=-1), tokens, first_row=0)
        texts = [texts[row] + tokenizer.decode([token]) for row, token in going]
    return tree


def winner(tree):
    """The text with the best score."""
    return tokenizer.decode(tree.ids(tree.best(1)[0]))


# %%
tree = search(beams=2)
for place, node in enumerate(tree.nodes):
    text = "".join(tokenizer.tokens[one.token] for one in tree.trace(place))
    print(f"step {node.step}: log P = {node.total:.3f}, P = {np.exp(node.total):.4f}, {text}")
assert winner(tree) == max(sentences, key=sentences.get) == "小雨"
np.testing.assert_allclose(tree.nodes[tree.best(1)[0]].score, np.log(0.45) + np.log(0.95))  # by hand
plot_beam_tree(tree.nodes, tokenizer)

# %% [markdown]
# 天, 空 and 雪 are missing: they were not among the best of their step, so their branches were never begun. Beside each
# sentence stands its score, here the logarithm of its probability; blue is the best. The wider a line, the more
# probable its token. With $K = 1$ the tree is a path, and it is the greedy one:

# %%
path = search(beams=1)
assert winner(path) == "晴朗"
plot_beam_tree(path.nodes, tokenizer)

# %% [markdown]
# ## The length penalty
#
# 长度惩罚：句子越长，概率越小；比较之前先除以长度的函数。
#
# Each further token makes $\log P$ smaller, so plain beam search prefers short answers. The texts of a beam, called
# hypotheses, are therefore compared by
#
# $$\mathrm{score}(Y) = \frac{\log P(Y)}{\mathrm{lp}(Y)}, \qquad
# \mathrm{lp}(Y) = \left(\frac{5 + |Y|}{6}\right)^\alpha$$
#
# $|Y|$ counts the end token. $\log P$ is negative, so a larger divisor makes the score better, and more so for the
# longer text. $\alpha = 0$ compares probabilities; $\alpha = 1$ comes near to comparing means, $\log P(Y) / |Y|$. Here
# are two answers with a $\log P$ that we make up:

# %%
short, long = ("晴。", 3, -1.5), ("今天天气晴朗，气温适中。", 13, -2.1)  # text, length with the end, log P
for alpha in (0.0, 0.3, 0.6, 1.0):
    scores = {text: total / length_penalty(length, alpha) for text, length, total in (short, long)}
    print(f"alpha = {alpha}:", *(f"{text} {score:.3f} " for text, score in scores.items()))
    print("             the better one is", max(scores, key=scores.get))
    np.testing.assert_allclose(scores[short[0]], -1.5 / ((5 + 3) / 6) ** alpha)

# %% [markdown]
# ## The beam of sora-base
#
# 真实模型的束：分数可以一步一步地核对。
#
# All hypotheses of all steps come back with `return_beams=True`. If nothing else is said, $\alpha$ is 0.6. For the best
# hypothesis we run the whole decoder once over its tokens, add up the logarithms of their probabilities and divide by
# lp; that must be its score.

# %%
found = generate(model, tokenizer, tokenizer, [request], beams=4, n_best=4, return_beams=True)[0]
for hypothesis in found.hypotheses:
    print(f"{hypothesis.score:.3f}", hypothesis.text)

said = [*found.hypotheses[0].ids, eos]
said_logits = model.decoder(np.array([[bos, *said[:-1]]]), memory, source_ids=source_ids)[0]  # (T, V)
total = np.log(softmax(said_logits)[np.arange(len(said)), said]).sum()
lp = length_penalty(len(said), 0.6)
np.testing.assert_allclose(found.hypotheses[0].score, total / lp, rtol=1e-4)
print(f"log P = {total:.4f}, divided by lp = {lp:.4f}: {total / lp:.3f}")

# %% [markdown]
# The tree of this search: blue is the best hypothesis, black are the others that have ended, and pale grey is what led
# nowhere. At the last step four sentences end, and the four best of the others, all improbable, fill the beam: the pale
# characters at the right.

# %%
plot_beam_tree(found, tokenizer)

# %% [markdown]
# ## The key/value cache
#
# 键值缓存：已经算过的 K 和 V 不必再算。
#
# Our `write` above runs the whole decoder over the whole text for every new token. But the causal mask says that no
# later token changes an earlier vector. So of the past only the keys and values are needed again, and of the memory
# too: `decoder.start` computes the memory's keys and values once; `decoder.step` reads one token, appends one key and
# one value to each layer, and attends with one query.
#
# Is it the same? We copy the parameters into a model of float64, where rounding cannot hide a difference, and compare
# all steps of the greedy verse, `read`.

# %%
exact = SoraModel(model.config, np.random.default_rng(0), dtype=np.float64)
for (_, ours), (_, theirs) in zip(exact.parameters(), model.parameters(), strict=True):
    ours.data[...] = theirs.data

memory64 = exact.encoder(source_ids)
whole = exact.decoder(read, memory64, source_ids=source_ids)  # (1, T, V), all at once
state = exact.decoder.start(memory64, max_len=read.shape[1], source_ids=source_ids)
differences = []
for t, token in enumerate(read[0]):
    stepped, state = exact.decoder.step(np.array([token]), state)  # (1, V)
    differences.append(np.abs(stepped - whole[:, t]).max())
print(f"largest logit {np.abs(whole).max():.1f}, largest difference {max(differences):.0e}")
assert max(differences) < 1e-12 * np.abs(whole).max()
keys, values = state.layers[0].past()
print("keys of the past", keys.shape, "(B, H, T, d_k); of the memory", state.layers[0].memory[0].shape)

# %% [markdown]
# ## Counting multiplications
#
# 数一数乘法：公式与实际完全一致。
#
# Let $t$ be the number of tokens read so far, `<s>` among them, $S$ that of the question's tokens, $N$ the number of
# decoder layers, $F$ = d_ff. Without the cache the step to the next token costs, in products of matrices,
#
# $$N \big(\underbrace{4tD^2 + 2t^2D}_{\text{self}} + \underbrace{2tD^2 + 2SD^2 + 2tSD}_{\text{cross}} +
# \underbrace{2tDF}_{\text{feed-forward}}\big) + tDV$$
#
# In self-attention $4tD^2$ is for Q, K, V and the projection behind the heads, $2t^2D$ for the scores and the weighted
# sums. Cross-attention makes Q and its output of $t$ vectors, K and V of the $S$ vectors of the memory. $tDV$ is the
# projection to logits. With the cache every product has one row instead of $t$, the attention one query, and the memory
# is paid for once:
#
# $$N \big(4D^2 + 2tD + 2D^2 + 2SD + 2DF\big) + DV, \qquad \text{at the start } 2NSD^2$$
#
# We do not have to believe it. An array of this class counts the multiplications of every matrix product that it takes
# part in, and what it touches becomes such an array: NumPy calls its `__array_ufunc__` for every sum, product or
# function in which it stands. If the parameters are such arrays, all is counted.


# %%
class Counted(np.ndarray):
    """An array that counts multiplications in matrix products."""

    total = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [one.view(np.ndarray) if isinstance(one, Counted) else one for one in inputs]
        if out:
            options["out"] = tuple(one.view(np.ndarray) if isinstance(one, Counted) else one for one in out)
        result = getattr(ufunc, method)(*plain, **options)
        if ufunc is np.matmul:
            Counted.total += result.size * plain[0].shape[-1]
        return result.view(Counted) if isinstance(result, np.ndarray) else result


def counted(function, *arguments, **options):
    """What a function returns, and how many multiplications it took."""
    before = Counted.total
    return function(*arguments, **options), Counted.total - before


a, b = np.ones((3, 5)).view(Counted), np.ones((5, 7))
assert counted(np.matmul, a, b)[1] == 3 * 5 * 7

# %% [markdown]
# The numbers of multiplications depend on shapes alone, so a model with random parameters serves, here one of the shape
# of sora-base. (A copy head would need products that the formula does not have; `copy=False` leaves it out.)

# %%
config = replace(model.config, copy=False)
fresh = SoraModel(config, np.random.default_rng(1))
for _, parameter in fresh.parameters():
    parameter.data = parameter.data.view(Counted)
N, D, F, V, S = config.num_decoder_layers, config.d_model, config.d_ff, config.target_vocab_size, source_ids.shape[1]
fresh_memory = fresh.encoder(source_ids)
state, at_start = counted(fresh.decoder.start, fresh_memory, max_len=48)
assert at_start == 2 * N * S * D**2

uncached, cached = [], []
for t in range(1, 49):
    ids = np.full((1, t), 5)  # any token
    uncached.append(counted(fresh.decoder, ids, fresh_memory)[1])
    assert uncached[-1] == N * (4*t*D**2 + 2*t*t*D + 2*t*D**2 + 2*S*D**2 + 2*t*S*D + 2*t*D*F) + t*D*V  # fmt: skip
    (_, state), cost = counted(fresh.decoder.step, ids[:, -1], state)
    cached.append(cost)
    assert cached[-1] == N * (6 * D**2 + 2 * t * D + 2 * S * D + 2 * D * F) + D * V
every, with_cache = sum(uncached), at_start + sum(cached)
print(f"start:     {'':>13} without, {at_start:>10,} with the cache")
for name, without, cost in (("token 1", uncached[0], cached[0]), ("token 48", uncached[-1], cached[-1])):
    print(f"{name:10} {without:>13,} without, {cost:>10,} with the cache")
print(f"all 48     {every:>13,} without, {with_cache:>10,} with the cache: {every / with_cache:.1f} times as many")

# %% [markdown]
# The first token costs the same both ways, if the start is counted. The axis of the curves is logarithmic.

# %%
curves = {
    "one more token": {"without cache": uncached, "with cache": cached},
    "the whole text so far": {"without cache": np.cumsum(uncached), "with cache": at_start + np.cumsum(cached)},
}
plot_curves(curves, 1, "tokens", "multiplications")

# %% [markdown]
# Let $c$ be what a step with the cache costs, here 0.85 to 0.89 million. Without the cache step $t$ costs about $t$
# times as much, so a text of $T$ tokens costs about $T^2 c / 2$ instead of $T c$. Self-attention's scores and sums, a
# small part of $c$ as yet, grow as $T^3$ instead of $T^2$.
#
# The price is memory: keys and values of $T + S$ vectors in every layer, $2 N (T + S) D$ numbers for each text. The
# time that is saved is less than the count says, because products with one row use a processor badly:
# `minisora bench generation` measures it.

# %%
kept = sum(array.size for layer in state.layers for array in (*layer.past(), *layer.memory))
print(f"kept after 48 tokens: {kept:,} numbers")
assert kept == 2 * N * (48 + S) * D

# %% [markdown]
# When hypotheses of a beam change places, their caches must follow: `state.reorder(rows)`. (`beam_search` lets the
# hypotheses of a source share its memory, `state.widen(K)`, and moves the past alone.) A beam that forgets this
# continues one sentence with the past of another. Here 明 stands in the first row and 一 in the second. Then they
# change places: 一 goes on with 片, and 明 with 月.


# %%
def after_the_change(follow):
    """Logits (2, V) after 一片 and 明月; ``follow``: whether the caches change places, too."""
    state = model.decoder.start(memory, max_len=8, source_ids=source_ids)
    state.reorder(np.array([0, 0]))  # two hypotheses of one source
    for ids in ([bos, bos], tokenizer.encode("明一")):
        _, state = model.decoder.step(np.array(ids), state)
    if follow:
        state.reorder(np.array([1, 0]))
    return model.decoder.step(np.array(tokenizer.encode("片月")), state)[0]


# %%
pairs = np.array([[bos, *tokenizer.encode(text)] for text in ("一片", "明月")])
twice = {"memory": np.repeat(memory, 2, axis=0), "source_ids": np.repeat(source_ids, 2, axis=0)}
straight = model.decoder(pairs, **twice)[:, -1]  # without a cache
for follow in (True, False):
    logits_then = after_the_change(follow)
    texts = [text + tokenizer.decode([row.argmax()]) for text, row in zip(("一片", "明月"), logits_then, strict=True)]
    error = np.abs(logits_then - straight).max()
    print(f"caches {'follow' if follow else 'stay'}: {' '.join(texts)}, largest error of a logit {error:.1g}")
np.testing.assert_allclose(after_the_change(True), straight, rtol=0, atol=1e-5 * np.abs(straight).max())

# %% [markdown]
# The mistake is not seen in the text here: 明月入 begins a verse, too. The logits show it.

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Min-p keeps the tokens whose probability is at least $p$ times the largest one. Write `min_p(logits, p)` for logits
#    (B, V), in the manner of `minisora.generation.filters`: all other logits become $-\infty$. For the first
#    character's `logits` it must equal `top_k(logits, 1)` with p = 1 and return the logits with p = 1e-30; say both
#    with `np.testing.assert_array_equal`. Then print how many tokens of `steps`, the greedy verse's logits, it keeps at
#    each step with p = 0.1, beside `sizes`.
# 2. In the little language, `search(beams=5)` would find the best sentence whatever the probabilities were; why? Add a
#    third first character, such as 大, change the probabilities so that `search(beams=2)` misses the best sentence, and
#    compute `sentences` anew. Let `best_one = max(sentences, key=sentences.get)` and say
#    `assert winner(search(2)) != best_one == winner(search(len(sentences)))`.
# 3. Count a third way: with the cache of the self-attention, but with the memory's keys and values computed anew at
#    each step: give every `state.layers[i].memory` what `minisora.layers.decoder_state.remember` makes of
#    `fresh.decoder.stack.layers[i].cross_attention` and `fresh_memory`, then call `step`. Write the formula of a step
#    first, then let `Counted` confirm it for each $t$ with `assert`.
