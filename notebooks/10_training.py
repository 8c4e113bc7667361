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
# # Training: maps that sharpen, and what the settings do
#
# *30 minutes. Builds on: 8 (encoder and decoder layer), 9 (cross-entropy and the whole backward).
# 目标：看注意力图怎样在训练中变清楚，并亲手比较学习率、批量、优化器和正则化。*
#
# At the end you will have made an update by hand, watched the attention of three trainings find its places, two of
# which are known beforehand, and seen for yourself which sentences about training hold on a small task.

# %% [markdown]
# ## One update by hand
#
# 一次更新：梯度算好以后，参数怎样变？
#
# Backward gives $g = \partial L / \partial p$ for every parameter. Gradient descent with momentum and Adam turn it
# into a step:
#
# $$\text{SGD:}\quad v \leftarrow \mu v + g, \qquad p \leftarrow p - \eta v$$
#
# $$\text{Adam:}\quad m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \quad
# p \leftarrow p - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}$$
#
# Adam divides each gradient by its own size, so that every number moves by about $\eta$, whatever its gradient is.

# %%
import numpy as np

from minisora.layers.layer import Parameter
from minisora.training import SGD, Adam

gradients = np.array([[1.0, 0.01], [1.0, -0.01], [0.5, 0.01]])  # of two numbers, in three steps
by_sgd, by_adam = Parameter(np.zeros(2)), Parameter(np.zeros(2))
sgd, adam = SGD([("p", by_sgd)], lr=0.1, momentum=0.9), Adam([("p", by_adam)], lr=0.1)
v, m, s, p, q = (np.zeros(2) for _ in range(5))
for t, g in enumerate(gradients, 1):
    by_sgd.grad[:], by_adam.grad[:] = g, g
    sgd.step()
    adam.step()
    v = 0.9 * v + g
    p = p - 0.1 * v
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
    q = q - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    print(f"step {t}: gradient {g}  SGD {p.round(4)}  Adam {q.round(4)}")
    np.testing.assert_allclose(by_sgd.data, p)
    np.testing.assert_allclose(by_adam.data, q)

# %% [markdown]
# The first number has a gradient a hundred times as large as the second. SGD moves it a hundred times as far; Adam
# moves both alike.

# %% [markdown]
# ## A task whose right map is known
#
# 从知道答案的任务开始：把一串字倒过来，注意力应当是反对角线。
#
# `minisora.corpus.tasks` has tasks on strings of symbols, none twice in a string: `copy`, `reverse`, `sort`. For each
# target symbol one place of the source is right, and `right_places` tells which. The model is small: one layer on
# either side, two heads.

# %%
from minisora import SoraConfig, SoraModel, SoraTokenizer, Trainer, TrainingConfig
from minisora.corpus.tasks import SYMBOLS, TaskStream, right_places

tokenizer = SoraTokenizer.learn([SYMBOLS])
vocabulary = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
small = {"d_model": 32, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 64, "dropout": 0.0}


def cross_map(model, tokenizer, source, target):
    """The last layer's cross-attention (T, S), mean over its heads, while the model is shown the right answer."""
    ids = tokenizer.encode(source, return_tensors="np")
    decoder_ids = np.array([[model.config.bos_id, *tokenizer.encode(target)]])
    _, cache = model.forward(ids, decoder_ids)
    return cache.decoder.stack.layers[-1].cross_attention.weights[0].mean(axis=0)


for task in ("reverse", "sort"):
    source, target = TaskStream(task, "map", (7, 7)).draw(0, 1)[0]
    print(f"{task:8} {source} → {target}   right places {right_places(task, source)}")

# %% [markdown]
# `Trainer(...).fit(stop_after=n)` trains to step $n$ and can go on from there. At some steps we stop, score the model
# on 100 pairs that it never trains on, and take a picture of the map. How much of a row lies on its right place is one
# number, the mean over rows: `sharpness`.


