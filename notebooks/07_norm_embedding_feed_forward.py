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
# # LayerNorm, embedding, feed-forward: three backward passes
#
# *45 minutes. Builds on: lessons 01 and 04 (ids, Jacobians). 目标：亲手推导三个层的反向传播，并逐一验证。*
#
# At the end you will have derived $dx$ of LayerNorm from its Jacobian, seen the mistake that is exact at gamma = 1 and
# wrong everywhere else, summed the gradient of a word that occurs twice, and walked back through the feed-forward layer
# by the names in its cache.
#
# Open beside this lesson: `normalization.py`, `embedding.py`, `linear.py`, `activation.py` and `feed_forward.py` in
# `minisora/layers/`. Where they ask for `fused`, faster code may stand in for the NumPy below it; we read the NumPy.
#
# The gradient of the loss $L$ with respect to $x$ is called `dx`, the upstream gradient that arrives is `dout`. Every
# layer has `forward(x) -> (out, cache)`; `backward(dout, cache)` returns `dx` and **adds** the gradient of each
# parameter to its `grad`, which begins at 0. `layer(x)` is the output alone.

# %%
import numpy as np

from minisora.gradcheck import Probe, check, randomize, relative_error, run_checks
from minisora.layers.activation import GELU, ReLU
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.feed_forward import FeedForward
from minisora.layers.normalization import LayerNorm
from minisora.plotting import explain, plot_attention

np.set_printoptions(precision=3, suppress=True, linewidth=110)


