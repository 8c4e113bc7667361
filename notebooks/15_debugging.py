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
# # Debugging: a mutant, the check that finds it, and a layer of your own
#
# *25 minutes. Builds on: 4 (attention backward), 8 (encoder and decoder layer), 10 (training).
# 目标：学会证明一个反向传播是对的，并把自己写的注意力层训练起来。*
#
# At the end you will have found a planted mistake by halving the backward pass, seen mistakes that no gradient shows,
# and written an attention layer of your own that is proven first and trained inside sora afterwards.

# %% [markdown]
# ## A loss that falls proves nothing
#
# 损失下降不能证明代码正确。
#
# `minisora.gradcheck.bug_zoo` holds mistakes that others have shipped. `planted(case)` makes one of them in the real
# layers for the length of a `with` block; afterwards the layers are right again. `loss_curve()` trains a small model
# that learns to copy. We train it as it is, and with three mistakes.

# %%
import numpy as np

from minisora.gradcheck import check_properties, run_checks
from minisora.gradcheck.bug_zoo import CASES, WIRING, planted
from minisora.gradcheck.bug_zoo.loss_curve import EVERY, loss_curve
from minisora.plotting import plot_curves

zoo = {case.name: case for case in [*CASES, *WIRING]}
curves = {"right": loss_curve()}
for name in ("repeated ids dropped", "heads cut without a permutation", "cross attention asks from the memory"):
    with planted(zoo[name]):
        curves[name] = loss_curve()
    print(f"{name}\n    shipped in {zoo[name].seen}")
for name, curve in curves.items():
    print(f"{name:38} {curve[0]:.2f} → {curve[-1]:.2f} nats per token")
assert all(curve[-1] < curve[0] / 2 for curve in curves.values())

# %%
plot_curves({"learning to copy": curves}, EVERY, "steps", "nats per token")

# %% [markdown]
# All four fall. Two of the mistakes train *better* than the right code: the best of them reads the answer from the
# future. Nothing in the picture says which curve to trust.

# %% [markdown]
# ## What a check does
#
# 检查的原理：手写的梯度要与数值差分一致。
#
# Let $L = \sum_i \bar y_i\, y_i(x)$ with a random upstream gradient $\bar y$ (`dout`). Backward claims every
# $\partial L / \partial x_j$ at once. A central difference measures one of them, with an error of the order $h^2$:
#
# $$\frac{\partial L}{\partial x_j} \approx \frac{L(x + h e_j) - L(x - h e_j)}{2h}$$
#
# `check(Probe(layer, inputs))` does it for every entry of every input and parameter, in float64.

# %%
from minisora.gradcheck import FunctionPair, Probe, check
from minisora.kernels import attention_backward, attention_forward

rng = np.random.default_rng(15)
q, k, v = (rng.normal(size=(2, 1, length, 3)) for length in (4, 5, 5))  # (B, H, T or S, d_k)
dout, h = rng.normal(size=q.shape), 1e-5
dq, dk, dv = attention_backward(dout, attention_forward(q, k, v)[1])
moved = np.zeros_like(q)
moved[1, 0, 2, 0] = h
above, below = (np.sum(dout * attention_forward(q + sign * moved, k, v)[0]) for sign in (1, -1))
print(f"dq[1, 0, 2, 0]: backward {dq[1, 0, 2, 0]:.9f}, difference {(above - below) / (2 * h):.9f}")
np.testing.assert_allclose(dq[1, 0, 2, 0], (above - below) / (2 * h), rtol=1e-7)

attention = FunctionPair(attention_forward, attention_backward)
print(check(Probe(attention, {"q": q, "k": k, "v": v})))

# %% [markdown]
# ## Checks that prove nothing
#
# 无效的检查：上游梯度全为 1，或 gamma 全为 1，错误会互相抵消。
#
# The rows of a softmax sum to 1 whatever the scores are. So with `dout` of ones behind it, the true gradient is
# exactly 0, and half of it, or a fifth, is 0 too. And with $\gamma = 1$ in a LayerNorm it does not matter whether
# $\gamma$ stands inside or outside of backward's means. `check` refuses both.

