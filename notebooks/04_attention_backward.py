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
# # The backward pass of one head
#
# *40 minutes. Builds on: lesson 3, and the chain rule. 目标：推导注意力的每一个梯度，并用数值差分逐个验证。*
#
# Lesson 3 went from words to outputs. Now something downstream tells each output how the loss changes with it, and we
# carry that back through the three lines of attention: to the weights, the scores, the queries, keys and values, and to
# the words. Each formula is derived, written in one line of NumPy, and checked by finite differences. At the end you
# can read a map of gradients beside a map of attention.

# %%
import math

import numpy as np

from minisora.kernels import attention_backward, attention_forward, attention_steps
from minisora.kernels.numpy_attention import softmax_backward, softmax_forward

np.set_printoptions(precision=3, suppress=True, linewidth=110)

words = ["今天", "天气", "晴朗"]  # the head of lesson 3
x = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 1]])  # (T, D)
W_q = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])  # (D, d_k)
W_k, W_v = np.eye(4), np.array([[0.0, 1], [1, 0], [2, 2], [0, -1]])  # (D, d_k), (D, d_v)
q, k, v, scale = x @ W_q, x @ W_k, x @ W_v, 1 / math.sqrt(4)


def head(q, k, v):
    """The three lines of lesson 3."""
    scores = scale * q @ k.T  # (T, S)
    weights, _ = softmax_forward(scores)  # (T, S)
    return scores, weights, weights @ v  # out (T, d_v)


scores, weights, out = head(q, k, v)

# %% [markdown]
# ## What a gradient is
#
# 梯度：每个数变一点点，损失变多少。
#
# Let $L$ be the loss, one number that training makes small. For an array $A$ we write $\mathrm{d}A$ for the array of
# the same shape that holds $\partial L / \partial A_{ij}$. The rest of the network hands us $\mathrm{d}\text{out}$, the
# **upstream gradient**. To have something definite we choose it, and take the loss that has exactly this gradient:
#
# $$L = \sum_{tj} \mathrm{d}\text{out}_{tj}\; \text{out}_{tj}$$
#
# A finite difference measures a derivative without any calculus: nudge one number up and down by $h$.
#
# $$\frac{\partial L}{\partial A_{ij}} \approx \frac{L(A_{ij} + h) - L(A_{ij} - h)}{2h}$$
#
# `minisora.gradcheck.differences` has both parts. `entry_lines` gives, for entry `i` of an array, the function of one
# number $t$ that adds $t$ to the entry, computes, and puts the entry back; `two_point` is its derivative at $t = 0$.
# The function returns the terms of $L$ before they are summed: subtracting term by term rounds less.

# %%
from minisora.gradcheck.differences import entry_lines, two_point

dout = np.array([[0.5, -1.0], [1.0, 0.25], [-0.75, 0.5]])  # (T, d_v)
print("L =", (dout * out).sum().round(3))


def numerical(array, terms):
    """The derivative of terms().sum() by each entry of an array that terms() reads."""
    line_at = entry_lines(array, terms)
    return np.array([two_point(line_at(i)) for i in range(array.size)]).reshape(array.shape)


h = 1e-5
up, down = v.copy(), v.copy()
up[2, 0] += h
down[2, 0] -= h
by_hand = ((dout * head(q, k, up)[2]).sum() - (dout * head(q, k, down)[2]).sum()) / (2 * h)
dv_numerical = numerical(v, lambda: dout * head(q, k, v)[2])  # (S, d_v)
print("the derivative of L by the first number of the value of 晴朗:", round(by_hand, 6))
np.testing.assert_allclose(dv_numerical[2, 0], by_hand, rtol=1e-6)

