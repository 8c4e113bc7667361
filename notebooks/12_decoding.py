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
# saves. The cached logits are those of the whole forward pass, which is shown, too.
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
bos, eos = model.config.bos_id, model.config.eos_id


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
# as the next one. This request has several right answers: in training, one of four kinds of verse followed upon it. Two
# of them begin with the first keyword, one with 一 and one with 我.

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
# likely everywhere. The token whose piece is hit is drawn:
#
# $$\sum_{v < w} p_v \;\le\; u \;<\; \sum_{v \le w} p_v$$

# %%
edges = p[best].cumsum()
for character, left, right in zip(shown[:4], [0, *edges], edges, strict=False):
    print(f"{character} is drawn for u from {left:.3f} to {right:.3f}")

u = np.random.default_rng(12).random(20_000)
scaled = (logits - logits.max(axis=-1, keepdims=True)).astype(np.float64)  # (1, V), the largest 0
drawn = draw(np.repeat(scaled[:, best], len(u), axis=0), u)  # among the eight shown
shares = np.bincount(drawn, minlength=len(best)) / len(u)
expected = p[best] / p[best].sum()
print("drawn   ", shares)
print("expected", expected)
np.testing.assert_allclose(shares, expected, atol=0.015)

# %% [markdown]
# `generate` does this for whole texts. What is drawn depends on `seed` and on the text alone, so the same seed gives
# the same answer, whatever else is in the batch.

# %%
answers = Counter(
    generate(model, tokenizer, tokenizer, [request], temperature=1.0, seed=seed)[0].text for seed in range(40)
)
for text, count in answers.most_common(6):
    print(count, text)
again = [generate(model, tokenizer, tokenizer, texts, temperature=1.0, seed=7)[0].text for texts in ([request],) * 2]
assert again[0] == again[1] and len(answers) > 1

# %% [markdown]
# ## Temperature
#
# 温度：低则保守，高则大胆。
#
# $$p_v(\tau) = \frac{e^{\ell_v / \tau}}{\sum_u e^{\ell_u / \tau}}$$
#
# For $\tau \to 0$ the largest logit takes everything: greedy decoding. For $\tau = 1$ it is the model's own
# distribution. For $\tau \to \infty$ every token is equally probable, the nonsense ones too.

# %%
panels = {f"τ = {tau}": softmax(logits / tau)[0, best] for tau in (0.3, 1.0, 3.0)}
plot_distributions(panels, shown)

# %%
V = logits.shape[-1]
for tau in (0.1, 0.3, 1.0, 3.0, 100.0):
    q = softmax(logits / tau)[0]
    entropy = -(q * np.log(np.maximum(q, 1e-300))).sum()
    print(f"τ = {tau:5}: largest {q.max():.3f}, beyond the eight shown {1 - q[best].sum():.3f}, {entropy:.2f} nats")
np.testing.assert_allclose(softmax(logits / 1e6)[0], 1 / V, rtol=1e-3)

# %% [markdown]
# At a high temperature much of the probability goes to tokens that nobody wants: each is rare, but they are many.

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
# How wide is the nucleus at each step of the greedy verse? At the beginning several verses are possible. Once one has
# begun, the rest is nearly certain, and top-k with a fixed $k$ would keep nonsense there.

# %%
read = np.array([[bos, *by_hand[:-1]]])
steps = model.decoder(read, memory, source_ids=source_ids)[0]  # (T, V)
sizes = np.isfinite(top_p(steps, 0.9)).sum(axis=-1)
for token, size, one in zip(by_hand, sizes, softmax(steps), strict=True):
    print(tokenizer.decode([token]) or "终", f"probability {one[token]:.3f}, nucleus of {size}")

# %% [markdown]
# ## Greedy is short-sighted
#
# 贪心的短视：眼前最大的，不一定通向最好的整句。
#
# A sentence has the probability $P(Y) = \prod_t p(y_t \mid y_{<t})$. The most probable first character need not begin
# the most probable sentence. Here is a language of a few sentences, small enough to see it all:

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
# instead of multiplying probabilities, and keeps the $K$ best of these. `BeamTree` is minisora's bookkeeping; we feed
# it our language, with $K = 2$.


