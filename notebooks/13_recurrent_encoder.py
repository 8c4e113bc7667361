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
# # The recurrent encoder against the Transformer
#
# *25 minutes. Builds on: 4 (attention backward), 8 (encoder and decoder layer), 10 (training).
# 目标：亲手算一步循环网络，看梯度怎样随距离消失，再与 Transformer 公平比较。*
#
# At the end you will have computed a cell and its way back through time by hand, measured how far a gradient reaches,
# and trained two models that differ in nothing but the encoder.

# %% [markdown]
# ## A cell by hand
#
# 一个循环单元：读一个向量，改一次状态。
#
# A recurrent layer reads the vectors one after the other and carries a state $h$. The plain cell, called `rnn`, is
#
# $$h_t = \tanh(x_t W + b + h_{t-1} U), \qquad t = 0, \dots, S - 1, \qquad h_{-1} = 0.$$
#
# What attention does with a matrix of weights, this must do by what survives in $h$.

# %%
import numpy as np

from minisora.layers.recurrent import Recurrent

np.set_printoptions(precision=3, suppress=True)
layer = Recurrent(3, 2, np.random.default_rng(13), cell="rnn", dtype=np.float64)
weight, bias, u = layer.w_x.weight.data, layer.w_x.bias.data, layer.u.data  # (d_in, d_h), (d_h,), (d_h, d_h)
x = np.random.default_rng(0).normal(size=(1, 4, 3))  # (B, S, d_in)
h = np.zeros(2)
states = []
for t in range(4):
    a, recurrent = x[0, t] @ weight + bias, h @ u
    h = np.tanh(a + recurrent)
    states.append(h)
    print(f"t = {t}: x W + b = {a}   h U = {recurrent}   h = {h}")
out, cache = layer.forward(x)  # (B, S, d_h)
np.testing.assert_allclose(out[0], states)
print("cache of step 2, the state before and after:", *cache.steps[2])

# %% [markdown]
# ## The gates of an LSTM
#
# LSTM：一条记忆 c，由三个门决定写入、遗忘、读出。
#
# An LSTM keeps a memory cell $c$ beside $h$. Gates between 0 and 1 decide what is written, kept and read:
#
# $$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t),$$
#
# with $i, f, o = \sigma(\dots)$ and $g = \tanh(\dots)$, each of its own columns of $x_t W + b + h_{t-1} U$; $\sigma$ is
# the logistic function $1 / (1 + e^{-x})$. On the direct way along $c$ a gradient is multiplied by $f$, not by a
# matrix. `Recurrent` starts the bias of $f$ at 1, so that it keeps at first. One step, with numbers made up for all
# that enters:

# %%
from minisora.layers.cells import LSTMCell

a, recurrent = np.random.default_rng(1).normal(size=(2, 1, 8))  # x W + b and h U, (B, 4 d_h), d_h = 2: i, f, o, g
h, c = np.array([[0.3, -0.2]]), np.array([[0.9, -0.5]])
i, f, o = np.split(1 / (1 + np.exp(-(a + recurrent)[:, :6])), 3, axis=1)
g = np.tanh((a + recurrent)[:, 6:])
new_c = f * c + i * g
new_h = o * np.tanh(new_c)
(by_cell, memory), step = LSTMCell().step(a, recurrent, (h, c))
np.testing.assert_allclose(by_cell, new_h)
np.testing.assert_allclose(memory, new_c)
for name in ("input", "forget", "output", "candidate"):
    print(f"{name:10}", getattr(step, name)[0])
print("c", c[0], "→", new_c[0], "   h", h[0], "→", new_h[0])