# %% [markdown]
# ## The weighted sum: dV and dweights
#
# 加权求和的反向：值的梯度和权重的梯度。
#
# We go backward, so the last line comes first: $\text{out}_{tj} = \sum_s w_{ts} v_{sj}$. Where does $v_{sj}$ occur? In
# column $j$ of out, in every row $t$ with the factor $w_{ts}$. And $w_{ts}$? In row $t$, in every column $j$ with the
# factor $v_{sj}$.
#
# $$\frac{\partial L}{\partial v_{sj}} = \sum_t \mathrm{d}\text{out}_{tj}\, w_{ts}
# \;\Rightarrow\; \mathrm{d}V = \text{weights}^\top\, \mathrm{d}\text{out}$$
#
# $$\frac{\partial L}{\partial w_{ts}} = \sum_j \mathrm{d}\text{out}_{tj}\, v_{sj}
# \;\Rightarrow\; \mathrm{d}\text{weights} = \mathrm{d}\text{out}\; V^\top$$
#
# A value gave each output a share of itself, and gets the same share of that output's gradient back. A weight's
# gradient is a dot product: how much the value points where the loss rises. Shapes help to find the transpose: dV
# must be (S, d_v), and where $T$ and $S$ differ, only `weights.T @ dout` is. Here both are 3: only the numbers tell.

# %%
dv = weights.T @ dout  # (S, d_v)
dweights = dout @ v.T  # (T, S)
print("dV\n", dv, "\ndweights\n", dweights, sep="")

free = weights.copy()  # as if the weights were free numbers, no matter where they came from
np.testing.assert_allclose(dv, dv_numerical, rtol=1e-7)
np.testing.assert_allclose(dweights, numerical(free, lambda: dout * (free @ v)), rtol=1e-7)

# %% [markdown]
# ## A primer: the Jacobian of softmax
#
# 预备：softmax 的雅可比矩阵，一个分数变，所有权重都跟着变。
#
# Softmax works on each row alone. From here to dscores we look at one row: $s_j$ is its score for key $j$, $w_j$ the
# weight. A function from $S$ numbers to $S$ numbers has $S^2$ derivatives; the matrix of them is its Jacobian,
# $J_{ij} = \partial w_i / \partial s_j$. For $w_i = e^{s_i} / Z$ with $Z = \sum_r e^{s_r}$, the quotient rule gives,
# using $\partial Z / \partial s_j = e^{s_j}$ and writing $[i = j]$ for 1 where $i = j$ and 0 elsewhere,
#
# $$\frac{\partial w_i}{\partial s_j} = \frac{[i = j]\, e^{s_i}\, Z - e^{s_i} e^{s_j}}{Z^2} = w_i\, ([i = j] - w_j),
# \qquad J = \text{diag}(w) - w w^\top$$
#
# For the scores of 晴朗:

# %%
row, w = scores[2], weights[2]  # (S,), (S,)
J = np.diag(w) - np.outer(w, w)  # (S, S)
print("scores", row, " weights", w)
print(J)

by_differences = np.empty((3, 3))
for j in range(3):
    step = h * np.eye(3)[j]
    by_differences[:, j] = (softmax_forward(row + step)[0] - softmax_forward(row - step)[0]) / (2 * h)
np.testing.assert_allclose(J, by_differences, rtol=1e-7)

# %% [markdown]
# Three things can be read off it.
#
# * The diagonal is positive, all else negative: what one weight wins, the others lose. **Each column sums to 0**, since
#   the weights sum to 1 whichever score moves. **Each row sums to 0**, since a constant added to all scores changes
#   no weight.
# * $J$ is symmetric, so $J^\top = J$.
# * Where one weight is near 1, $J$ is near 0. The head has made up its mind, and hardly any gradient passes. This is
#   why scores are divided by $\sqrt{d_k}$.

# %%
np.testing.assert_allclose(J.sum(axis=0), 0, atol=1e-15)
np.testing.assert_allclose(J.sum(axis=1), 0, atol=1e-15)
for factor in (1, 4, 16):
    sharp, _ = softmax_forward(factor * row)
    size = np.abs(np.diag(sharp) - np.outer(sharp, sharp)).max()
    print(f"scores times {factor:2d}: weights {sharp}, largest entry of J {size:.1e}")

