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
# *30 minutes. Builds on: 3 (one attention head), 6 (many heads and positions), 8 (encoder and decoder layer).
# 目标：量一量每个头在看什么、看得多集中，再把它关掉，看要付出多少代价。*
#
# At the end you will have a table of what every head of a trained model does, measured and not guessed, know what
# entropy and rollout can and cannot say, and have switched heads off one by one to see which the answers need.

# %% [markdown]
# ## An answer with all its maps
#
# 一次回答，连同每一层、每个头的注意力图。
#
# `generate(..., return_attention=True)` gives with each answer its `AttentionMaps`: for every layer the weights of the
# encoder's self-attention (H, S, S), of the decoder's (H, T, T), and of the cross-attention (H, T, S). Row $t$ belongs
# to the choice of token $t$, the last row to that of the end.

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
# Here are all heads of the last cross-attention, for the first question. Some rows are sharp, some are nearly even,
# and one can tell a story about each. The point of this lesson is to tell less and to measure more.

# %%
from minisora.plotting import plot_attention

maps = answers[question].attention
plot_attention(maps.cross[-1], list(question), [*answers[question].text, "终"], values=False)

# %% [markdown]
# ## Measuring what a head looks at
#
# 量化：它看前一个字、后一个字、自己、同样的字，还是标点？
#
# One picture is one sentence. So we take some dozens of questions that training never showed, and of every head's maps
# the mean weight that a query puts on certain keys: the token before, itself, the token after, other places with the
# same character, and the marks between the facts. A head that looks everywhere alike gives $n$ of $S$ places $n/S$, so
# we divide by that: 1 is an even look, 5 is five times as much.

# %%
from minisora.corpus import test_set

examples = [(one.source, one.target) for one in test_set("dev", 24)]
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
for layer, head in np.ndindex(share["itself"].shape):
    print(f"layer {layer} head {head}", "  ".join(f"{name} {times[name][layer, head]:4.1f}" for name in KINDS))

# %% [markdown]
# For each kind the head that does it most, and its map. The titles are computed: another model has other heads.


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
# source, how much weight lies on that place, or on one of its two neighbours? (A place of the memory also knows what
# stands beside it.) The model is shown the right answers, so that every row has a right character.


# %%
def cross_maps(source, target):
    """The weights of all cross-attentions (L, H, T, S); row t chooses the t-th character of the target."""
    ids = tokenizer.encode(source, return_tensors="np")
    decoder_ids = np.array([[config.bos_id, *tokenizer.encode(target)]])
    _, cache = model.decoder.forward(decoder_ids, model.encoder(ids), source_ids=ids)
    return np.stack([layer.cross_attention.weights[0] for layer in cache.stack.layers]), cache


exactly, beside, count = 0, 0, 0
for source, target in examples:
    weights, _ = cross_maps(source, target)
    for t in [t for t, character in enumerate(target) if source.count(character) == 1]:
        place = source.index(target[t])
        exactly = exactly + weights[..., t, place]
        beside = beside + weights[..., t, max(0, place - 1) : place + 2].sum(axis=-1)
        count += 1
for layer, head in np.ndindex(exactly.shape):
    at, near = exactly[layer, head] / count, beside[layer, head] / count
    print(f"layer {layer} head {head}: {at:.2f} on the place, {near:.2f} on it or beside it")
print("even look:", round(float(np.mean([1 / len(source) for source, _ in examples])), 2), "  characters:", count)

# %%
layer, head = np.unravel_index(beside.argmax(), beside.shape)
answer = answers[with_facts]
print(f"the head that looks most at what is copied: layer {layer}, head {head}")
plot_attention(answer.attention.cross[layer], list(with_facts), [*answer.text, "终"], head=head, values=False)

# %% [markdown]
# A model may have a *copy head* besides: one more softmax, whose places compete with the vocabulary
# (`minisora/layers/copy_head.py`). Cross-attention then need not find the places, and its heads may stay near an even
# look. Where there is a copy head, its share of the probability at each place is a map too, and the only one that *is*
# a part of the answer by its formula.

# %%
ids = tokenizer.encode(with_facts, return_tensors="np")
_, cache = cross_maps(with_facts, answer.text)
copied = None if cache.copy is None else cache.copy.copy.copied[0]  # (T, S), of what is said, the part that is copied
if copied is None:
    print("this model has no copy head")
else:
    written = [*tokenizer.encode(answer.text), config.eos_id]
    copied = copied * (ids[0] == np.array(written)[:, None])  # (T, S), for the character that is written
    for character, row in zip(answer.text, copied):
        print(f"{character}: {row.sum():.2f} of its probability is copied")
plot_attention(copied, list(with_facts), [*answer.text, "终"], values=False) if copied is not None else None

# %% [markdown]
# ## Entropy: how widely a head looks
#
# 熵：0 表示只看一个位置，log S 表示处处一样。
#
# $$\mathcal H_t = -\sum_s w_{ts} \log w_{ts}, \qquad 0 \le \mathcal H_t \le \log S, \qquad e^{\mathcal H} \approx
# \text{places looked at}$$

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

# %%
from minisora.plotting import attention_rollout, plot_rollout

maps = answers[with_facts].attention
rollout = np.eye(len(with_facts))
for layer in maps.encoder:
    rollout = (layer.mean(axis=0) + np.eye(len(with_facts))) / 2 @ rollout