# %%
def log_probabilities(text):
    """Of every token of the vocabulary after a text, (V,); after two characters the end is certain."""
    row = np.full(V, -np.inf)
    for character, probability in language.get(text, {"": 1.0}).items():
        row[tokenizer.encode(character)[0] if character else eos] = np.log(probability)
    return row


def search(beams, alpha=0.0):
    """Beam search in the language: the tree."""
    tree, texts = BeamTree(beams, alpha, eos), [""] * beams
    while tree.live:
        rows = np.array([log_probabilities(text) for text in texts])  # (K, V)
        tokens = np.argsort(-rows, axis=-1, kind="stable")
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
    print(f"step {node.step}: {text:8} probability {np.exp(node.total):.4f}")
assert winner(tree) == max(sentences, key=sentences.get) == "小雨"
plot_beam_tree(tree.nodes, tokenizer)

# %% [markdown]
# 天, 空 and 雪 are missing: they were not among the best of their step, so their branches were never begun. Beside each
# sentence stands its score, here the logarithm of its probability. With $K = 1$ the tree is a path, and it is the
# greedy one:

# %%
path = search(beams=1)
assert winner(path) == "晴朗"
plot_beam_tree(path.nodes, tokenizer)

# %% [markdown]
# ## The length penalty
#
# 长度惩罚：句子越长，概率越小；比较之前先除以长度的函数。
#
# Each further token makes $\log P$ smaller, so plain beam search prefers short answers. Hypotheses are compared by
#
# $$\mathrm{score}(Y) = \frac{\log P(Y)}{\mathrm{lp}(Y)}, \qquad
# \mathrm{lp}(Y) = \left(\frac{5 + |Y|}{6}\right)^\alpha$$
#
# $\alpha = 0$ compares probabilities; $\alpha = 1$ comes near to comparing means. $|Y|$ counts the end token.

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
# All hypotheses of all steps come back with `return_beams=True`. For the best one we run the whole decoder once over
# its tokens and add up the logarithms; that must be its total.

# %%
found = generate(model, tokenizer, tokenizer, [request], beams=4, n_best=4, return_beams=True)[0]
for hypothesis in found.hypotheses:
    print(f"{hypothesis.score:.3f}", hypothesis.text)

said = [*found.hypotheses[0].ids, eos]
steps = model.decoder(np.array([[bos, *said[:-1]]]), memory, source_ids=source_ids)[0]
total = np.log(softmax(steps)[np.arange(len(said)), said]).sum()
np.testing.assert_allclose(found.hypotheses[0].score, total / length_penalty(len(said), 0.6), rtol=1e-4)
print(f"log P = {total:.4f}, divided by lp = {length_penalty(len(said), 0.6):.4f}")

# %% [markdown]
# The tree of this search: blue is the best hypothesis, grey is what led nowhere. The wider a line, the more probable
# its token.

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
# Is it the same? We copy the parameters into a model of float64 and compare all steps.

# %%
exact = SoraModel(model.config, np.random.default_rng(0), dtype=np.float64)
for (_, ours), (_, theirs) in zip(exact.parameters(), model.parameters(), strict=True):
    ours.data[...] = theirs.data

memory64 = exact.encoder(source_ids)
whole = exact.decoder(read, memory64, source_ids=source_ids)  # (1, T, V), all at once
state = exact.decoder.start(memory64, max_len=read.shape[1], source_ids=source_ids)
for t, token in enumerate(read[0]):
    stepped, state = exact.decoder.step(np.array([token]), state)  # (1, V)
    np.testing.assert_allclose(stepped, whole[:, t], rtol=0, atol=1e-12 * np.abs(whole).max())
keys, values = state.layers[0].past()
print("keys of the past", keys.shape, "(B, H, T, d_k); of the memory", state.layers[0].memory[0].shape)

# %% [markdown]
# ## Counting multiplications
#
# 数一数乘法：公式与实际完全一致。
#
# Let $t$ be the number of tokens so far, $N$ the layers, $F$ = d_ff. Without the cache the step to token $t + 1$ costs,
# in products of matrices,
#
# $$N \big(\underbrace{4tD^2 + 2t^2D}_{\text{self}} + \underbrace{2tD^2 + 2SD^2 + 2tSD}_{\text{cross}} +
# \underbrace{2tDF}_{\text{feed-forward}}\big) + tDV$$
#
# With the cache every product has one row instead of $t$, the attention one query, and the memory is paid for once:
#
# $$N \big(4D^2 + 2tD + 2D^2 + 2SD + 2DF\big) + DV, \qquad \text{at the start } 2NSD^2$$
#
# We do not have to believe it. An array of this class counts the multiplications of every matrix product that it takes
# part in, and what it touches becomes such an array. If the parameters are of it, all is counted.


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
# of sora-base, without a copy head.

