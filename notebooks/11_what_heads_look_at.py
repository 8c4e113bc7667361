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
# # What the heads of sora-base look at
#
# *30 minutes. Builds on: 3 (one attention head), 6 (many heads and positions), 8 (encoder and decoder layer),
# 9 (cross-entropy and the whole backward). 目标：量一量每个头在看什么、看得多集中，再把它关掉，看要付出多少代价。*
#
# At the end you will have tables of what the heads of a trained model look at, measured and not guessed, know what
# entropy and rollout can and cannot say, and have switched heads off one by one to see which the answers need.

# %% [markdown]
# ## An answer with all its maps
#
# 一次回答，连同每一层、每个头的注意力图。
#
# sora-base, the trained model that comes with minisora, reads and writes single characters; source and target have one
# tokenizer. Before a question may stand facts: `name=value`, `;` between them, `|` behind the last. The first question
# below has none; its answer is learnt by heart, nobody told the model the weather.
#
# `generate(..., return_attention=True)` gives with each answer its `AttentionMaps`: for every layer the weights of the
# encoder's self-attention (H, S, S), of the decoder's (H, T, T), and of the cross-attention (H, T, S), with H heads, S
# characters of the source, and T of the answer, its end counted. The decoder reads the begin token first, so row $t$
# belongs to the choice of token $t$, the last row to that of the end.

# %%
import numpy as np

from minisora.checkpoint import load
from minisora.generation import generate

model, tokenizer, _ = load("sora/sora-base")
config = model.config
question = "今天天气怎么样？"
with_facts = "城市=北京;日期=明天;天气=小雨|明天北京要带伞吗？"
answers = {text: generate(model, tokenizer, tokenizer, [text], return_attention=True)[0].hypotheses[0] for text in
           (question, with_facts)}  # fmt: skip
for text, answer in answers.items():
    print(text, "→", answer.text)
    for kind, layers in answer.attention._asdict().items():
        print(f"    {kind:8} {len(layers)} layers of {layers[0].shape}")
assert answers[question].text == "今天天气晴朗，气温适中。"
assert answers[with_facts].text == "明天北京有小雨，建议带伞。"

# %% [markdown]
# Here are all heads of the last cross-attention, for the first question; beside each row stands the character that is
# chosen with it, 终 is the end. A row is *sharp* where one key has nearly all its weight, *even* where all keys have
# the same, and one can tell a story about each. The point of this lesson is to tell less and to measure more.

# %%
from minisora.plotting import plot_attention

maps = answers[question].attention
plot_attention(maps.cross[-1], list(question), [*answers[question].text, "终"], values=False)

# %% [markdown]
# ## Measuring what a head looks at
#
# 量化：它看前一个字、后一个字、自己、同样的字，还是标点？
#
# One picture is one sentence. So we take two dozen questions that training never showed, and of every head of the
# encoder the weight that a query puts on certain keys: the character before, itself, the character after, other places
# with the same character, and the marks `=`, `;`, `|` of the facts. A query without such a key is left out: the first
# character has none before it.
#
# The mean of these weights is the `share`. A head that looks everywhere alike gives $n$ of $S$ places $n/S$, so we
# divide by the mean of that: 1 is an even look, 5 is five times as much, and below 1 the head looks elsewhere.

# %%
from minisora.corpus import test_set

examples = [(one.source, one.target) for one in test_set("dev", 24)]
print(f"{len(examples)} examples, the first: {' → '.join(examples[0])}")
KINDS = {
    "before": lambda t, s, same, mark: s == t - 1,
    "itself": lambda t, s, same, mark: s == t,
    "after": lambda t, s, same, mark: s == t + 1,
    "same": lambda t, s, same, mark: same & (s != t),
    "mark": lambda t, s, same, mark: mark & (s != t),
}


def chosen(text):
    """By kind the bool matrix (S, S) of what fits."""
    places, characters = np.arange(len(text)), np.array(list(text))
    same = characters[:, None] == characters
    mark = np.isin(characters, list("=;|"))[None]
    return {name: fits(places[:, None], places[None], same, mark) for name, fits in KINDS.items()}