# %%
from minisora.kernels.numpy_attention import softmax_backward, softmax_forward

weights, _ = softmax_forward(rng.normal(size=(2, 1, 4, 5)))
print("largest dscores behind a dout of ones:", abs(softmax_backward(np.ones_like(weights), weights)).max())
for attempt in (
    lambda: check(Probe(attention, {"q": q, "k": k, "v": v}), dout=np.ones_like(q)),
    lambda: check(Probe(attention, {"q": q, "k": k, "v": np.ones_like(v)})),
):
    try:
        attempt()
    except ValueError as refused:
        print("refused:", refused)

# %% [markdown]
# The second trap, measured: LayerNorm with $\gamma$ outside of the means, at a $\gamma$ that is almost 1 and at a
# random one.

# %%
from minisora.layers.normalization import LayerNorm

for spread in (1e-12, 0.5):
    layer = LayerNorm(7, dtype=np.float64)
    layer.gamma.data += spread * rng.normal(size=7)
    layer.beta.data += rng.normal(size=7)
    with planted(zoo["gamma outside the sums"]):
        result = check(Probe(layer, {"x": rng.normal(size=(2, 3, 7))}))
    error = next(tensor.error for tensor in result.tensors if tensor.name == "x")
    print(
        f"gamma = 1 + {spread:g} * noise: relative error of dx {error:.1e}, {'passed' if result.passed else 'FAILED'}"
    )
    assert result.passed == (spread < 1e-6)

# %% [markdown]
# ## A mutant
#
# 种下一个错误，看报告。
#
# From here on a mistake is in attention. The report names every tensor, its relative error, the cosine between the two
# gradients and the factor between them (1 and 1: right).

# %%
mutant = zoo["softmax backward without the sum"]
with planted(mutant):
    report = check(Probe(attention, {"q": q, "k": k, "v": v}), explain=False)
    dq, dk, dv = attention_backward(dout, attention_forward(q, k, v)[1])
print(report)
wrong = {tensor.name for tensor in report.tensors if tensor.error > report.tolerance}
assert wrong == {"q", "k"}

# %% [markdown]
# ## Halve the backward pass
#
# 逐步二分：哪一步的梯度先错？
#
# Backward runs `dout` → (`dweights`, `dv`) → `dscores` → (`dq`, `dk`). `dv` is right, so `dout` arrived well and the
# weights are right. `dq` and `dk` are wrong, so the mistake lies in `dweights`, in `dscores`, or in the last step.
# Look in the middle: hold `dscores` against differences of the steps *behind* the scores, $L(\text{scores}) = \sum
# \bar y \odot (\mathrm{softmax}(\text{scores})\, v)$.

# %%
from minisora.kernels import attention_steps

_, cache = attention_forward(q, k, v)
with planted(mutant):
    steps = attention_steps(cache, dout)


def loss_of(scores):
    """L as a function of the scores."""
    return np.sum(dout * (softmax_forward(scores)[0] @ v))


true = np.zeros_like(steps.scores)  # (B, H, T, S)
for place in np.ndindex(true.shape):
    moved = np.zeros_like(true)
    moved[place] = h
    true[place] = (loss_of(steps.scores + moved) - loss_of(steps.scores - moved)) / (2 * h)
np.testing.assert_allclose(steps.dweights, dout @ v.swapaxes(-1, -2))  # dweights is right
for name, found in (("true", true), ("claimed", steps.dscores)):
    print(f"dscores[0, 0, 1] {name:8}", np.round(found[0, 0, 1], 4), "sum", round(found[0, 0, 1].sum(), 4))

# %% [markdown]
# `dweights` is right and `dscores` is not: the mistake is in `softmax_backward`. The true row sums to 0, as it must,
# since adding a constant to all scores of a row changes nothing; the claimed row does not. What is missing is the sum
# in $ds_j = w_j\,(dw_j - \sum_i w_i\, dw_i)$:

# %%
missing = steps.weights * (steps.dweights * steps.weights).sum(axis=-1, keepdims=True)
np.testing.assert_allclose(steps.dscores - missing, true, atol=1e-9)
np.testing.assert_allclose(true.sum(axis=-1), 0, atol=1e-9)