# %% [markdown]
# A third cell, the GRU, has no $c$. Its gate $z$ keeps the old state, its gate $r$ forgets inside the candidate $n$.
# With $a = x_t W + b$ and $u = h_{t-1} U$, each cut into the columns of $r$, $z$ and $n$ (to $u_n$ a bias is added):
#
# $$r, z = \sigma(a_{r,z} + u_{r,z}), \qquad n = \tanh(a_n + r \odot u_n), \qquad
# h_t = (1 - z) \odot n + z \odot h_{t-1}.$$
#
# ## Backward through time
#
# 时间反向传播：从最后一步走回第一步，状态的梯度一路相加。
#
# The state after step $t$ is used twice: it is the output at $t$, and it enters step $t+1$. So its gradient is a sum of
# two, and backward goes through the steps from the last to the first. For the plain cell, with $\bar y_t$ for `dout` at
# $t$ and $a_t$ for what stands inside of $\tanh$:
#
# $$dh_t = \bar y_t + da_{t+1} U^\top, \qquad da_t = dh_t \odot (1 - h_t^2), \qquad dx_t = da_t W^\top, \qquad
# dU = \sum_t h_{t-1}^\top da_t.$$

# %%
dout = np.random.default_rng(2).normal(size=out.shape)
da, du, passed_back = np.zeros((4, 2)), np.zeros((2, 2)), np.zeros(2)
for t in reversed(range(4)):
    dh = dout[0, t] + passed_back
    da[t] = dh * (1 - out[0, t] ** 2)
    before = out[0, t - 1] if t else np.zeros(2)
    du += np.outer(before, da[t])
    passed_back = da[t] @ u.T
    print(f"t = {t}: dout = {dout[0, t]}   dh = {dh}   da = {da[t]}   to h of t - 1: {passed_back}")
dx = layer.backward(dout, cache)
np.testing.assert_allclose(dx[0], da @ weight.T)
np.testing.assert_allclose(layer.u.grad, du)

# %% [markdown]
# And the proof, for all three cells, by finite differences (`minisora gradcheck --layer Recurrent` does more).
# `randomize` gives the biases, which start as constants, random values: a mistake could hide behind zeros.

# %%
from minisora.gradcheck import Probe, check, randomize

for cell in ("rnn", "gru", "lstm"):
    rng = np.random.default_rng(3)
    probe = Probe(randomize(Recurrent(3, 2, rng, cell=cell, dtype=np.float64), rng), {"x": rng.normal(size=(2, 5, 3))})
    result = check(probe)
    print(f"{cell:5} largest relative error {result.largest_relative_error:.0e}")
    assert result.passed

# %% [markdown]
# ## How far does a gradient reach?
#
# 梯度能传多远？每退一步就乘一次雅可比矩阵。
#
# Let only the *last* output have a gradient, at $\ell = S - 1$, and look at what reaches the input $n$ steps before it.
# On the way stands a product of $n$ Jacobians,
#
# $$\frac{\partial h_\ell}{\partial h_{\ell-n}} = \prod_{t=\ell-n+1}^{\ell} U\, \mathrm{diag}(1 - h_t^2),$$
#
# with $t$ growing from left to right; a row is an entry of the earlier state, a column one of the later. So the norm
# shrinks or grows about geometrically: a straight line on a logarithmic axis. Beside the cells, one layer of
# self-attention, where every input is one step away. All norms are relative to that at one step.


# %%
from minisora.layers.attention import MultiHeadAttention
from minisora.plotting import plot_curves


def reach(layer, x):
    """Mean norms of dx, 1, 2, ... steps before the last position, which alone has a gradient; the first is 1."""
    dout = np.zeros_like(x)
    dout[:, -1] = np.random.default_rng(4).normal(size=dout[:, -1].shape)
    dx = layer.backward(dout, layer.forward(x)[1])
    norms = np.sqrt((dx**2).sum(axis=-1)).mean(axis=0)[-2::-1]  # (S - 1,), the nearest first
    return list(norms / norms[0])


d, rng = 32, np.random.default_rng(5)
far_x = rng.normal(size=(8, 61, d))
layers = {
    cell: Recurrent(d, d, np.random.default_rng(6), cell=cell, dtype=np.float64) for cell in ("rnn", "gru", "lstm")
}
layers["attention"] = MultiHeadAttention(d, 2, np.random.default_rng(6), dtype=np.float64)
cells = {name: reach(layer, far_x) for name, layer in layers.items()}
for name, norms in cells.items():
    print(f"{name:10}", "  ".join(f"{n} steps {norms[n - 1]:.0e}" for n in (1, 10, 30, 60)))

# %% [markdown]
# The left panel draws these. The right one shows what decides: the plain cell with its matrix $U$ multiplied by a
# factor, on small inputs, so that it is not they that drive $\tanh$ to where it is flat.