# %%
from minisora.training.scoring import score_pairs


def learn(task, stops, **changes):
    """Train on a task; return the maps by title, and (step, loss, sharpness) at each stop."""
    model = SoraModel(SoraConfig(**vocabulary, **small, max_len=16), np.random.default_rng(0))
    settings = {"learning_rate": 3e-3, "batch_tokens": 1024, "chunk_examples": 512, "warmup_steps": 50} | changes
    config = TrainingConfig(steps=stops[-1], schedule="constant", **settings)
    trainer = Trainer(model, TaskStream(task, 0, (3, 7)), tokenizer, config=config)
    dev, (source, target) = TaskStream(task, "dev", (3, 7)).draw(0, 100), TaskStream(task, "map", (7, 7)).draw(0, 1)[0]
    maps, course = {}, []
    for step in stops:
        trainer.fit(stop_after=step, progress_bar=False)
        weights = cross_map(model, tokenizer, source, target)  # (T, S), the last row for the end
        sharpness = weights[range(len(source)), right_places(task, source)].mean()
        score = score_pairs(model, tokenizer, tokenizer, dev)
        print(f"{task} step {step:4}: loss {score.loss:.3f}, {score.exact_match:4.0%} right, sharpness {sharpness:.2f}")
        maps[f"step {step}"] = weights
        course.append((step, score.loss, float(sharpness)))
    return maps, course, (source, target)


maps, course, (source, target) = learn("reverse", (1, 100, 200, 400))

# %%
from minisora.plotting import plot_snapshots

assert course[-1][2] > 2 * course[0][2] and course[-1][1] < course[0][1] / 10
plot_snapshots(maps, list(source), [*target, "终"])

# %% [markdown]
# At step 1 the sharpness is about $1/S$: no place is looked at for a good reason. Then rows find their places, some
# long before others, until the anti-diagonal stands. The last row is the choice of the end, for which no place is
# right.

# %% [markdown]
# ## Sorting
#
# 排序：正确的位置因串而异，靠内容而不是靠位置。
#
# To sort, the right place depends on the whole string. It is nevertheless learned faster: what to look for is the
# smallest symbol that has not been written, and symbols, unlike places, have an embedding of their own.

# %%
sorting, sorted_course, (source, target) = learn("sort", (1, 50, 100, 250))
assert sorted_course[-1][1] < 0.1 and sorted_course[-1][2] > 2 * sorted_course[0][2]
plot_snapshots(sorting, list(source), [*target, "终"])

# %% [markdown]
# ## Weather
#
# 天气问答：没有标准答案图，但要抄的字应当看向它的来处。
#
# Now sentences: the weather questions of the corpus, with facts before a bar. No map is right as a whole. But where the
# answer has a character that stands exactly once in the source, that is where it has to come from, so for these we can
# measure as before.

# %%
from minisora.corpus import alphabet, stream

characters = SoraTokenizer.learn([alphabet()])
pairs, dev = [], []
for one in stream(0):
    if one.scenario == "weather" and "|" in one.source and len(one.source) < 60:
        (dev if len(dev) < 100 else pairs).append((one.source, one.target))
    if len(pairs) == 4000:
        break
seen = {source for source, _ in pairs}
dev = [pair for pair in dev if pair[0] not in seen]
shown = min((pair for pair in dev if len(pair[0]) > 15), key=lambda pair: len(pair[0]))
print(f"{len(pairs)} pairs to train on, {len(dev)} others to judge by, for example", shown)


# %%
def copied(source, target):
    """(rows, columns): where the target has a character that stands exactly once in the source, and where there."""
    rows = [t for t, character in enumerate(target) if source.count(character) == 1]
    return rows, [source.index(target[t]) for t in rows]