# %%
def self_maps(source):
    """The encoder's weights (L, H, S, S)."""
    _, cache = model.encoder.forward(tokenizer.encode(source, return_tensors="np"))
    return np.stack([layer.self_attention.weights[0] for layer in cache.stack.layers])


sums, rows, even = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0.0)
for source, _ in examples:
    weights = self_maps(source)
    for name, fits in chosen(source).items():
        asking = fits.any(axis=1)  # queries for which there is such a key
        sums[name] = sums[name] + (weights * fits).sum(axis=-1)[..., asking].sum(axis=-1)  # (L, H)
        rows[name] += asking.sum()
        even[name] += fits[asking].mean(axis=1).sum()
share = {name: sums[name] / rows[name] for name in KINDS}
times = {name: sums[name] / even[name] for name in KINDS}  # of an even look
print("layer head" + "".join(f"{name:>8}" for name in KINDS))
for layer, head in np.ndindex(share["itself"].shape):
    print(f"{layer:5} {head:4}" + "".join(f"{times[name][layer, head]:8.1f}" for name in KINDS))

# %% [markdown]
# For four kinds the head that does it most, and its map on one sentence. The titles are computed: another model has
# other heads. Where even the highest number is near 1, no head does it, and the map shows something else.


# %%
from minisora.plotting import plot_snapshots

weights, shown = self_maps(with_facts), {}
for name in ("before", "after", "same", "mark"):
    layer, head = np.unravel_index(share[name].argmax(), share[name].shape)
    shown[f"{name}, {times[name][layer, head]:.1f} times: layer {layer}, head {head}"] = weights[layer, head]
plot_snapshots(shown, list(with_facts), values=False)

# %% [markdown]
# ## Where an answer comes from
#
# 交叉注意力：要抄的字，有没有看向它的来处？
#
# Of the decoder's cross-attention we ask one thing: when the model writes a character that stands exactly once in the
# source, how much weight lies on that place, or on it and its two neighbours? (The memory, which the encoder hands
# over, also knows at each place what stands beside it.) The decoder reads the right answers, so that every row has a
# right character.


# %%
def cross_maps(source, target):
    """The weights of all cross-attentions (L, H, T, S); row t chooses the t-th character of the target."""
    ids = tokenizer.encode(source, return_tensors="np")
    decoder_ids = np.array([[config.bos_id, *tokenizer.encode(target)]])
    _, cache = model.decoder.forward(decoder_ids, model.encoder(ids), source_ids=ids)
    return np.stack([layer.cross_attention.weights[0] for layer in cache.stack.layers]), cache


exactly, beside, even, count = 0, 0, 0, 0
for source, target in examples:
    weights, _ = cross_maps(source, target)
    for t in [t for t, character in enumerate(target) if source.count(character) == 1]:
        place = source.index(target[t])
        near = slice(max(0, place - 1), place + 2)
        exactly = exactly + weights[..., t, place]
        beside = beside + weights[..., t, near].sum(axis=-1)
        even = even + np.array([1, len(source[near])]) / len(source)
        count += 1
print(f"{count} characters        on the place   on or beside it")
print(f"{'an even look':20} {even[0] / count:15.2f} {even[1] / count:17.2f}")
for layer, head in np.ndindex(exactly.shape):
    at, near = exactly[layer, head] / count, beside[layer, head] / count
    print(f"{f'layer {layer} head {head}':20} {at:15.2f} {near:17.2f}")

# %%
layer, head = np.unravel_index(beside.argmax(), beside.shape)
answer = answers[with_facts]
print(f"the head that looks most at what is copied: layer {layer}, head {head}")
plot_attention(answer.attention.cross[layer], list(with_facts), [*answer.text, "终"], head=head, values=False)

# %% [markdown]
# A model may have a *copy head* besides (`minisora/layers/copy_head.py`). Then each place $s$ of the source, with the
# character $x_s$, has a score $c_s$, and one softmax, with $Z$ as the sum of all, is over these and the logits $\ell$:
#
# $$p(w) = \frac1Z \Big(e^{\ell_w} + \sum_{s:\,x_s = w} e^{c_s}\Big), \qquad
# \text{copied from } s, \text{ if } x_s = w:\quad \frac{e^{c_s}}{e^{\ell_w} + \sum_{s':\,x_{s'} = w} e^{c_{s'}}}$$
#
# The second is the part of $w$'s probability that comes from place $s$: a map too, and the only one here that is a part
# of the answer by its formula. A hatched row is a character that the source does not have. Cross-attention then need
# not find the places, and may put little more on them than an even look.