# %%
factors = {}
for factor in (0.5, 1.0, 1.5, 2.0):
    plain = Recurrent(d, d, np.random.default_rng(6), cell="rnn", dtype=np.float64)
    plain.u.data *= factor
    largest = abs(np.linalg.eigvals(plain.u.data)).max()
    factors[f"U times {factor} (largest eigenvalue {largest:.2f})"] = norms = reach(plain, 0.1 * far_x)
    size = abs(plain(0.1 * far_x)[:, -1]).mean()
    print(f"U times {factor}, 60 steps: {norms[-1]:.0e}, 40 steps: {norms[39]:.0e}, mean |h| at the end {size:.2f}")
assert cells["rnn"][-1] < cells["gru"][-1] < cells["lstm"][-1] < 1e-2 < cells["attention"][-1]
ends = [norms[-1] for norms in factors.values()]
assert ends == sorted(ends) and ends[0] < 1e-9 and ends[-1] > 10  # vanishing, exploding
panels = {"gradient that reaches x, by cell": cells, "plain cell, small inputs": factors}
plot_curves(panels, 1, "steps before the last position", "norm, relative to the nearest")

# %% [markdown]
# With all eigenvalues below 1 in size the gradient vanishes. Above 1 the state grows too, until $\tanh$ is flat and
# $1 - h^2$ holds the gradient back: at 1.5 the two about balance for 40 steps, at 2.0 the gradient explodes. Nothing
# keeps a $U$ that is being trained at the point of balance. Clipping, as the Trainer does it, helps against explosion.
# Against vanishing only another path helps: the memory cell of the LSTM, or attention.

# %% [markdown]
# ## Padding
#
# 填充：状态原样通过，输出为 0。
#
# In a batch, short rows are filled up. Attention hides them by weights of 0. A recurrent layer would go on changing its
# state; so where `key_mask` is False, the state passes through unchanged and the output is 0. Then a row of a batch
# is the row alone, also for the direction that reads from the right and begins with padding.

# %%
rows = rng.normal(size=(2, 6, 3))
key_mask = np.arange(6) < np.array([6, 4])[:, None]  # (B, S): the second row has two positions of padding
for right_to_left in (False, True):
    gru = Recurrent(3, 2, np.random.default_rng(7), cell="gru", right_to_left=right_to_left, dtype=np.float64)
    masked, cache = gru.forward(rows, key_mask=key_mask)
    alone, ignored = gru(rows[1:, :4]), gru(rows)[1:, :4]
    print("from the right" if right_to_left else "from the left", "- the second row at its first position:")
    print("    masked", masked[1, 0], " alone", alone[0, 0], " without a mask", ignored[0, 0], " padding", masked[1, 5])
    np.testing.assert_allclose(masked[1:, :4], alone, atol=1e-15)
    assert not masked[1, 4:].any()
    assert np.allclose(ignored, alone) != right_to_left  # without a mask, the direction from the right has read padding
    dx = gru.backward(rng.normal(size=masked.shape), cache)
    assert not dx[1, 4:].any() and dx[1, :4].all()

# %% [markdown]
# ## Two directions, and attention on top
#
# 双向读取，再加一层自注意力：这就是 sora 的循环编码器。
#
# From the left, the state at $t$ knows nothing of what comes later. `Bidirectional` therefore gives half of the width
# to each direction. `RecurrentEncoder` puts self-attention on the stack, $x + \text{attention}(\text{norm}(x))$, and a
# last norm: the recurrence brings the order, and the attention the ways between distant positions. One field of the
# configuration chooses it, `encoder="rnn"`, whatever the cell; the cell is an LSTM from here on, the default. The
# decoder is the same.

# %%
from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.corpus.tasks import SYMBOLS, TaskStream, right_places

tokenizer = SoraTokenizer.learn([SYMBOLS])
vocabulary = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
small = {"d_model": 32, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 64, "dropout": 0.0}
for encoder in ("transformer", "rnn"):
    config = SoraConfig(**vocabulary, **small, encoder=encoder, cell="lstm", max_len=24)
    model = SoraModel(config, np.random.default_rng(0))
    print(f"{encoder}: {model.encoder.num_parameters():,} parameters in the encoder, {model.num_parameters():,} in all")
    for name, parameter in list(model.encoder.stack.parameters())[:4]:  # the first four
        print(f"    {name} {parameter.data.shape}")