def head_maps(model, source, target):
    """The cross-attention of every head of every layer, (L H, T, S)."""
    decoder_ids = np.array([[model.config.bos_id, *characters.encode(target)]])
    _, cache = model.forward(characters.encode(source, return_tensors="np"), decoder_ids)
    return np.concatenate([layer.cross_attention.weights[0] for layer in cache.decoder.stack.layers])


sizes = {"source_vocab_size": characters.vocab_size, "target_vocab_size": characters.vocab_size, "max_len": 128}
config = SoraConfig(**sizes, **small | {"d_model": 48, "num_decoder_layers": 2, "d_ff": 96}, tie="all")
model = SoraModel(config, np.random.default_rng(0))
settings = TrainingConfig(steps=600, learning_rate=5e-3, batch_tokens=2048, chunk_examples=512, warmup_steps=50)
trainer, weather = Trainer(model, pairs, characters, config=settings), {}

# %% [markdown]
# Which head does the copying is not known beforehand: we measure all of them on twenty pairs, and show the best.

# %%
for step in (1, 100, 250, 600):
    trainer.fit(stop_after=step, progress_bar=False)
    found = [head_maps(model, *pair)[:, *copied(*pair)] for pair in dev[:20]]  # (L H, rows) of each pair
    sharpness = np.concatenate(found, axis=1).mean(axis=1)  # (L H,)
    score = score_pairs(model, characters, characters, dev)
    print(
        f"step {step:3}: loss {score.loss:.3f}, {score.exact_match:4.0%} right; sharpness by head {sharpness.round(2)}"
    )
    weather[f"step {step}"] = head_maps(model, *shown)
best = int(sharpness.argmax())
assert sharpness[best] > 0.2 and score.loss < 0.5

# %%
titles = {"step 1": "step 1", "step 600": f"step 600, head {best % 2} of layer {best // 2}"}
plot_snapshots({title: weather[step][best] for step, title in titles.items()}, list(shown[0]), [*shown[1], "终"])

# %% [markdown]
# A trained model need not look exactly at the character that it copies: the memory at a place also holds what stands
# beside it, and the look may fall on a neighbour. That is why no map of words is as clean as that of the task.

# %% [markdown]
# ## The learning rate over time
#
# 学习率随步数变化：先升温，再保持或下降。
#
# Every schedule warms up, since Adam's second moment is a poor estimate in the first steps. Then the rate is kept, or
# falls.

# %%
from minisora.plotting import plot_curves

rates = {}
for schedule in ("constant", "inverse_sqrt", "linear", "cosine"):
    config = TrainingConfig(steps=400, learning_rate=3e-3, warmup_steps=50, schedule=schedule, final_rate=0.01)
    rates[schedule] = [config.learning_rate_at(step) for step in range(1, 401)]
plot_curves({"schedules": rates}, 1, "step", "learning rate")

# %% [markdown]
# ## Four sentences about training, tried
#
# 四句常说的话，一句一句试：学习率、批量、优化器、正则化。
#
# `minisora bench training-choices` tries four sentences that are often said, on sorting, with three seeds and 800
# steps. We use its own function with one seed and 200 steps, on a part of its settings. The loss is that on fresh
# pairs.

# %%
from minisora.benchmarks.training_choices import BY_HEART, STUDIES, train

EVERY = 20
names = {
    "smaller learning rates converge better": ("rate 0.03", "rate 0.003", "rate 0.0003"),
    "larger batches are steadier and slower": ("batch 64", "batch 256", "batch 1024"),
    "Adam against SGD": ("adam, rate 0.01", "sgd, rate 1", "sgd, rate 0.1", "sgd, rate 0.01"),
}
panels = {}
for said, settings in names.items():
    panels[said] = {name: train(STUDIES[said][name], False, 0, 200, EVERY)[0] for name in settings}
    for name, losses in panels[said].items():
        print(f"{said:40} {name:16} {losses[-1]:.3f}")

# %%
plot_curves(panels, EVERY, "steps", "loss on dev, nats per token")

