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
# Backward gives $g = \partial L / \partial p$ of one batch for every parameter. Stochastic gradient descent (SGD) with
# momentum $\mu$ and Adam turn it into a step, with the learning rate $\eta$:
#
# $$\text{SGD:}\quad v \leftarrow \mu v + g, \qquad p \leftarrow p - \eta v$$
#
# $$\text{Adam:}\quad m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \quad
# p \leftarrow p - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}$$
#
# $v$, $m$ and $s$ begin at 0. $v$ is a sum of gradients in which older ones count less; $m$ is such a mean of $g$, and
# $s$ one of $g^2$, as yet too small at step $t = 1, 2, \dots$, which the two divisions by $1 - \beta^t$ undo.
# $\epsilon$ only keeps from dividing by 0. So Adam divides each gradient by its own size: as long as gradients keep
# their sign, every number moves by about $\eta$, however small they are.

# %%
import numpy as np

from minisora.layers.layer import Parameter
from minisora.training import SGD, Adam

gradients = np.array([[1.0, 0.01], [1.0, -0.01], [0.5, 0.01]])  # of two numbers, in three steps
by_sgd, by_adam = Parameter(np.zeros(2)), Parameter(np.zeros(2))
sgd, adam = SGD([("p", by_sgd)], lr=0.1, momentum=0.9), Adam([("p", by_adam)], lr=0.1)
v, m, s, p, q = (np.zeros(2) for _ in range(5))  # by hand: p by SGD, q by Adam
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
# In step 1 the first number has a gradient a hundred times as large as the second. SGD moves it a hundred times as far;
# Adam moves both by $\eta = 0.1$. In step 2 the second gradient has turned round: its mean $m$ is nearly 0, while the
# mean of its square is not, and Adam takes a small step.

# %% [markdown]
# ## A task whose right map is known
#
# 从知道答案的任务开始：把一串字倒过来，注意力应当是反对角线。
#
# `minisora.corpus.tasks` has tasks on strings of symbols, none twice in a string: `copy`, `reverse`, `sort`. For each
# target symbol one place of the source is right, and `right_places` tells which. `TaskStream(task, seed, lengths)`
# makes the pairs, and `draw(first, count)` gives some of them. The model is small: one layer on either side, two heads.

# %%
from minisora import SoraConfig, SoraModel, SoraTokenizer, Trainer, TrainingConfig
from minisora.corpus.tasks import SYMBOLS, TaskStream, right_places

tokenizer = SoraTokenizer.learn([SYMBOLS])
vocabulary = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
small = {"d_model": 32, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 64, "dropout": 0.0}


def cross_map(model, tokenizer, source, target):
    """The last layer's cross-attention (T, S), mean over its heads; row t is read to say target t."""
    ids = tokenizer.encode(source, return_tensors="np")
    decoder_ids = np.array([[model.config.bos_id, *tokenizer.encode(target)]])
    _, cache = model.forward(ids, decoder_ids)
    return cache.decoder.stack.layers[-1].cross_attention.weights[0].mean(axis=0)


print("in their order:", SYMBOLS)
for task in ("reverse", "sort"):
    source, target = TaskStream(task, "map", (7, 7)).draw(0, 1)[0]
    print(f"{task:8} {source} → {target}   right places {right_places(task, source)}")

# %% [markdown]
# `Trainer(...).fit(stop_after=n)` trains to step $n$ and can go on from there. A batch has at most `batch_tokens`
# tokens, source and target together; 512 pairs are drawn together (`chunk_examples`) and sorted by length, which saves
# padding; the rate grows for `warmup_steps` and then stays. At some steps we stop, score the model on 100 pairs of
# another seed (the loss in nats a token, and how many answers are right as a whole), and take a picture of the map of
# one string. How much of a row lies on its right place is one number, the mean over rows: `sharpness`.


# %%
from minisora.training.scoring import score_pairs