# %% [markdown]
# ## The report does the halving
#
# 报告会自动指出第一个错误的步骤，能解释时给出提示。
#
# `check` with `explain=True`, which is the default, walks the same way by itself: `first_wrong_step`. Where one reason
# explains the error to a millionth, it adds a `hint`; otherwise it says none.

# %%
for name in (
    "softmax backward without the sum",
    "attention backward without the scale",
    "cross entropy divided twice",
    "repeated ids dropped",
    "dropout keeps its mask in the layer",
    "gelu with the other backward",
):
    with planted(zoo[name]):
        (result,) = run_checks(zoo[name].caught_by).checks
    print(
        f"{name}\n    {result.name}: first wrong step {result.first_wrong_step}; {', '.join(result.hints) or 'no hint'}"
    )
    assert not result.passed and result.first_wrong_step == zoo[name].step
    (result,) = run_checks(zoo[name].caught_by).checks
    assert result.passed  # outside the block the layer is right again

# %% [markdown]
# A check sees only what it makes happen. The same mistakes under a check that does not touch them:

# %%
for case in (
    case for case in CASES if case.blind and case.caught_by.startswith(("Multi", "Softmax", "Dropout", "GELU"))
):
    with planted(case):
        seen, unseen = (run_checks(name).passed for name in (case.caught_by, case.blind))
    print(f"{case.name:36} fails {case.caught_by:34} passes {case.blind}")
    assert not seen and unseen

# %% [markdown]
# ## What no gradient shows
#
# 前向与反向一起错时，梯度检查看不出来；要检查性质。
#
# Forward and backward may agree on a wrong function. Then every gradient is the true one, of the wrong function. What
# helps are promises about the whole: `check_properties()` tries them on small random models and measures by how much
# each is broken.

# %%
for name in ("heads cut without a permutation", "causal mask aligned at the other corner", "step forgets the position"):
    with planted(zoo[name]):
        gradients = run_checks(zoo[name].blind)
        broken = [kept for kept in check_properties() if not kept.passed]
    print(f"{name}: gradients of {zoo[name].blind} {'passed' if gradients.passed else 'FAILED'}; broken:")
    print(*(f"    {kept}" for kept in broken), sep="\n")
    assert gradients.passed and broken

# %% [markdown]
# ## A layer of your own
#
# 自己写的注意力层：所有头共用一组键和值（multi-query attention）。
#
# Any layer of the model can be replaced. Ours is *multi-query attention* (Shazeer, "Fast Transformer Decoding", 2019):
# every head has queries of its own, but there is one set of keys and values for all of them,
#
# $$\text{out} = [A_1 V, \dots, A_H V]\, W_o, \qquad A_i = \mathrm{softmax}(Q_i K^\top / \sqrt{d_k}), \qquad
# K = m W_k,\; V = m W_v \in \mathbb R^{S \times d_k}.$$
#
# A decoder then remembers $2 d_k$ numbers for each past token instead of $2 D$. The protocol asks for `forward`, which
# returns its output and a cache, and for `backward`.

# %%
from collections import namedtuple

from minisora.layers.layer import Layer
from minisora.layers.linear import Linear

Cache = namedtuple("Cache", "w_q w_k w_v attention w_o is_cross")


def split(x, num_heads):
    """(B, T, D) to (B, H, T, d_k)."""
    return x.reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)


def merge(heads):
    """(B, H, T, d_k) to (B, T, D)."""
    return heads.swapaxes(1, 2).reshape(len(heads), heads.shape[2], -1)


def shared(x, num_heads):
    """(B, S, d_k) to (B, H, S, d_k), the same for every head."""
    return np.repeat(x[:, None], num_heads, axis=1)


# %% [markdown]
# `split` and `merge` move the heads; `shared` shows the one set of keys to all of them.