# %% [markdown]
# ## The softmax: dscores
#
# softmax 的反向：不必造出矩阵，减去加权平均就行。
#
# The chain rule sums over all ways from $s_j$ to the loss, and every weight of the row is one:
#
# $$\mathrm{d}s_j = \sum_i \mathrm{d}w_i\, J_{ij} = \sum_i \mathrm{d}w_i\, w_i\, ([i = j] - w_j)
# = w_j \Big(\mathrm{d}w_j - \sum_i w_i\, \mathrm{d}w_i\Big)$$
#
# The sum is one number for the whole row, the mean of dweights with the weights as shares. So a score's gradient asks:
# is this key better or worse than what the row gets on average? The last form costs $2S$ multiplications a row; the
# matrix would have cost $S^2$ and more. Each row of dscores sums to 0, because each row of $J$ does.

# %%
dscores = weights * (dweights - (weights * dweights).sum(axis=1, keepdims=True))  # (T, S)
print(f"dscores\n{dscores}\nlargest sum of a row {np.abs(dscores.sum(axis=1)).max():.0e}")

np.testing.assert_allclose(dscores[2], dweights[2] @ J)  # the long way
np.testing.assert_allclose(dscores, softmax_backward(dweights, weights))  # the library's
free = scores.copy()
np.testing.assert_allclose(dscores, numerical(free, lambda: dout * (softmax_forward(free)[0] @ v)), rtol=1e-7)
np.testing.assert_allclose(dscores.sum(axis=1), 0, atol=1e-15)

# %% [markdown]
# A warning for whoever tests a softmax. If its upstream gradient, dweights, is 1 everywhere, the bracket is
# $1 - \sum_i w_i = 0$, and dscores is 0. A backward that returns nothing but zeros passes such a test.

# %%
print(softmax_backward(np.ones((3, 3)), weights).round(12))

# %% [markdown]
# ## The product: dQ and dK
#
# 点积的反向：查询的梯度是键的加权和，键的梯度是查询的加权和。
#
# $\text{scores}_{ts} = c \sum_i q_{ti} k_{si}$ with $c = 1 / \sqrt{d_k}$. The number $q_{ti}$ occurs in all scores of
# row $t$, with the factor $c\, k_{si}$; $k_{si}$ in all scores of column $s$, with $c\, q_{ti}$.
#
# $$\mathrm{d}Q = c\; \mathrm{d}\text{scores}\; K, \qquad \mathrm{d}K = c\; \mathrm{d}\text{scores}^\top Q$$
#
# Training moves against the gradient: a query is pulled towards the keys whose scores should rise, and away from the
# others. In the output dQ begins like dscores, because our keys are 2 times unit vectors (晴朗 has a 1 more), and
# $c = 1/2$. The last column of dK is 0: no query asks for what is pleasant.

# %%
dq, dk = scale * dscores @ k, scale * dscores.T @ q  # (T, d_k), (S, d_k)
print("dQ\n", dq, "\ndK\n", dk, sep="")

np.testing.assert_allclose(dq, numerical(q, lambda: dout * head(q, k, v)[2]), rtol=1e-7, atol=1e-10)
np.testing.assert_allclose(dk, numerical(k, lambda: dout * head(q, k, v)[2]), rtol=1e-7, atol=1e-10)

# %% [markdown]
# The columns of dK sum to 0, up to rounding. Were one vector $b$ added to all keys, every score of row $t$ would grow
# by $c\, q_t \cdot b$, the same for the whole row, and softmax does not see that. So in every head with these three
# lines a bias of the keys has the gradient 0, exactly.

# %%
print(f"largest sum of a column {np.abs(dk.sum(axis=0)).max():.0e}")
np.testing.assert_allclose(dk.sum(axis=0), 0, atol=1e-15)

# %% [markdown]
# ## The library, and one number explained
#
# 对照：库给出同样的梯度，explain 把一个数讲清楚。
#
# `attention_backward` returns dq, dk and dv; `attention_steps(cache, dout)` also what lies between. `explain` takes one
# gradient apart: that of the score of 天气 for 晴朗, index (b, h, t, s).