def jacobian(function, x, step=1e-6):
    """The matrix of d function(x)_i / d x_j of a vector x, by differences of two points."""
    columns = [(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(len(x))]
    return np.stack(columns, axis=1)


# %% [markdown]
# ## LayerNorm, forward
#
# 层归一化：每一行减去均值、除以标准差，再乘 gamma、加 beta。
#
# For each vector $x$ of $D$ numbers, on its own:
#
# $$m = \frac1D \sum_j x_j, \qquad v = \frac1D \sum_j (x_j - m)^2, \qquad r = \frac{1}{\sqrt{v + \epsilon}}, \qquad
# n = (x - m)\,r, \qquad \mathrm{out} = \gamma \odot n + \beta$$
#
# $r$ is called `rstd` in the code, $n$ `normalized`; these two are all of $x$ that backward needs. Gamma begins at 1
# and beta at 0. `randomize` moves such constant parameters to random values; the reason comes soon.

# %%
D = 5
rng = np.random.default_rng(7)
norm = randomize(LayerNorm(D, dtype=np.float64), rng)
gamma, beta = norm.gamma.data, norm.beta.data  # (D,)
x = np.array([1.0, 3.0, -2.0, 0.5, 2.0])
m, v = x.mean(), ((x - x.mean()) ** 2).mean()
r = 1 / np.sqrt(v + norm.eps)
n = (x - m) * r
out, cache = norm.forward(x)
np.testing.assert_allclose(out, gamma * n + beta, rtol=1e-12)
np.testing.assert_allclose(cache.normalized, n, rtol=1e-12)
print("gamma     ", gamma, " beta", beta)
print("x         ", x, f"mean {m:.3f}, variance {v:.3f}")
print("normalized", n, f"mean {n.mean():.3f}, variance {(n**2).mean():.3f}")
print("out       ", out)

# %% [markdown]
# The $\epsilon$ inside the root is there for a vector whose numbers are all equal: its variance is 0, and it maps to
# beta instead of to NaN.

# %%
np.testing.assert_allclose(norm(np.full(D, 7.0)), beta)

# %% [markdown]
# ## From out back to n
#
# 第一步：out 对 gamma、beta、n 的导数。
#
# Column by column $\mathrm{out}_i = \gamma_i n_i + \beta_i$, so
#
# $$d\gamma_i = \mathrm{dout}_i\,n_i, \qquad d\beta_i = \mathrm{dout}_i, \qquad
# g_i := \frac{\partial L}{\partial n_i} = \gamma_i\,\mathrm{dout}_i$$
#
# The same gamma and beta served every row of the batch, so their gradients are summed over all rows; here there is
# one. $g$ is what arrives at $n$; gamma is in it from here on. `backward` returns $dx$, too, which we derive next.

# %%
dout = rng.normal(size=D)
g = gamma * dout
dx = norm.backward(dout, cache)
np.testing.assert_allclose(norm.gamma.grad, dout * n, rtol=1e-12)
np.testing.assert_allclose(norm.beta.grad, dout, rtol=1e-12)
print("dout", dout)
print("g   ", g)

# %% [markdown]
# ## From n back to x
#
# 第二步：每个 x 通过三条路影响 n：它自己、均值、方差。
#
# $x_j$ reaches $n_i = (x_i - m)\,r$ in three ways: directly if $i = j$, through the mean, and through $r$. As in
# lesson 4, $[i = j]$ is 1 where $i = j$ and 0 elsewhere.
#
# $$\frac{\partial m}{\partial x_j} = \frac1D, \qquad
# \frac{\partial v}{\partial x_j} = \frac2D (x_j - m), \qquad
# \frac{\partial r}{\partial x_j} = -\frac12 (v+\epsilon)^{-3/2}\,\frac{\partial v}{\partial x_j}
# = -\frac{r^2}{D}\,n_j$$
#
# (In $\partial v$ the share that goes through $m$ vanishes, because the numbers $x_k - m$ sum to 0. In the last step
# $r^3 (x_j - m) = r^2 n_j$.) The product rule puts them together, with $x_i - m = n_i / r$:
#
# $$J_{ij} = \frac{\partial n_i}{\partial x_j} = r\left([i = j] - \frac1D - \frac{n_i n_j}{D}\right)$$
#
# In words: the identity, minus what moves the mean of $x$, minus what stretches $x$ around it; all times $r$.

# %%
J = r * (np.eye(D) - 1 / D - np.outer(n, n) / D)  # (D, D)
plain = LayerNorm(D, dtype=np.float64)  # gamma = 1, beta = 0: its output is n
np.testing.assert_allclose(J, jacobian(plain, x), atol=1e-8)
np.testing.assert_allclose(J, J.T)
np.testing.assert_allclose(J.sum(axis=1), 0, atol=1e-12)

# %% [markdown]
# A row of the map is one number of $n$, a column one number of $x$; red means that $n_i$ rises with $x_j$, blue that
# it falls. Each column sums to 0, since the mean of $n$ is 0 whatever $x$ is: what is gained here is lost there. Each
# row sums to 0, since a constant added to all of $x$ changes no $n_i$.


# %%
def draw(matrix, row, column):
    """Draw a matrix that is not of attention, with a name for its rows and one for its columns."""
    places = [[str(i) for i in range(length)] for length in matrix.shape[::-1]]
    figure = plot_attention(matrix, *places, signed=True)
    figure.axes[0].set_ylabel(row)
    figure.axes[0].set_xlabel(column)
    return figure


draw(J, "number i of n", "number j of x")

# %% [markdown]
# ## The whole dx, without a matrix
#
# 合起来：dx = r (g − mean(g) − n · mean(g n))。
#
# $dx_j = \sum_i g_i J_{ij}$. Put $J$ in, and the sums become means:
#
# $$dx = r\,\big(g - \mathrm{mean}(g) - n\,\mathrm{mean}(g \odot n)\big), \qquad g = \gamma \odot \mathrm{dout}$$
#
# A (D, D) matrix for each row is never built: two means are enough. `LayerNorm.backward` has this line in its
# docstring and takes it in five steps.

# %%
np.testing.assert_allclose(dx, g @ J, rtol=1e-10)
np.testing.assert_allclose(dx, r * (g - g.mean() - n * (g * n).mean()), rtol=1e-12)
by_difference = dout @ jacobian(norm, x)
np.testing.assert_allclose(dx, by_difference, atol=1e-8)
print("dx           ", dx)
print("by difference", by_difference)

# %% [markdown]
# `explain` takes one number apart, here $dx_1$, with every value put in. Its `dnormalized` is our $g$. (It knows
# the other sub-layers, embeddings, copying and the loss too.)

# %%
print(explain(cache, "dx", (1,), dout=dout, layer=norm, x=x, digits=3, depth=1))
np.testing.assert_allclose(explain(cache, "dx", (1,), dout=dout, layer=norm, x=x).value, dx[1], rtol=1e-10)

# %% [markdown]
# ## What LayerNorm cannot see
#
# 层归一化丢掉了两个量：均值和长度；梯度在这两个方向上为零。
#
# Add a constant to every $x_j$, and $n$ stays as it is. Stretch $x$ around its mean, and $n$ stays as it is, but for
# $\epsilon$. A function that does not change in a direction has no gradient in it: $dx$ sums to 0, and is orthogonal
# to $n$. The two subtracted terms in the formula are these two projections: $\mathrm{mean}(g)$ is the part of $g$
# along $(1, \dots, 1)$, and $n\,\mathrm{mean}(g \odot n)$ the part along $n$, since $n \cdot n = D$, again but for
# $\epsilon$.

# %%
print(f"sum of dx {dx.sum():.1e}, dx times n {dx @ n:.1e}, n times n {n @ n:.5f}")
np.testing.assert_allclose(dx.sum(), 0, atol=1e-12)
np.testing.assert_allclose(dx @ n, 0, atol=1e-4)  # the eps in the root is what remains
np.testing.assert_allclose(plain(3 * x + 8), plain(x), atol=1e-5)

# %% [markdown]
# ## Gamma in the wrong place
#
# 经典错误：把 gamma 提到括号外面；gamma = 1 时完全看不出来。
#
# The formula is often remembered as $\gamma\,r\,(\mathrm{dout} - \mathrm{mean}(\mathrm{dout}) - n\,\mathrm{mean}(
# \mathrm{dout} \odot n))$, with gamma in front. Gamma differs from column to column, so it may not be pulled out of
# the means. With gamma = 1, as every LayerNorm begins, the two agree up to rounding. Below, $z$ is a random vector, and
# the error the largest one of any entry, relative to the largest entry.


# %%
class GammaOutside(LayerNorm):
    """The mistake."""

    def backward(self, dout, cache):
        """dx = gamma * rstd * (dout - mean(dout) - n * mean(dout * n)), which is wrong."""
        super().backward(dout, cache)  # adds the right gradients of gamma and beta
        n, rstd = cache
        means = dout.mean(axis=-1, keepdims=True) + n * (dout * n).mean(axis=-1, keepdims=True)
        return self.gamma.data * rstd * (dout - means)


def error_of_mistake(spread):
    """The relative error of dx where gamma is 1 + spread * z."""
    wrong, right = GammaOutside(D, dtype=np.float64), LayerNorm(D, dtype=np.float64)
    for one in (wrong, right):
        one.gamma.data += spread * np.random.default_rng(1).normal(size=D)
    _, cache = right.forward(x)
    return relative_error(wrong.backward(dout, cache), right.backward(dout, cache))


for spread in (0.0, 0.01, 0.1, 0.5):
    print(f"gamma = 1 + {spread:4} z: error of dx {error_of_mistake(spread):.1e}")
assert error_of_mistake(0.0) < 1e-12 and error_of_mistake(0.5) > 0.1

# %% [markdown]
# No error message comes: at the start of a training the gradient is right, and it goes wrong as gamma moves. A check at
# gamma = 1 proves nothing, and `minisora.gradcheck` refuses to make one:

# %%
rows = np.random.default_rng(2).normal(size=(3, 7, D))
try:
    check(Probe(GammaOutside(D, dtype=np.float64), {"x": rows}))
except ValueError as error:
    print(error)

# %% [markdown]
# At random parameters it finds the wrong `dx`; the gradients of gamma and beta are right.

# %%
result = check(Probe(randomize(GammaOutside(D, dtype=np.float64), rng), {"x": rows}))
print(result)
assert not result.passed and result.worst.name == "x"
assert check(Probe(norm, {"x": rows})).passed

# %% [markdown]
# ## Embedding: a row for every id
#
# 词嵌入：按编号取表中的一行；同一个字出现几次，梯度就要加几次。
#
# $E$ is a table with a row of $D$ numbers for each id $v$, and $\mathrm{out}_t = \sqrt D\,E_{\mathrm{ids}_t}$ at place
# $t$. (The table is drawn with variance $1/D$; the root brings it to 1.) Written as a product with the one-hot matrix
# $O$, $O_{tv} = 1$ where $\mathrm{ids}_t = v$ and 0 elsewhere, it is a linear layer:
#
# $$\mathrm{out} = \sqrt D\;O E \qquad\Rightarrow\qquad dE = \sqrt D\;O^\top \mathrm{dout}$$
#
# Row $v$ of $dE$ is $\sqrt D$ times the sum of `dout` over every place where $v$ stood. 天天向上 has 天 twice.

# %%
vocabulary = "上今向天"
ids = np.array([[vocabulary.index(character) for character in "天天向上"]])  # (B, T) = (1, 4)
embedding = TokenEmbedding(len(vocabulary), D, np.random.default_rng(3), dtype=np.float64)
out, cache = embedding.forward(ids)  # (1, 4, D)
dout = np.random.default_rng(4).normal(size=out.shape)
assert embedding.backward(dout, cache) is None  # ids are integers: there is nothing to differentiate

one_hot = np.eye(len(vocabulary))[ids[0]]  # (T, V)
print(one_hot.astype(int))
np.testing.assert_allclose(out[0], np.sqrt(D) * one_hot @ embedding.table.data, rtol=1e-12)
np.testing.assert_allclose(embedding.table.grad, np.sqrt(D) * one_hot.T @ dout[0], rtol=1e-12)

# %% [markdown]
# The one-hot matrix of a whole vocabulary would be nearly all zeros, so on the CPU the rows are added where they
# belong instead. But `grad[ids] += drows` is not that: NumPy reads `grad[ids]`, adds, and writes back; where an id
# repeats, the last write wins. `np.add.at` adds every time. Compare the row of 天 below with the first two of drows.

# %%
drows = np.sqrt(D) * dout[0]  # (T, D)
dropped, added = np.zeros_like(embedding.table.data), np.zeros_like(embedding.table.data)
dropped[ids[0]] += drows
np.add.at(added, ids[0], drows)
np.testing.assert_allclose(added, embedding.table.grad, rtol=1e-12)
print("drows", drows, "dE", sep="\n")
for character, right, wrong in zip(vocabulary, added, dropped, strict=True):
    print(character, right, "" if np.allclose(right, wrong) else f"but grad[ids] += drows gives {wrong}")
np.testing.assert_allclose(dropped[vocabulary.index("天")], drows[1])  # of the two 天 the last alone
assert not added[vocabulary.index("今")].any()  # does not occur: no gradient

# %% [markdown]
# The layer itself sorts the ids and sums each run (`scatter_add`), which gives the same numbers faster and in a fixed
# order. In Chinese, 的 may stand in a batch hundreds of times: with the mistake it learns from one place only, and no
# shape is wrong that would tell.

# %% [markdown]
# ## Feed-forward: each position alone
#
# 前馈层：每个位置各算各的，先变宽，再变窄。
#
# $$\mathrm{hidden} = x W_1 + b_1, \qquad \mathrm{active} = f(\mathrm{hidden}), \qquad
# \mathrm{out} = \mathrm{active}\,W_2 + b_2$$
#
# $W_1$ is (D, d_ff) and $W_2$ (d_ff, D); $f$ is ReLU, $\max(h, 0)$, unless we ask for another. No position looks at
# another: that is attention's work. The cache holds the cache of each step. Between `active` and $W_2$ the code has
# dropout, which in training sets some numbers to 0, and calls the result `kept`. Here it is off: `kept` is `active`.

# %%
B, T, D, d_ff = 2, 3, 5, 11
layer = randomize(FeedForward(D, d_ff, np.random.default_rng(5), dtype=np.float64), np.random.default_rng(6))
x = np.random.default_rng(8).normal(size=(B, T, D))
out, cache = layer.forward(x)
hidden = x @ layer.w_1.weight.data + layer.w_1.bias.data  # (B, T, d_ff)
active = np.maximum(hidden, 0)  # ReLU
np.testing.assert_allclose(out, active @ layer.w_2.weight.data + layer.w_2.bias.data, rtol=1e-12)
np.testing.assert_allclose(layer(x[:, [1]]), out[:, [1]], rtol=1e-12)  # position 1 alone
print("hidden", hidden.shape, "out", out.shape, f"switched off by ReLU: {(active == 0).mean():.0%}")
print("cache ", *cache._fields)

# %% [markdown]
# ## A linear layer, backward
#
# 线性层的反向：dx = dout Wᵀ，dW = xᵀ dout，db 按行求和。
#
# $\mathrm{out}_{to} = \sum_i x_{ti} W_{io} + b_o$, where $t$ runs over all B T rows. Each entry of $W$ is used once in
# every row, each entry of $x$ once for every output:
#
# $$dW_{io} = \sum_t x_{ti}\,\mathrm{dout}_{to}, \qquad db_o = \sum_t \mathrm{dout}_{to}, \qquad
# dx_{ti} = \sum_o \mathrm{dout}_{to}\,W_{io}$$
#
# that is $dW = x^\top \mathrm{dout}$ and $dx = \mathrm{dout}\,W^\top$. Where D and d_ff differ, the shapes leave no
# other way to multiply them. The last layer comes first: the input of $W_2$ is `kept`, and its gradient is `dkept`.

# %%
dout = np.random.default_rng(9).normal(size=out.shape)
dkept = layer.w_2.backward(dout, cache.w_2)  # (B, T, d_ff)
np.testing.assert_allclose(dkept, dout @ layer.w_2.weight.data.T, rtol=1e-12)
np.testing.assert_allclose(layer.w_2.weight.grad, np.einsum("bti,bto->io", active, dout), rtol=1e-12)
np.testing.assert_allclose(layer.w_2.bias.grad, dout.sum(axis=(0, 1)), rtol=1e-12)
print("dout", dout.shape, "dkept", dkept.shape, "dW_2", layer.w_2.weight.grad.shape)

# %% [markdown]
# ## ReLU is a gate
#
# ReLU 的反向是一道门：前向为负的地方，梯度为零。
#
# $f'(h)$ is 1 where $h > 0$, else 0: `dhidden = dkept * (hidden > 0)`. (At the corner $h = 0$ there is no derivative;
# the code takes 0.) What was switched off on the way there lets nothing through on the way back. The cache therefore
# keeps the input.

# %%
dhidden = layer.activation.backward(dkept, cache.activation)
np.testing.assert_allclose(dhidden, dkept * (hidden > 0))
print("hidden ", hidden[0, 0])
print("dkept  ", dkept[0, 0])
print("dhidden", dhidden[0, 0] + 0)  # + 0 makes 0 of -0

# %% [markdown]
# The last step, and the whole: by hand and by `FeedForward.backward`. Backward adds, and $W_2$ has its gradient
# already, so `zero_grad` comes first.

# %%
dx = dhidden @ layer.w_1.weight.data.T
layer.zero_grad()
np.testing.assert_allclose(layer.backward(dout, cache), dx, rtol=1e-12)
np.testing.assert_allclose(layer.w_1.weight.grad, np.einsum("bti,bto->io", x, dhidden), rtol=1e-12)
result = check(Probe(layer, {"x": x}))
print(result)
assert result.passed

# %% [markdown]
# ## GELU, and a difference that no picture shows
#
# GELU：更平滑的门；前向与反向必须用同一个公式。
#
# $\mathrm{GELU}(x) = x\,\Phi(x)$, with $\Phi$ the distribution function of the standard normal and $\varphi$ its
# density. By the product rule $\mathrm{GELU}'(x) = \Phi(x) + x\,\varphi(x)$. A widely used approximation replaces
# $\Phi(x)$ by $\frac12 \big(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715\,x^3))\big)$. In a picture the two curves lie on top
# of each other. They differ from the fourth decimal on:

# %%
points = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
relu, exact, tanh = ReLU(), GELU("none"), GELU("tanh")
slopes = [one.backward(np.ones_like(points), one.forward(points)[1]) for one in (relu, exact, tanh)]
print("    x     ReLU     GELU     tanh  |  their slopes")
for point, *values in zip(points, relu(points), exact(points), tanh(points), *slopes, strict=True):
    print(f"{point:5.1f}", *(f"{value:8.5f}" for value in values[:3]), " |", *(f"{v:8.5f}" for v in values[3:]))
np.testing.assert_allclose(np.diag(jacobian(exact, points)), slopes[1], atol=1e-8)
np.testing.assert_allclose(np.diag(jacobian(tanh, points)), slopes[2], atol=1e-8)

# %% [markdown]
# Forward with one formula and backward with the other is wrong in the fourth decimal, and no error message says so. The
# check in float64 sees it at once.


# %%
class Mixed(GELU):
    """Forward is exact, backward is that of the tanh formula."""

    def backward(self, dout, cache):
        """The derivative of another function."""
        return GELU("tanh").backward(dout, cache)


values = np.random.default_rng(10).normal(0, 2, (3, 7, 11))
mixed, right = check(Probe(Mixed(), {"x": values})), check(Probe(exact, {"x": values}))
print(f"mixed {mixed.largest_relative_error:.1e}, exact {right.largest_relative_error:.1e}")
assert not mixed.passed and mixed.largest_relative_error < 1e-2

# %% [markdown]
# In float32 the finite differences of the right layer are themselves off, by less than that or by more, depending on
# the step. So `check` accepts float64 alone.

# %%
slope = exact.backward(np.ones_like(values), exact.forward(values)[1])
single = values.astype(np.float32)
for step in np.array([1e-2, 1e-3, 1e-4], np.float32):
    rough = (exact(single + step) - exact(single - step)) / (2 * step)  # float32
    print(f"float32, step {step:.0e}: error {relative_error(rough, slope):.1e}")

# %% [markdown]
# ## All of it, checked
#
# 全部检查一遍：每个参数、每个输入，逐个与数值差分比较。
#
# These are the checks that minisora's own layers must pass: random parameters, ids that repeat, an epsilon so large
# that a derivative without it shows, unequal sizes, nearly all of them primes.
# `minisora gradcheck --layer LayerNorm --layer TokenEmbedding` makes them, too.

# %%
report = run_checks(["LayerNorm", "TokenEmbedding", "Linear", "ReLU", "GELU", "FeedForward"])
for one in report.checks:
    print(f"{one.name:28} largest relative error {one.largest_relative_error:.1e}")
assert report.passed

# %% [markdown]
# ## Exercises
#
# 练习：写出自己的层，让检查器来评分。
#
# A layer of your own is a class in a file of your own, derived from `Layer` in `minisora/layers/layer.py`, where
# `Parameter` is, too. It has `forward(self, x, *, key=None)`, whose `key` only dropout uses, and
# `backward(self, dout, cache)`. `minisora gradcheck FILE.py:CLASS --as KIND` makes the checks of that kind with it. For
# a norm or an activation it then builds small models with your layer inside, and tries the properties of lesson 6.
#
# 1. RMSNorm leaves the mean alone: out = gamma x / sqrt(mean(x^2) + eps). Derive dx as above (one of the two
#    projections is gone) and write `class RMSNorm(Layer)` with
#    `__init__(self, d_model, *, eps=1e-5, dtype=np.float32)` and a Parameter gamma that begins at 1. It is right when
#    `minisora gradcheck my_norm.py:RMSNorm --as norm` passes every check and keeps every property.
# 2. SiLU is x times the logistic function of x, 1 / (1 + exp(-x)). Write the layer, without parameters and without
#    `__init__`. It is right when `minisora gradcheck my_silu.py:SiLU --as activation` passes its check and keeps
#    every property.
# 3. Write `MyEmbedding(TokenEmbedding)` with a backward of one line, by `np.add.at`. It is right when
#    `minisora gradcheck my_embedding.py:MyEmbedding --as embedding` passes. Then put
#    `self.table.grad[cache.ids] += ...` in its place: how large is the error, and what does the hint say?