# %%
class MultiQuery(Layer):
    def __init__(self, d_model, num_heads, rng, *, dropout=0.0, dtype=np.float32):
        self.num_heads, self.dropout, d_k = num_heads, dropout, d_model // num_heads
        self.w_q, self.w_o = (Linear(d_model, d_model, rng, dtype=dtype) for _ in range(2))
        self.w_k, self.w_v = (Linear(d_model, d_k, rng, dtype=dtype) for _ in range(2))

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        source = x if memory is None else memory
        (q, w_q), (k, w_k), (v, w_v) = self.w_q.forward(x), self.w_k.forward(source), self.w_v.forward(source)
        qkv = split(q, self.num_heads), shared(k, self.num_heads), shared(v, self.num_heads)
        dropout = (self.dropout, key) if key is not None and self.dropout else None
        heads, attention = attention_forward(*qkv, causal=causal, dropout=dropout)  # (B, H, T, d_k)
        out, w_o = self.w_o.forward(merge(heads))  # (B, T, D)
        return out, Cache(w_q, w_k, w_v, attention, w_o, memory is not None)


# %% [markdown]
# The backward of `shared` is a sum over the heads, because what is used H times gets H gradients. Our first backward
# takes their mean, which looks harmless.


# %%
class FirstTry(MultiQuery):
    def backward(self, dout, cache):
        dheads = split(self.w_o.backward(dout, cache.w_o), self.num_heads)
        dq, dk, dv = attention_backward(dheads, cache.attention)  # (B, H, T or S, d_k)
        dx = self.w_q.backward(merge(dq), cache.w_q)
        dsource = self.w_k.backward(dk.mean(axis=1), cache.w_k) + self.w_v.backward(dv.mean(axis=1), cache.w_v)
        return (dx, dsource) if cache.is_cross else dx + dsource


# %% [markdown]
# ## Proven before it is trained
#
# 先证明，再训练。
#
# `checks_for("attention", FirstTry)` are the checks that minisora's own attention must pass: self and cross, padding,
# causal, dropout. On the command line the same is `minisora gradcheck my_attention.py:FirstTry --as attention`.

# %%
from minisora.gradcheck.own_layer import checks_for

results = [one.run() for one in checks_for("attention", FirstTry)]
print(results[0])
assert not any(result.passed for result in results)

# %% [markdown]
# `w_q` and `w_o` are right. `w_k` and `w_v` have a cosine of 1 and a scale of one over H: the direction is right and
# the size is not. So the sum it is.


# %%
class SecondTry(MultiQuery):
    def backward(self, dout, cache):
        """dk and dv are summed over the heads that share them."""
        dheads = split(self.w_o.backward(dout, cache.w_o), self.num_heads)
        dq, dk, dv = attention_backward(dheads, cache.attention)  # (B, H, T or S, d_k)
        dx = self.w_q.backward(merge(dq), cache.w_q)
        dsource = self.w_k.backward(dk.sum(axis=1), cache.w_k) + self.w_v.backward(dv.sum(axis=1), cache.w_v)
        return (dx, dsource) if cache.is_cross else dx + dsource


for one in checks_for("attention", SecondTry):
    result = one.run()
    print(f"{result.name:40} {result.largest_relative_error:.0e} {'passed' if result.passed else 'FAILED'}")
    assert result.passed
kept = check_properties(layers={"attention": SecondTry})
print(*(one for one in kept if not one.passed), sep="\n")
assert {one.name for one in kept if not one.passed} == {"padding", "known gradient", "without padding"}

# %% [markdown]
# Every gradient is right, and three properties are broken: look at `forward` again. It takes `key_mask` and never uses
# it, so padding is attended. A training on sequences of unequal length would have run, a little worse, for ever.
# One argument mends it.


# %%
class Proven(SecondTry):
    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        source = x if memory is None else memory
        (q, w_q), (k, w_k), (v, w_v) = self.w_q.forward(x), self.w_k.forward(source), self.w_v.forward(source)
        qkv = split(q, self.num_heads), shared(k, self.num_heads), shared(v, self.num_heads)
        dropout = (self.dropout, key) if key is not None and self.dropout else None
        heads, attention = attention_forward(*qkv, key_mask=key_mask, causal=causal, dropout=dropout)
        out, w_o = self.w_o.forward(merge(heads))
        return out, Cache(w_q, w_k, w_v, attention, w_o, memory is not None)