# %%
heads = [array[None, None] for array in (q, k, v)]  # (B, H, T or S, d)
_, cache = attention_forward(*heads)
found = attention_backward(dout[None, None], cache)
steps = attention_steps(cache, dout[None, None])
for ours, theirs in zip((dq, dk, dv, dweights, dscores), (*found, steps.dweights, steps.dscores)):
    np.testing.assert_allclose(theirs[0, 0], ours, rtol=1e-12, atol=1e-15)

# %%
from minisora.plotting import explain, plot_attention_gradients

print(explain(cache, "dscores", (0, 0, 1, 2), dout=dout[None, None]))

# %% [markdown]
# ## Reading the maps
#
# 读图：红色的分数该降，蓝色的分数该升。
#
# Weights, dweights and dscores of one head. The weights have a scale of their own: darker is more. In the other two,
# red means: if this number grows, so does the loss. Gradient descent moves against the gradient, so it lowers what is
# red and raises what is blue.

# %%
print("weighted mean of dweights in each row:", (weights * dweights).sum(axis=1))
plot_attention_gradients(cache, dout[None, None], words)

# %% [markdown]
# Compare the last two maps, row by row. dweights judges every key by its value alone. dscores has the mean of the row
# taken off, so both colours are in every row. 天气 looking at itself is an example: its dweights is 2.00, red, and its
# dscores is blue. That key makes the loss larger, but less so than the row does on average, 4.00, and a larger share of
# it would be a gain. And dscores has the weight as a factor: what is hardly looked at has a small gradient, be it right
# or wrong. 晴朗 has the same dweights, -1.50, for 天气 and for itself, but the weights are 0.67 and 0.09, and dscores
# -0.41 and -0.06. A head learns first where it already looks.
#
# ## The gradient moves the look
#
# 用梯度改变目光：几步下降之后，“天气”转而去看“今天”。
#
# To see that these numbers do what they should, we let 天气, word 1, want another output: the value of 今天, word 0.
#
# $$L = \tfrac{1}{2}\, \lVert \text{out}_1 - v_0 \rVert^2, \qquad \mathrm{d}\text{out}_1 = \text{out}_1 - v_0$$
#
# The other rows of dout are 0. Only the queries move: sixty times we subtract 0.5 dQ from them.

# %%
moving, target = heads[0].copy(), v[0]
for step in range(61):
    out_now, now = attention_forward(moving, *heads[1:])
    dout_now = np.zeros_like(out_now)
    dout_now[0, 0, 1] = out_now[0, 0, 1] - target
    if step in (0, 1, 2, 5, 20, 60):
        row = attention_steps(now).weights[0, 0, 1]
        print(
            f"step {step:2d}  loss {0.5 * (dout_now**2).sum():6.3f}  天气 looks at",
            dict(zip(words, row.round(2).tolist())),
        )
    dq_now, _, _ = attention_backward(dout_now, now)
    moving -= 0.5 * dq_now
assert attention_steps(now).weights[0, 0, 1].argmax() == 0
np.testing.assert_array_equal(moving[0, 0, [0, 2]], heads[0][0, 0, [0, 2]])  # nobody asked the others to move

# %% [markdown]
# ## Back to the words
#
# 回到词：三条路汇到一起，梯度相加。
#
# Any matrix product $C = A B$ has the two formulas that we found for out: $\mathrm{d}A = \mathrm{d}C\, B^\top$ and
# $\mathrm{d}B = A^\top \mathrm{d}C$. So $Q = X W_q$ gives $\mathrm{d}W_q = X^\top \mathrm{d}Q$, and the same for $W_k$
# and $W_v$. The words $X$ were used three times, and three gradients come back to them. A change of $X$ changes $L$ on
# all three ways, so they add up:
#
# $$\mathrm{d}X = \mathrm{d}Q\, W_q^\top + \mathrm{d}K\, W_k^\top + \mathrm{d}V\, W_v^\top$$

# %%
dx = dq @ W_q.T + dk @ W_k.T + dv @ W_v.T  # (T, D)
dW_q, dW_k, dW_v = x.T @ dq, x.T @ dk, x.T @ dv  # (D, d_k), (D, d_k), (D, d_v)
print("dX\n", dx, "\ndW_q\n", dW_q, sep="")