def learn(task, stops, lengths=(3, 7)):
    """Train on a task; return the maps by title, (step, loss, sharpness) at each stop, and the string of the maps."""
    model = SoraModel(SoraConfig(**vocabulary, **small, max_len=16), np.random.default_rng(0))
    settings = {"learning_rate": 3e-3, "batch_tokens": 1024, "chunk_examples": 512, "warmup_steps": 50}
    config = TrainingConfig(steps=stops[-1], schedule="constant", **settings)
    trainer = Trainer(model, TaskStream(task, 0, lengths), tokenizer, config=config)
    dev, (source, target) = TaskStream(task, "dev", lengths).draw(0, 100), TaskStream(task, "map", (7, 7)).draw(0, 1)[0]
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
# At step 1 the sharpness is $1/S = 1/7$: no place is looked at for a good reason. Then rows find their places, the
# first two long before the last five, which at step 100 all look at one place; at step 400 the anti-diagonal stands.
# The last row is the choice of the end (终), for which no place is right.

# %% [markdown]
# ## Sorting
#
# 排序：正确的位置因串而异，靠内容而不是靠位置。
#
# To sort, the right place depends on the whole string: it is that of the smallest symbol that has not been written. It
# is nevertheless learned faster.

# %%
sorting, sorted_course, (source, target) = learn("sort", (1, 50, 100, 250))
assert sorted_course[-1][1] < 0.1 and sorted_course[-1][2] > 2 * sorted_course[0][2]
plot_snapshots(sorting, list(source), [*target, "终"])

# %% [markdown]
# Not every row looks at its place, that of 己 more at 庚, and yet nearly all answers are right. What took reversing so
# long? Its right place $S - 1 - t$ depends on the length $S$, which no symbol tells. If that is the reason, strings of
# one length must be quick to reverse:

# %%
_, one_length, _ = learn("reverse", (100, 200), lengths=(7, 7))
assert one_length[-1][1] < course[2][1] / 3  # both at step 200

# %% [markdown]
# At step 200 they are reversed as surely as others are sorted: it was the length.

# %% [markdown]
# ## Weather
#
# 天气问答：没有标准答案图，但要抄的字应当看向它的来处。
#
# Now sentences: the weather questions of the corpus, with facts before a bar. No map is right as a whole. But where the
# answer has a character that stands exactly once in the source, that is where it can be copied from, so for these we
# can measure as before.

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
# Which head does the copying is not known beforehand: we measure all four (two of each decoder layer) on twenty pairs,
# and show the best.

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
print(f"looking everywhere alike would be {np.mean([1 / len(source) for source, _ in dev[:20]]):.2f}")
assert sharpness[best] > 0.2 and score.loss < 0.5

# %%
rows, columns = copied(*shown)
for t, column, row in zip(rows, columns, weather["step 600"][best][rows], strict=True):
    print(f"{shown[1][t]} has {row[column]:.2f} on its place, and most, {row.max():.2f}, on {shown[0][row.argmax()]}")
titles = {"step 1": "step 1", "step 600": f"step 600, head {best % 2} of layer {best // 2}"}
plot_snapshots({title: weather[step][best] for step, title in titles.items()}, list(shown[0]), [*shown[1], "终"])

# %% [markdown]
# The rows printed are those that are measured; 明, 天, 沈 and 阳 stand twice in the source, in the facts and in the
# question. 1 finds its place with nearly all its weight, others look elsewhere: a trained model need not look at the
# character that it copies. The encoder has mixed the source, so that a place no longer holds its character alone, and
# there are three other heads. A map of sentences is not as clean as that of a task.