assert all(one.run().passed for one in checks_for("attention", Proven))
assert all(one.passed for one in check_properties(layers={"attention": Proven}))
print("proven")

# %% [markdown]
# ## Trained inside sora
#
# 把证明过的层放进 sora 训练：学习给一串字排序。
#
# `SoraModel(config, rng, layers={"attention": Proven})` builds every attention of the model from our class: the
# encoder's, the decoder's masked one and the cross-attention. The task is to sort a string of symbols, so that the
# right cross-attention is known: target $t$ looks at the symbol of rank $t$. Beside it, the standard layer.

# %%
from minisora import SoraConfig, SoraModel, SoraTokenizer, Trainer, TrainingConfig
from minisora.corpus.tasks import SYMBOLS, TaskStream, right_places
from minisora.training.scoring import score_pairs

tokenizer = SoraTokenizer.learn([SYMBOLS])
sizes = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size, "max_len": 16}
config = SoraConfig(**sizes, d_model=32, num_heads=2, num_encoder_layers=1, num_decoder_layers=1, d_ff=64, dropout=0.0)
training = TrainingConfig(steps=300, learning_rate=5e-3, batch_tokens=1024, chunk_examples=512, warmup_steps=50)
dev = TaskStream("sort", "dev", (3, 7)).draw(0, 100)
models = {}
for name, layers in (("multi-query", {"attention": Proven}), ("standard", None)):
    models[name] = SoraModel(config, np.random.default_rng(0), layers=layers)
    Trainer(models[name], TaskStream("sort", 0, (3, 7)), tokenizer, config=training).fit(progress_bar=False)
    score = score_pairs(models[name], tokenizer, tokenizer, dev)
    print(
        f"{name:12} {models[name].num_parameters():6,} parameters  loss {score.loss:.3f}  right {score.exact_match:.0%}"
    )
    assert score.exact_match > 0.8

# %% [markdown]
# Decoding works too, though our layer says nothing about it: for a layer without `remember` and `attend` the decoder
# keeps the vectors themselves. And the map of the cross-attention shows that the model has found the way that we know.

# %%
from minisora.plotting import plot_attention

source, target = TaskStream("sort", "map", (7, 7)).draw(0, 1)[0]
ids = tokenizer.encode(source, return_tensors="np")  # (B, S)
decoder_ids = np.array([[config.bos_id, *tokenizer.encode(target)]])
_, cache = models["multi-query"].forward(ids, decoder_ids)
cross = attention_steps(cache.decoder.stack.layers[0].cross_attention.attention).weights  # (B, H, T, S)
right = np.array(right_places("sort", source))
on_the_right = cross[0, :, np.arange(len(right)), right].mean(axis=0)  # of each head, mean over t
print(source, "→", target, "  weight on the right place, by head:", np.round(on_the_right, 2))
assert on_the_right.max() > 2 / len(source)  # a uniform map has 1 / S
plot_attention(cross, list(source), [*target, "终"])

# %% [markdown]
# ## Exercises
#
# 练习：每一题都由检查程序判定。
#
# 1. **A temperature for each head.** Derive from `Proven` a layer with a parameter `tau` (H,), which multiplies the
#    scores of head $i$ by $\tau_i$. Hint in words: multiply `q` after `split`; $d\tau_i$ is the sum of $dq' \odot q$
#    over everything but the head, where $q' = \tau_i q$. Start `tau` at ones; `checks_for` moves it from there. Right
#    when `all(one.run().passed for one in checks_for("attention", Yours))`.
# 2. **A mistake that the gradients do not see.** Write a subclass of `Proven` that passes all six checks of
#    `checks_for` and breaks a property other than those of padding. Right when `check_properties(layers={"attention":
#    Yours})` has an entry that is not `passed`, and the checks still have none.
# 3. **Hidden mistakes.** `minisora gradcheck --quiz --seed 8` hides one mistake and shows two loss curves and a
#    report; it tells you whether you were right. Try seeds until you have found three in a row by the report alone.