# %%
def draw_copied(source, target):
    """Print and draw how much of each written character's probability is copied, and from where."""
    ids, (_, cache) = tokenizer.encode(source, return_tensors="np"), cross_maps(source, target)
    if cache.copy is None:
        print("this model has no copy head")
        return None
    written = np.array([*tokenizer.encode(target), config.eos_id])
    copied = cache.copy.copy.copied[0] * (ids == written[:, None])  # (T, S), from places with that character alone
    for character, row in zip(target, copied):
        print(f"{character}: {row.sum():.2f} of its probability is copied")
    return plot_attention(copied, list(source), [*target, "终"], values=False)


draw_copied(with_facts, answer.text)

# %% [markdown]
# ## Entropy: how widely a head looks
#
# 熵：0 表示只看一个位置，log S 表示处处一样。
#
# $$\mathcal H_t = -\sum_s w_{ts} \log w_{ts}, \qquad 0 \le \mathcal H_t \le \log S, \qquad e^{\mathcal H_t} \approx
# \text{places looked at}$$
#
# $n$ places alike have $\mathcal H = \log n$, hence the last. Sources differ in length, so the tables give the mean
# over the examples in parts of $\log S$; the picture is the encoder on the second question alone, in nats. Entropy
# tells how widely a head looks, not at what: with its weights moved to other places it is the same.

# %%
from minisora.plotting import attention_entropy, plot_entropy

weights = np.stack(answers[question].attention.cross)  # (L, H, T, S)
by_hand = -(weights * np.log(np.where(weights > 0, weights, 1))).sum(axis=-1)
np.testing.assert_allclose(attention_entropy(weights), by_hand, atol=1e-5)
assert (by_hand <= np.log(len(question)) + 1e-5).all()
entropy = {kind: [] for kind in ("encoder", "cross")}
for source, target in examples:
    entropy["encoder"].append(attention_entropy(self_maps(source)).mean(axis=-1) / np.log(len(source)))
    entropy["cross"].append(attention_entropy(cross_maps(source, target)[0]).mean(axis=-1) / np.log(len(source)))
entropy = {kind: np.mean(found, axis=0) for kind, found in entropy.items()}  # (L, H), 1 is an even look
for kind, found in entropy.items():
    print(f"{kind}: mean entropy in parts of log S, layers by heads")
    print(found.round(2))
plot_entropy(answers[with_facts].attention.encoder)

# %% [markdown]
# ## Rollout: through all layers at once
#
# rollout：把各层的注意力连乘起来，看最底层的字怎样流到顶层。
#
# A weight of the third layer is a weight on what the second layer has made of the tokens. *Attention rollout* (Abnar,
# Zuidema, 2020) multiplies the layers, with the residual connection as half of each:
#
# $$R = A_L \cdots A_2 A_1, \qquad A_l = \tfrac12 (\bar W_l + I),\quad \bar W_l \text{ the mean over the heads.}$$
#
# A row is a place behind the last layer, a column a character at the bottom. The diagonal is at least $2^{-L}$ by the
# halves alone: that it is dark says nothing of the model.

# %%
from minisora.plotting import attention_rollout, plot_rollout

maps = answers[with_facts].attention
rollout = np.eye(len(with_facts))
for layer in maps.encoder:
    rollout = (layer.mean(axis=0) + np.eye(len(with_facts))) / 2 @ rollout
np.testing.assert_allclose(attention_rollout(maps.encoder), rollout, atol=1e-6)
np.testing.assert_allclose(rollout.sum(axis=1), 1, atol=1e-5)
assert (rollout.diagonal() >= 0.5 ** len(maps.encoder)).all()
plot_rollout(maps.encoder, list(with_facts), values=False)