def whole():
    """The loss, term by term, from the words on."""
    return dout * head(x @ W_q, x @ W_k, x @ W_v)[2]


for array, gradient in ((x, dx), (W_q, dW_q), (W_k, dW_k), (W_v, dW_v)):
    np.testing.assert_allclose(gradient, numerical(array, whole), rtol=1e-7, atol=1e-10)

# %% [markdown]
# To forget one of the three is a mistake that no error message will ever mention.
#
# ## The checker, and a mistake
#
# 检查器：把求导写错一处，看它怎样指出来。
#
# What we did by hand, `check` of `minisora.gradcheck` does for any pair of forward and backward: it draws a random
# upstream gradient and takes finite differences for every entry. `FunctionPair` holds the two functions,
# `forward(*inputs) -> (out, cache)` and `backward(dout, cache)`, which returns the gradients of the inputs; `Probe`
# adds the inputs. Their sizes are unequal primes, so that no forgotten transpose fits. Here is a backward that forgets
# the sum in dscores, as if the denominator of softmax were a constant:

# %%
from minisora.gradcheck import FunctionPair, Probe, check


def forgetful(dout, cache):
    """attention_backward with dscores = weights * dweights."""
    steps = attention_steps(cache, dout)
    dscores = steps.weights * steps.dweights  # the mean of the row is missing
    dq, dk = cache.scale * dscores @ cache.k, cache.scale * dscores.swapaxes(-1, -2) @ cache.q
    return dq, dk, attention_backward(dout, cache)[2]


rng = np.random.default_rng(0)
inputs = {"q": rng.normal(size=(2, 3, 5, 13)), "k": rng.normal(size=(2, 3, 7, 13)), "v": rng.normal(size=(2, 3, 7, 17))}
right = check(Probe(FunctionPair(attention_forward, attention_backward), inputs))
wrong = check(Probe(FunctionPair(attention_forward, forgetful), inputs))
print(right, wrong, sep="\n\n")
assert right.passed and not wrong.passed and wrong.first_wrong_step == "dscores"

# %% [markdown]
# One line for each input. The error is the largest one of any entry, relative to the largest entry of the gradient;
# "worst at" says where it is, and what backward and the differences have there. "cosine" is that of the angle between
# the two gradients, "scale" the factor that fits them best: both are 1 if all is right. "kinks" counts entries left
# out because the function has a corner there, as ReLU has at 0.
#
# dV is right in both, since the mistake comes after it on the way back. The checker also looks at the arrays that
# backward calls dweights or dscores; the last line names the first on the way back that is not the true gradient.
#
# ## Exercises
#
# 练习：推导，写成代码，让数值差分来评分。
#
# 1. The scale $c$ is a number like all others. Derive $\partial L / \partial c$ from dscores, q and k, and check it by
#    `two_point(lambda t: dout * attention_forward(*heads, scale=scale + t)[0][0, 0])` with
#    `np.testing.assert_allclose(..., rtol=1e-7)`.
# 2. Log-softmax: $y_i = s_i - \log \sum_r e^{s_r}$. Derive its Jacobian and from it
#    $\mathrm{d}s_j = \mathrm{d}y_j - w_j \sum_i \mathrm{d}y_i$. Write `forward(s)`, which returns y and a cache of what
#    backward needs, and `backward(dy, cache)`, for many rows at once, and let
#    `check(Probe(FunctionPair(forward, backward), {"s": rng.normal(size=(5, 7))})).passed` be True.
# 3. Attention without competition: $w_{ts} = \sigma(\text{scores}_{ts})$, one sigmoid for each pair. What is its
#    Jacobian? Write forward and backward for q, k, v, with the scores of this lesson, and let
#    `check(Probe(FunctionPair(forward, backward), inputs)).passed` be True. Which of this lesson's facts (rows of
#    dscores that sum to 0, columns of dK that sum to 0) are gone, and why?