# %% [markdown]
# ## Trained alike, on a task of order
#
# 同样训练：先是“倒过来”，它只关乎顺序。
#
# Both see the same pairs in the same batches, with the same decoder, width, optimizer, rate and number of steps. Two
# seeds each, since one run proves little. The first task is to reverse a string of 3 to 7 symbols (lesson 10). Right is
# an answer without any wrong symbol.

# %%
from minisora import Trainer, TrainingConfig
from minisora.training.scoring import score_pairs

few = {"steps": 300, "learning_rate": 3e-3, "batch_tokens": 1024, "chunk_examples": 512, "warmup_steps": 50}
dev, reverse = TaskStream("reverse", "dev", (3, 7)).draw(0, 100), {}
for encoder in ("transformer", "rnn"):
    for seed in (0, 1):
        config = SoraConfig(**vocabulary, **small, encoder=encoder, max_len=24)
        model = SoraModel(config, np.random.default_rng(seed))
        training = TrainingConfig(**few, seed=seed, schedule="constant")
        Trainer(model, TaskStream("reverse", seed, (3, 7)), tokenizer, config=training).fit(progress_bar=False)
        score = score_pairs(model, tokenizer, tokenizer, dev)
        print(f"{encoder:12} seed {seed}: loss on dev {score.loss:.3f}, {score.exact_match:.0%} right")
        reverse[encoder, seed] = model, score.loss

# %% [markdown]
# The map of the cross-attention tells what the decoder asks for while it is shown the right answer. Each row has the
# name of the symbol to be written there. For target $t$ the right place is $S - 1 - t$: the diagonal from the top
# right; 终, the end, has no right place. First the Transformer's map, then the recurrent encoder's: both are on the way
# to the same diagonal.

# %%
from minisora.plotting import plot_attention

source, target = TaskStream("reverse", "map", (7, 7)).draw(0, 1)[0]
ids = tokenizer.encode(source, return_tensors="np")
decoder_ids = np.array([[model.config.bos_id, *tokenizer.encode(target)]])
places, maps = right_places("reverse", source), []
for encoder in ("transformer", "rnn"):
    model, _ = reverse[encoder, 0]
    _, cache = model.forward(ids, decoder_ids)
    maps.append(cache.decoder.stack.layers[0].cross_attention.weights)  # (B, H, T, S)
    on_the_right = maps[-1][0, :, range(7), places].mean(axis=0)
    print(f"{encoder:12} weight on the right place, by head: {on_the_right.round(2)}  (uniform: {1 / 7:.2f})")
plot_attention(maps[0], list(source), [*target, "终"])  # the Transformer's

# %%
plot_attention(maps[1], list(source), [*target, "终"])  # the recurrent encoder's

# %% [markdown]
# ## Trained alike, on sentences
#
# 再换成真正的句子：客服、天气、问答，要把远处的词联系起来。
#
# The second task is the corpus of `minisora.corpus`: questions with facts, whose answers copy and combine what stands
# far apart. The two models have almost the same number of parameters. We stop long before the end; what is compared is
# the loss on questions that neither has seen. For the sake of time there is one seed.

# %%
from minisora.corpus import alphabet, test_set
from minisora.training import PairStream
from minisora.training.scoring import mean_loss

words = SoraTokenizer.learn([alphabet()])
vocabulary = {
    "source_vocab_size": words.vocab_size,
    "target_vocab_size": words.vocab_size,
    "tie": "all",
    "max_len": 128,
}
medium = {"d_model": 48, "num_heads": 2, "num_encoder_layers": 2, "num_decoder_layers": 1, "d_ff": 96, "dropout": 0.0}
training = TrainingConfig(steps=400, learning_rate=5e-3, batch_tokens=2048, chunk_examples=512, warmup_steps=50)
curves, unseen = {}, test_set("dev", 200)
pairs = [(one.source, one.target) for one in unseen]
for encoder in ("transformer", "rnn"):
    model = SoraModel(SoraConfig(**vocabulary, **medium, encoder=encoder), np.random.default_rng(0))
    trainer, losses = Trainer(model, PairStream(0), words, config=training), []
    for step in range(50, 401, 50):
        trainer.fit(stop_after=step, progress_bar=False)
        losses.append(mean_loss(model, words, words, pairs))
    curves[f"{encoder}, {model.num_parameters():,} parameters"] = losses