# %% [markdown]
# Read it with care. *Learning rate*: the smallest has not arrived, the largest goes up and down; in between lies the
# best, so the sentence holds only down to a point. *Batches*: after as many steps the larger batch is ahead, but it
# has also seen more pairs, and its step takes longer. *Adam and SGD*: SGD is as good at the right rate, and fails at
# others; Adam forgives more.

# %%
by_rate, by_batch, by_optimizer = (list(panels[said].values()) for said in names)
assert by_rate[1][-1] < by_rate[2][-1] and by_batch[2][-1] < by_batch[0][-1]
assert by_optimizer[1][-1] > 1 > by_optimizer[2][-1]

# %% [markdown]
# ## L1 and L2
#
# L1、L2 正则化：数据太少时，模型会死记硬背。
#
# With a hundred pairs, again and again, a model learns them by heart: the loss on the training pairs goes to 0 and that
# on others goes *up*. Penalties on the weights work against it:
#
# $$L' = L + \lambda_1 \sum |p| + \tfrac{\lambda_2}{2} \sum p^2, \qquad dp \mathrel{+}= \lambda_1\, \mathrm{sign}(p) +
# \lambda_2\, p$$

# %%
from minisora.training.regularization import Penalty

p = Parameter(np.array([2.0, -0.5, 0.0]))
penalty = Penalty([p], l1=0.1, l2=0.01)
penalty.backward()
print("value", round(penalty.value(), 4), "  gradient", p.grad)
np.testing.assert_allclose(p.grad, 0.1 * np.sign(p.data) + 0.01 * p.data)

by_heart = {name: train(STUDIES[BY_HEART][name], True, 0, 300, EVERY)[0] for name in ("none", "L2 0.01", "L1 0.001")}
plot_curves({"a hundred pairs, again and again": by_heart}, EVERY, "steps", "loss on dev, nats per token")

# %% [markdown]
# 300 steps are only the beginning of it. The run of record (three seeds, 800 steps; `results/training_choices.json`)
# shows what becomes of it:

# %%
import json
from importlib.resources import files

path = files("minisora.benchmarks") / "results" / "training_choices.json"
record = json.loads(path.read_text(encoding="utf-8"))
rows = [row for row in record["rows"] if row["said"] == BY_HEART]
recorded = {row["case"]: list(np.mean(row["curves"], axis=0)) for row in rows}
for name, losses in recorded.items():
    lowest = record["every"] * (1 + int(np.argmin(losses)))
    print(f"{name:14} lowest {min(losses):.3f} at step {lowest:3}, at the end {losses[-1]:.3f}")
plot_curves({f"{BY_HEART} (recorded)": recorded}, record["every"], "steps", "loss on dev, nats per token")

# %% [markdown]
# Without a penalty the loss on new pairs turns and rises. Stopping early, at the lowest point, would have helped too:
# `TrainingConfig(patience=...)` does that.

# %% [markdown]
# ## Exercises
#
# 练习：每一题都有判定对错的断言。
#
# 1. **AdamW by hand.** `AdamW` first multiplies a parameter with `decay=True` by $1 - \eta \lambda$ and then steps as
#    Adam. Extend the loop of the first section. Right when `np.testing.assert_allclose` holds for three steps. Then
#    set `decay=False` and find what has to change in your loop.
# 2. **L2 is decay, in SGD.** Show that with plain SGD (momentum 0) a penalty `l2` of $\lambda$ and a shrinkage by $1 -
#    \eta \lambda$ are the same step, and that with Adam they are not: one `assert_allclose` that holds and one that
#    must raise.
# 3. **One large batch or two small ones.** The gradient of a batch is that of the *mean* over its tokens. Cut a batch
#    of sentences of unequal length in two, and combine the gradients of the halves' means into that of the whole.
#    Right when they agree to `rtol=1e-6` in float64 for every parameter; the plain average of the two must fail.