# %% [markdown]
# ## The learning rate over time
#
# 学习率随步数变化：先升温，再保持或下降。
#
# Every schedule warms up, since Adam's second moment $s$ is a poor estimate in the first steps: up to step $w$
# (`warmup_steps`) the rate is $\eta\, t / w$. Then it is kept (constant), or falls: as $\eta \sqrt{w / t}$
# (inverse_sqrt), on a straight line (linear), or on half a cosine (cosine), the last two down to the share `final_rate`
# of $\eta$ at the last step. The axis of rates is logarithmic, so that the straight line looks bent.

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
# steps. We use its own `train` with one seed and 200 steps, on a part of its settings; the fourth sentence has the next
# section to itself. All settings not named are the same (`COMMON`), SGD has momentum 0.9, and a gradient whose norm is
# above 1 is scaled down to it. The loss is that on pairs of another seed, every 20 steps. `rises` adds up all that a
# curve goes up, in parts of its mean: 0 is steady.

# %%
from minisora.benchmarks.training_choices import BY_HEART, COMMON, STUDIES, rises, train

EVERY = 20
names = {
    "smaller learning rates converge better": ("rate 0.03", "rate 0.003", "rate 0.0003"),
    "larger batches are steadier and slower": ("batch 64", "batch 256", "batch 1024"),
    "Adam against SGD": ("adam, rate 0.01", "sgd, rate 1", "sgd, rate 0.1", "sgd, rate 0.01"),
}
print(COMMON)
panels = {said: {} for said in names}
for said, settings in names.items():
    for name in settings:
        losses, seconds = train(STUDIES[said][name], False, 0, 200, EVERY)  # False: not the same pairs again and again
        panels[said][name] = losses
        print(f"{said:40} {name:16} loss {losses[-1]:.3f}, rises {rises(losses):.2f}, {seconds:4.1f} s")

# %%
plot_curves(panels, EVERY, "steps", "loss on dev, nats per token")

# %% [markdown]
# One seed and 200 steps are little. The run of record (`results/training_choices.json`) has three seeds and 800 steps,
# of which `rises` takes the last 400. The last lines compare the batches after equally many tokens.

# %%
import json
from importlib.resources import files

path = files("minisora.benchmarks") / "results" / "training_choices.json"
record = json.loads(path.read_text(encoding="utf-8"))
mean_curves = {row["case"]: np.mean(row["curves"], axis=0).tolist() for row in record["rows"]}  # over the seeds
for row in record["rows"]:
    if row["said"] in names:
        low, high = row["range"]
        print(f"{row['case']:16} loss {row['loss']:.4f} (seeds {low:.4f} to {high:.4f}), rises {row['rises']:.2f}")
for size in (64, 256, 1024):
    step = 64 * record["steps"] // size
    print(f"batch {size:4} at step {step:3}: {mean_curves[f'batch {size}'][step // record['every'] - 1]:.3f}")

# %% [markdown]
# Read it with care. *Learning rate*: the smallest has not arrived; the largest is ahead at first, then goes up and down
# and is overtaken. The best lies in between, so the sentence holds only down to a point. *Batches*: after as many steps
# the larger batch is ahead, and its step takes longer; after as many tokens it is behind (the 50 steps of the largest
# are its warm-up). That it is steadier does not show in the loss on dev, neither here nor in the record. *Adam and
# SGD*: SGD is as good at the right rate. Ten times its best rate costs Adam little and SGD everything; a tenth of it is
# late for both. So what Adam forgives is a rate that is too large.

# %%
by_rate, by_batch, by_optimizer = (list(panels[said].values()) for said in names)
assert by_rate[1][-1] < by_rate[2][-1] and by_batch[2][-1] < by_batch[0][-1]
assert by_optimizer[1][-1] > 1 > by_optimizer[2][-1]

# %% [markdown]
# ## L1 and L2
#
# L1、L2 正则化：数据太少时，模型会死记硬背。
#
# With a hundred pairs, again and again, a model learns them by heart:

# %%
few, others = TaskStream("sort", 0, (3, 7)).draw(0, 100), TaskStream("sort", "dev", (3, 7)).draw(0, 200)
model = SoraModel(SoraConfig(**vocabulary, **small, max_len=16), np.random.default_rng(0))
trainer = Trainer(model, few, tokenizer, config=TrainingConfig(steps=300, **COMMON))
for step in (100, 200, 300):
    trainer.fit(stop_after=step, progress_bar=False)
    on_few, on_others = (score_pairs(model, tokenizer, tokenizer, pairs).loss for pairs in (few, others))
    print(f"step {step}: loss on the hundred pairs {on_few:.3f}, on others {on_others:.3f}")