# %%
print("for example:", *pairs[0], sep="\n    ")
print(f"{'loss after':32}", *(f"{step:4d}" for step in range(50, 401, 50)), "steps")
for name, losses in curves.items():
    print(f"{name:32}", *(f"{loss:.2f}" for loss in losses))


def draw_losses():
    """Both curves, on a linear axis."""
    figure = plot_curves({"questions that were not seen": curves}, 50, "steps", "nats per character")
    figure.axes[0].set_yscale("linear")
    return figure


draw_losses()

# %% [markdown]
# ## What was compared, and what was not
#
# 结论要看任务：只关乎顺序时循环网络占先，要联系远处的词时 Transformer 占先。

# %%
means = {encoder: np.mean([reverse[encoder, seed][1] for seed in (0, 1)]) for encoder in ("transformer", "rnn")}
print("reverse, mean loss of two seeds:", {name: round(float(loss), 3) for name, loss in means.items()})
assert means["rnn"] < means["transformer"]
ends = {name.split(",")[0]: losses[-1] for name, losses in curves.items()}
print("sentences, loss at the end:     ", {name: round(float(loss), 3) for name, loss in ends.items()})
assert ends["transformer"] < ends["rnn"]

# %% [markdown]
# Neither encoder is the better one as such. To reverse a string, a model needs exact places; a likely reason for the
# lead is that a recurrence has them for nothing, where a Transformer must learn them from sines and cosines (lesson 6).
# On sentences the Transformer is ahead after the same number of steps. It also computes all positions side by side,
# where a recurrence must wait for the state before: what that is worth in time depends on the machine.
#
# What this does not show: other widths, other cells, other seeds on sentences, longer trainings (the repository's
# `README.md` has one of 1,200 steps, with the Transformer ahead), the best learning rate for each. A comparison at one
# rate favours whom it suits. And for reverse the recurrent encoder had a tenth more parameters, as printed above.

# %% [markdown]
# ## Exercises
#
# 练习：用差分检查或断言来证明。
#
# 1. **The Jacobian.** For the plain cell compute $\partial h_\ell / \partial h_{\ell-n}$ as the product of the formula
#    above, and from it, for one $\bar y$ (`dout` at the last position, 0 elsewhere), $dx_{\ell-n} = \bar y\, (\partial
#    h_\ell / \partial h_{\ell-n})^\top \mathrm{diag}(1 - h_{\ell-n}^2)\, W^\top$. Right when
#    `np.testing.assert_allclose` holds against `layer.backward` for every $n$ from 0 to $\ell$, with `layer`
#    and `x`.
# 2. **A cell of your own.** The minimal gated unit has one gate: $f = \sigma(a_f + u_f)$, $n = \tanh(a_n + f \odot
#    u_n)$, $h' = (1 - f) \odot h + f \odot n$. Write it like `GRUCell` in `minisora/layers/cells.py`, with `gates,
#    states, reset_inside = 2, 1, True`, both `step` and `step_backward`, and enter the class as `CELLS["mgu"]`. Right
#    when `print(check(Probe(...)))`, as above with `cell="mgu"`, says `passed`, and again with
#    `masks={"key_mask": ...}` in the Probe.
# 3. **A mistake that others shipped.** `CASES` and `planted` of `minisora.gradcheck.bug_zoo` break a layer on purpose
#    (lesson 15): inside `with planted(case):`, with the `case` of `CASES` whose `case.name` is `gradient of the memory
#    cell overwritten`, the LSTM's way back is wrong. Say beforehand what the curve of `reach` for the LSTM will look
#    like, and draw it inside the block, with `layers["lstm"]` and `far_x`. Right when its last value is below
#    that of the right LSTM, and `run_checks("Recurrent/lstm-right-whole").passed` (of `minisora.gradcheck`) is False
#    inside the block and True behind it.