np.testing.assert_allclose(attention_rollout(maps.encoder), rollout, atol=1e-6)
np.testing.assert_allclose(rollout.sum(axis=1), 1, atol=1e-5)
plot_rollout(maps.encoder, list(with_facts), values=False)

# %% [markdown]
# It knows the weights alone. Values, projections, feed-forward layers and the size of what attention adds have no part
# in it: a picture of open routes, not of what travelled on them. Whether a head *matters*, only taking it away shows.

# %% [markdown]
# ## Taking a head away
#
# 消融：关掉一个头，损失上升多少？
#
# The output of a layer is $\sum_h \text{head}_h W_o^{(h)} + b$, where $W_o^{(h)}$ are rows $h d_k$ to $(h+1) d_k$ of
# $W_o$. With these rows at 0, the head is silent and everything else is as it was.

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
# Now every head of the model, one at a time: what does the loss on the examples rise by, in nats per character?

# %%
from minisora.training.scoring import mean_loss

places = {}
for kind, stack, name in (
    ("encoder", model.encoder.stack, "self_attention"),
    ("decoder", model.decoder.stack, "self_attention"),
    ("cross", model.decoder.stack, "cross_attention"),
):
    for number, layer in enumerate(stack.layers):
        places |= {(kind, number, head): (getattr(layer, name), head) for head in range(config.num_heads)}
whole, cost = mean_loss(model, tokenizer, tokenizer, examples), {}
for place, head in places.items():
    with silenced(head):
        cost[place] = mean_loss(model, tokenizer, tokenizer, examples) - whole
np.testing.assert_allclose(mean_loss(model, tokenizer, tokenizer, examples), whole, rtol=1e-6)  # all is back
print(f"the whole model: {whole:.4f} nats per character")

# %%
from minisora.plotting import plot_rates

panels = {}
for kind in ("encoder", "decoder", "cross"):
    ranked = sorted((place for place in cost if place[0] == kind), key=cost.get, reverse=True)
    panels[kind] = {f"layer {number} head {head}": float(cost[kind, number, head]) for _, number, head in ranked[:6]}
    rest = [cost[place] for place in ranked[6:]]
    print(f"{kind}: the other {len(rest)} heads cost {min(rest):.4f} to {max(rest):.4f}")
plot_rates(panels, "nats per character that the head is worth")

# %% [markdown]
# ## Is a sharp head an important one?
#
# 看得集中的头就重要吗？让数字回答。
#
# Put the ranks of both beside each other: a correlation of -1 would say that the sharper a head is, the more it is
# worth.

# %%
for kind in ("encoder", "cross"):
    values = np.array([cost[kind, layer, head] for layer, head in np.ndindex(entropy[kind].shape)])
    ranks = [np.argsort(np.argsort(array)) for array in (entropy[kind].ravel(), values)]
    print(f"{kind}: rank correlation of entropy and cost {np.corrcoef(ranks)[0, 1]:+.2f}, over {len(values)} heads")

# %% [markdown]
# ## What the answers lose
#
# 关掉最重要的头，回答会变成什么样？
#
# A loss is a number. The same as answers: without the head that costs most, and without all the heads that cost
# least, as many as a third of the model.

# %%
from minisora.generation import answer as answer_of

ranked = sorted(cost, key=cost.get)
cuts = {"whole": [], "without the dearest head": ranked[-1:], "without the cheapest third": ranked[: len(ranked) // 3]}
asked = [question, with_facts, *(source for source, _ in examples[:4])]
for title, cut in cuts.items():
    with silenced(*(places[place] for place in cut)):
        loss = mean_loss(model, tokenizer, tokenizer, examples)
        print(f"{title} ({len(cut)} of {len(cost)} heads silent): {loss:.3f} nats per character")
        print(*(f"    {text}" for text in answer_of(model, tokenizer, tokenizer, asked)), sep="\n")
    cuts[title] = loss
assert cuts["without the dearest head"] > whole

# %% [markdown]
# Read the numbers with three cautions. Heads stand in for each other: two of them may each cost nothing alone and much
# together. What the examples do not ask for, they cannot miss: a head that is cheap on them may be dear to another
# question, such as the first two here, which are not among them. And silence is not what a model has been trained with;
# setting a head to its mean would be a gentler cut.

# %%
parts = sum(cost[place] for place in ranked[: len(ranked) // 3])
together = cuts["without the cheapest third"] - whole
print(f"the cheapest third: {parts:.4f} nats as a sum of single cuts, {together:.4f} together")

# %% [markdown]
# ## Exercises
#
# 练习：每一题都有判定对错的断言。
#
# 1. **The decoder's own past.** Make the table of kinds for the decoder's self-attention, which sees the past only.
#    Right when `share["after"]` is exactly 0 for every head, and `before + itself` of every head is at most 1.
# 2. **Entropy has a bound.** In the decoder's self-attention row $t$ sees $t + 1$ keys. Show that its entropy is at
#    most $\log(t + 1)$ for every head and row of `answers[with_facts]`, and exactly that for weights that are all
#    alike: two assertions.
# 3. **A cut, predicted.** Let every head have a factor $\xi_h$ before $W_o$, which is 1. Derive that $\partial L /
#    \partial \xi_h$ is the sum of $W_o^{(h)} \odot dW_o^{(h)}$, and compute it for all heads from *one* backward pass
#    (`parameter.grad` after `model.backward`). Right when it agrees with a central difference of the loss in $\xi_h$
#    to `rtol=1e-4, atol=1e-7`, in a model made float64. Then compare $-\partial L / \partial \xi_h$ with the cost of
#    the lesson.