# %%
config = replace(model.config, copy=False)
fresh = SoraModel(config, np.random.default_rng(1))
for _, parameter in fresh.parameters():
    parameter.data = parameter.data.view(Counted)
N, D, F, V, S = config.num_decoder_layers, config.d_model, config.d_ff, config.target_vocab_size, source_ids.shape[1]
memory = fresh.encoder(source_ids)
state, at_start = counted(fresh.decoder.start, memory, max_len=48)
assert at_start == 2 * N * S * D**2

uncached, cached = [], []
for t in range(1, 49):
    ids = np.full((1, t), 5)  # any token
    uncached.append(counted(fresh.decoder, ids, memory)[1])
    assert uncached[-1] == N * (4*t*D**2 + 2*t*t*D + 2*t*D**2 + 2*S*D**2 + 2*t*S*D + 2*t*D*F) + t*D*V  # fmt: skip
    (_, state), cost = counted(fresh.decoder.step, ids[:, -1], state)
    cached.append(cost)
    assert cached[-1] == N * (6 * D**2 + 2 * t * D + 2 * S * D + 2 * D * F) + D * V
print(f"token 1: {uncached[0]:,} and {cached[0]:,}; token 48: {uncached[-1]:,} and {cached[-1]:,}")
print(f"48 tokens: {sum(uncached):,} without, {at_start + sum(cached):,} with the cache")

# %%
curves = {
    "one more token": {"without cache": uncached, "with cache": cached},
    "the whole text so far": {"without cache": np.cumsum(uncached), "with cache": at_start + np.cumsum(cached)},
}
plot_curves(curves, 1, "tokens", "multiplications")

# %% [markdown]
# Without the cache a text of $T$ tokens costs about $T^2 / 2$ times a token, and attention's share even grows as $T^3$;
# with it, $T$ times, and $T^2$ for the attention. The price is memory: $2 N T D$ numbers for each text. The time that
# is saved is less than the count says, because products with one row use a processor badly: `minisora bench generation`
# measures it.
#
# When hypotheses of a beam change places, their caches must follow: `state.reorder(rows)`. A beam that forgets this
# continues one sentence with the past of another.

# %%
state = model.decoder.start(model.encoder(source_ids), max_len=8, source_ids=source_ids)
state.reorder(np.array([0, 0]))  # two hypotheses of one source
_, state = model.decoder.step(np.array([bos, bos]), state)
_, state = model.decoder.step(best[:2], state)  # each begins with another character
state.reorder(np.array([1, 0]))
swapped, _ = model.decoder.step(np.array([eos, eos]), state)
straight = model.decoder(
    np.array([[bos, best[1], eos], [bos, best[0], eos]]),
    model.encoder(np.repeat(source_ids, 2, axis=0)),
    source_ids=np.repeat(source_ids, 2, axis=0),
)
np.testing.assert_allclose(swapped, straight[:, -1], rtol=0, atol=1e-5 * np.abs(straight).max())

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Min-p keeps the tokens whose probability is at least $p$ times the largest one. Write `min_p(logits, p)` in the
#    manner of `minisora.generation.filters`. With p = 1 it must equal `top_k(logits, 1)`, with a tiny p it must return
#    the logits; say both with `np.testing.assert_array_equal`. Then print, as above, how many tokens it keeps at each
#    step.
# 2. In the little language, `search(beams=5)` finds the best sentence in any case; why? Add a third first character so
#    that `search(beams=2)` misses the best sentence, and say so with
#    `assert winner(search(2)) != max(sentences, key=sentences.get)`.
# 3. Count a third way: with the cache of the self-attention, but with the memory's keys and values computed anew at
#    each step (`minisora.layers.decoder_state.remember`). Write the formula first, then let `Counted` confirm it with
#    `assert`.