# %% [markdown]
# Rollout knows the weights alone. Values, projections, feed-forward layers and the size of what attention adds have no
# part in it: a picture of open routes, not of what travelled on them. Whether a head *matters*, only taking it away
# shows.

# %% [markdown]
# ## Taking a head away
#
# 消融：关掉一个头，损失上升多少？
#
# The output of an attention layer is $\sum_h \text{head}_h W_o^{(h)} + b$, where $W_o^{(h)}$ are the $d_k$ rows of
# $W_o$ from row $h d_k$ on, all counted from 0. With these rows at 0, the head is silent, and everything else is as it
# was.

# %%
from contextlib import contextmanager


@contextmanager
def silenced(*heads):
    """Within the block, these (attention layer, head) say nothing."""
    saved = [attention.w_o.weight.data.copy() for attention, _ in heads]
    try:
        for attention, head in heads:
            d_k = config.d_model // config.num_heads
            attention.w_o.weight.data[head * d_k : (head + 1) * d_k] = 0
        yield
    finally:
        for (attention, _), data in zip(reversed(heads), reversed(saved)):
            attention.w_o.weight.data[:] = data


attention = model.encoder.stack.layers[0].self_attention
x = np.random.default_rng(0).normal(size=(1, 5, config.d_model)).astype(np.float32)
_, cache = attention.forward(x)
head_0 = cache.attention.out[0, 0] @ attention.w_o.weight.data[: config.d_model // config.num_heads]  # (T, D)
with silenced((attention, 0)):
    without = attention(x)[0]
np.testing.assert_allclose(attention(x)[0] - without, head_0, atol=1e-4)

# %% [markdown]
# Now every head of the model, one at a time: what does the loss on the examples rise by, in nats per character, the
# end counted? This is the head's *cost*, what it costs to be without it; below 0 the loss falls.

# %%
from minisora.training.scoring import mean_loss

heads = {}
for kind, stack, name in (
    ("encoder", model.encoder.stack, "self_attention"),
    ("decoder", model.decoder.stack, "self_attention"),
    ("cross", model.decoder.stack, "cross_attention"),
):
    for number, layer in enumerate(stack.layers):
        heads |= {(kind, number, head): (getattr(layer, name), head) for head in range(config.num_heads)}
whole, cost = mean_loss(model, tokenizer, tokenizer, examples), {}
for key, head in heads.items():
    with silenced(head):
        cost[key] = mean_loss(model, tokenizer, tokenizer, examples) - whole
np.testing.assert_allclose(mean_loss(model, tokenizer, tokenizer, examples), whole, rtol=1e-6)  # all is back
print(f"the whole model: {whole:.4f} nats per character")

# %%
from minisora.plotting import plot_rates

panels = {}
for kind in ("encoder", "decoder", "cross"):
    ranked = sorted((key for key in cost if key[0] == kind), key=cost.get, reverse=True)
    panels[kind] = {f"layer {number} head {head}": float(cost[kind, number, head]) for _, number, head in ranked[:6]}
    if rest := [cost[key] for key in ranked[6:]]:
        print(f"{kind}: the other {len(rest)} heads cost {min(rest):.4f} to {max(rest):.4f}")


def on_one_scale(figure):
    """Give all panels the same axis, so that their bars can be compared."""
    for axes in figure.axes:
        axes.set_xlim(min(0, *cost.values()), 1.2 * max(cost.values()))
    return figure


on_one_scale(plot_rates(panels, "nats per character that the head is worth"))

# %% [markdown]
# ## Is a sharp head an important one?
#
# 看得集中的头就重要吗？让数字回答。
#
# Put the ranks of both beside each other: a correlation of -1 would say that the sharper a head is, the more it costs
# to be without it. Chance alone, for $n$ heads, stays within $\pm 2 / \sqrt{n - 1}$ about 19 times in 20; inside that,
# the number says nothing. The decoder's self-attention is left out: its rows see $t + 1$ keys, not $S$ (exercise 2).

# %%
for kind in ("encoder", "cross"):
    values = np.array([cost[kind, layer, head] for layer, head in np.ndindex(entropy[kind].shape)])
    ranks = [np.argsort(np.argsort(array)) for array in (entropy[kind].ravel(), values)]
    rank, chance = np.corrcoef(ranks)[0, 1], 2 / np.sqrt(len(values) - 1)
    print(f"{kind}: rank correlation of entropy and cost {rank:+.2f}, chance within ±{chance:.2f}, {len(values)} heads")

# %% [markdown]
# ## What the answers lose
#
# 关掉最重要的头，回答会变成什么样？
#
# A loss is a number. The same as answers: without the head that costs most (the dearest), and without those that cost
# least (the cheapest), a third of all heads. ≠ marks an answer that is not the right one; for the first two questions,
# not the one at the top of the lesson.

# %%
from minisora.generation import answer as answer_of

ranked = sorted(cost, key=cost.get)
cuts = {"whole": [], "without the dearest head": ranked[-1:], "without the cheapest third": ranked[: len(ranked) // 3]}
asked = {**{text: answer.text for text, answer in answers.items()}, **dict(examples[:4])}
for source, right in asked.items():
    print(source, "→", right)
losses = {}
for title, cut in cuts.items():
    with silenced(*(heads[key] for key in cut)):
        losses[title] = mean_loss(model, tokenizer, tokenizer, examples)
        print(f"{title} ({len(cut)} of {len(cost)} heads silent): {losses[title]:.3f} nats per character")
        for right, text in zip(asked.values(), answer_of(model, tokenizer, tokenizer, list(asked)), strict=True):
            print("    " if text == right else "  ≠ ", text, sep="")
assert losses["without the dearest head"] > whole

# %% [markdown]
# Read the numbers with three cautions. Heads stand in for each other: two of them may each cost nothing alone and much
# together. What the examples do not ask for, they cannot miss: a head that is cheap on them may be dear to another
# question; the first two here are not among them. And silence is not what a model has been trained with; to set a
# head's output to its mean would be a gentler cut.

# %%
parts = sum(cost[key] for key in ranked[: len(ranked) // 3])
together = losses["without the cheapest third"] - whole
print(f"the cheapest third: {parts:.4f} nats as a sum of single cuts, {together:.4f} together")

# %% [markdown]
# ## Exercises
#
# 练习：每一题都有判定对错的断言。
#
# 1. **The decoder's own past.** Make the table of kinds for the decoder's self-attention, whose weights are in the
#    cache that `cross_maps` returns. It reads the begin token and the target: `chosen("始" + target)`. Row $t$, from 0,
#    sees $t + 1$ keys, so an even look gives $n$ of them $n / (t + 1)$. Leave out "mark", which the answers lack, and
#    "after" in `times`. Right when `share["after"]` is exactly 0 for every head, and when weights that are alike over
#    the past, put in place of the model's, give `times` of 1 for every kind, to `rtol=1e-5`.
# 2. **Entropy has a bound.** In the decoder's self-attention row $t$ sees $t + 1$ keys. Show that its entropy is at
#    most $\log(t + 1)$ for every head and row of `answers[with_facts]`, and exactly that for weights that are all
#    alike: two assertions, to `atol=1e-5`.
# 3. **What the gradient knows of a cut.** Let every head have a factor $\xi_h$ before $W_o$, which is 1. Derive that
#    $\partial L / \partial \xi_h$ is the sum of $W_o^{(h)} \odot dW_o^{(h)}$, with $L$ the mean loss of the examples.
#    Compute it for all heads from *one* backward pass, as in lesson 9; with `encode_pairs` and `pad_pairs` of
#    `minisora.training.batching`, `pad_pairs(encode_pairs(examples, tokenizer, tokenizer), tokenizer, tokenizer)` is
#    one batch, with `source`, `decoder_ids` and `targets`. Right when it agrees with a central difference of $L$ in
#    $\xi_h$ (scale $W_o^{(h)}$ by $1 \pm 10^{-5}$) to `rtol=1e-4, atol=1e-7`, in a model made float64 (`parameter.data
#    = parameter.data.astype(np.float64)` for all). Then put $-\partial L / \partial \xi_h$, what a cut would cost if
#    $L$ were linear, beside the cost of the lesson: does it predict it? What slope do you expect where training has
#    ended?