assert on_few < 0.05 < on_others

# %% [markdown]
# The loss on the hundred goes to 0, that on others stops falling. Penalties work against it; they are taken of the
# weights, not of biases, norms and embeddings:
#
# $$L' = L + \lambda_1 \sum |p| + \tfrac{\lambda_2}{2} \sum p^2, \qquad dp \mathrel{+}= \lambda_1\, \mathrm{sign}(p) +
# \lambda_2\, p$$

# %%
from minisora.training.regularization import Penalty

p = Parameter(np.array([2.0, -0.5, 0.0]))
penalty = Penalty([p], l1=0.1, l2=0.01)
penalty.backward()
print("value", round(penalty.value(), 5), "  gradient", p.grad)
np.testing.assert_allclose(p.grad, 0.1 * np.sign(p.data) + 0.01 * p.data)

by_heart = {name: train(STUDIES[BY_HEART][name], True, 0, 300, EVERY)[0] for name in ("none", "L2 0.01", "L1 0.001")}
for name, losses in by_heart.items():
    print(f"{name:8} lowest {min(losses):.3f}, at step 300 {losses[-1]:.3f}")
plot_curves({"a hundred pairs, again and again": by_heart}, EVERY, "steps", "loss on dev, nats per token")

# %% [markdown]
# 300 steps are only the beginning of it; the run of record shows what becomes of it. `decoupled` is the decay of AdamW,
# which exercise 1 explains.

# %%
recorded = {name: mean_curves[name] for name in STUDIES[BY_HEART]}
for name, losses in recorded.items():
    lowest = record["every"] * (1 + int(np.argmin(losses)))
    print(f"{name:14} lowest {min(losses):.3f} at step {lowest:3}, at the end {losses[-1]:.3f}")
plot_curves({f"{BY_HEART} (recorded)": recorded}, record["every"], "steps", "loss on dev, nats per token")

# %% [markdown]
# Without a penalty the loss on new pairs turns at step 200 and rises to the end; with one it ends below that lowest
# point, though L1 of 0.001 turns as well. So stopping early, at the lowest point, would have helped too, but less than
# any penalty here. `TrainingConfig(patience=..., select="loss")` does that, for a `Trainer` that is given `dev`.

# %% [markdown]
# ## Exercises
#
# 练习：每一题都有判定对错的断言。
#
# 1. **AdamW by hand.** `AdamW(..., weight_decay=λ)` first multiplies a parameter by $1 - \eta \lambda$ and then steps
#    as Adam, if it is a `Parameter(..., decay=True)`, as by default. Extend the loop of the first section, with
#    $\lambda = 0.1$ and a start other than 0. Right when `np.testing.assert_allclose` holds after each of three steps.
#    Then make it `decay=False` and change your loop until it holds again.
# 2. **L2 is decay, in SGD.** Show that with plain SGD (momentum 0) a penalty `l2` of $\lambda$ and a shrinkage by $1 -
#    \eta \lambda$ before the step are the same, and that with Adam they are not: start both at one place other than 0,
#    take the three gradients of the first section; one `assert_allclose` that holds, and one that must raise.
# 3. **One large batch or two small ones.** The gradient of a batch is that of the *mean* over its tokens. Cut a batch
#    of sentences of unequal length in two, so that the halves have unequally many tokens, and combine the gradients of
#    the halves' means into that of the whole. Take a model in float64 and its `forward`, `SoftmaxCrossEntropy` and
#    `backward` as in lesson 9. Right when they agree for every parameter to `rtol=1e-6` and `atol=1e-12` (the gradient
#    of a bias of the keys is 0, and what is left of it is rounding); the plain average of the two must fail.
