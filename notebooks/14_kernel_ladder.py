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
# # The kernel ladder: loops, tiles, SIMD, CUDA
#
# *25 minutes. Builds on: 3 (one attention head), 4 (attention backward), 5 (masks).
# 目标：同一个注意力公式，怎样一级一级变快，而结果不变。*
#
# At the end you will have summed a softmax block by block with your own hands, know what each rung of
# `minisora.kernels` changes and what that buys, and have seen that all of them give the same numbers.

# %% [markdown]
# ## What there is to do, and what there is to move
#
# 先数一数：要算多少，要搬多少。
#
# Attention forward is two products, $QK^\top$ and $AV$, with $A$ the weights. Each takes a multiplication and an
# addition for every query, key and one of $d$ numbers, so together $4 d$ for each query and key. With $T$ queries and
# $S$ keys in each of $B$ sequences and $H$ heads, $Q, K, V$ and the output grow with the length; the scores in between,
# $(B, H, T, S)$, grow with its square. Where $T = S$ they are as large as the other four together at $T = 4d$ (first
# line), and beyond it they are what fills the memory. A GFLOP is $10^9$ operations.

# %%
import numpy as np

print("   B  H     T   d    GFLOP   Q, K, V, out      scores")
for batch, heads, length, d in ((1, 1, 256, 64), (8, 8, 512, 64), (4, 16, 4096, 64)):
    work = 4 * batch * heads * length * length * d / 1e9
    arrays = 4 * batch * heads * length * d * 4 / 2**20  # four arrays of float32, in MiB
    scores = batch * heads * length * length * 4 / 2**20
    print(f"{batch:4} {heads:2} {length:5} {d:3} {work:8.3f} {arrays:10.2f} MiB {scores:7.2f} MiB")

# %% [markdown]
# ## The ground: the specification
#
# 起点：NumPy 写成的定义，三步，一目了然。
#
# `minisora/kernels/numpy_attention.py` computes `scores`, `weights` and `out` for all queries at once. It is what every
# rung is held against. Every step reads and writes a whole matrix (B, H, T, S): in the last line above, 4 GiB each
# time. What that costs, the measurements at the end show. The cache, which forward keeps for backward, is the same for
# every rung: `q, k, v, out`, the logsumexp `lse` of each row (lesson 3) and the options. No matrix (T, S) is in it.

# %%
from minisora.kernels import attention_forward, backend_names

rng = np.random.default_rng(14)
q, k, v = (rng.normal(size=(1, 1, length, 2)) for length in (3, 6, 6))  # (B, H, T or S, d_k)
out, cache = attention_forward(q, k, v)
print("rungs on the CPU:", *backend_names("cpu"))
for name, value in cache._asdict().items():
    print(f"cache.{name:8}", getattr(value, "shape", value))

scores = q @ k.swapaxes(-1, -2) / np.sqrt(2)
weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
np.testing.assert_allclose(weights @ v, out)
np.testing.assert_allclose(np.log(np.exp(scores).sum(axis=-1)), cache.lse)

# %% [markdown]
# ## First rung: loops
#
# 第一级：逐个查询循环，只保留一行分数。
#
# Numba compiles Python loops to machine code. `numba-loops` reads like the formula: for each query, the scores of one
# row, their maximum, then weights and sum. (The maximum is subtracted so that no exponential overflows, and cancels.)
# It never holds more than S scores. But to find the maximum it must have seen the whole row before it can add anything
# up, and each query reads all keys and values again. Here are the same loops in Python, for one query:


# %%
def one_query(q, k, v):
    """out (d_v,) and logsumexp of one query (d_k,), by loops over the keys."""
    scores = [sum(q * key) / np.sqrt(len(q)) for key in k]
    largest = max(scores)
    total, summed = 0.0, np.zeros(v.shape[-1])
    for score, value in zip(scores, v):
        weight = np.exp(score - largest)
        total += weight
        summed += weight * value
    return summed / total, largest + np.log(total)


for t in range(3):
    row, lse = one_query(q[0, 0, t], k[0, 0], v[0, 0])
    np.testing.assert_allclose(row, out[0, 0, t])
    np.testing.assert_allclose(lse, cache.lse[0, 0, t])
print(out[0, 0].round(4))

# %% [markdown]
# ## The online softmax, by hand
#
# 在线 softmax：一块一块地看键，最大值变了，就把已有的和缩小。
#
# Can a row be summed before its maximum is known? Keep three things: $m$, the largest score so far; $\ell$, the sum of
# $e^{s - m}$; and $o$, the sum of $e^{s - m} v$. At the start, $m$ is $-\infty$, and $\ell$ and $o$ are 0. When a block
# of keys brings a new maximum $m'$, the sums so far are brought in line by one factor, $e^{m - m'}$: each of their
# terms becomes $e^{s - m} e^{m - m'} = e^{s - m'}$.
#
# $$m' = \max(m, \max_j s_j),\qquad \ell' = e^{m - m'}\ell + \sum_j e^{s_j - m'},\qquad
# o' = e^{m - m'} o + \sum_j e^{s_j - m'} v_j$$
#
# At the end $\text{out} = o / \ell$ and $\text{lse} = m + \log \ell$. No exponent is ever above 0, so no exponential
# can overflow. For the first block the factor is $e^{-\infty} = 0$.

# %%
s, values = np.array([0.5, -1.0, 2.0, 1.0, -0.5, 3.0]), np.arange(12.0).reshape(6, 2)  # (S,), (S, d_v)
m, total, o = -np.inf, 0.0, np.zeros(2)
shares = np.zeros((3, 6))  # after each block: the softmax over the keys so far
for block in range(3):
    keys = slice(2 * block, 2 * block + 2)
    new = max(m, s[keys].max())
    shrink = np.exp(m - new)
    weights = np.exp(s[keys] - new)
    m, total, o = new, shrink * total + weights.sum(), shrink * o + weights @ values[keys]
    shares[block, : keys.stop] = np.exp(s[: keys.stop] - m) / total
    print(f"block {block}: m = {m:4.1f}, factor {shrink:.4f}, l = {total:.4f}, o / l = {(o / total).round(4)}")
softmax = np.exp(s) / np.exp(s).sum()
np.testing.assert_allclose(o / total, softmax @ values)
np.testing.assert_allclose(m + np.log(total), np.log(np.exp(s).sum()))

# %% [markdown]
# After every block, $o/\ell$ is the attention over the keys seen so far. The picture shows the weights that it stands
# for, a row after each block; a key not yet seen is grey. The key with score 0.5, at first the largest, fades as
# larger ones come.

# %%
from minisora.plotting import plot_attention


def draw(shares, scores):
    """Draw the shares of the keys, by their scores, after each block."""
    figure = plot_attention(shares, [f"{score:g}" for score in scores], ["0", "1", "2"])
    figure.axes[0].set_xlabel("score of the key")
    figure.axes[0].set_ylabel("after block")
    return figure


draw(shares, s)

# %% [markdown]
# ## Second rung: tiles
#
# 第二级：分块。一块查询遇上一块键，搬一次，用很多次。
#
# With the online softmax, queries and keys can both be taken in blocks. `numba-tiles` takes 64 queries and lets the
# keys pass by in blocks of 64 (Dao et al., FlashAttention, 2022). The arithmetic is the same but for the factors. What
# changes is the traffic: a block of keys is brought once for 64 queries instead of once for each. It stays close for
# that long: in many processors, the cache nearest to a core holds 32 or 48 KiB.

# %%
from minisora.kernels.numba_tiles import KEYS, QUERIES

print(f"tiles of {QUERIES} queries and {KEYS} keys; keys and values read by one head, d = 64, in MiB")
for length in (512, 4096, 16384):
    both = 2 * length * 64 * 4 / 2**20
    print(f"T = S = {length:5}: loops {length * both:8.0f}   tiles {length / QUERIES * both:7.0f}")
print(f"a tile of scores takes {QUERIES * KEYS * 4 // 1024} KiB, a block of keys {KEYS * 64 * 4 // 1024} KiB")


# %%
def by_tiles(q, k, v, rows=64, columns=64):
    """The online softmax by tiles, in NumPy: out (T, d_v) and lse (T,) of one head."""
    out, lse = np.empty((len(q), v.shape[-1])), np.empty(len(q))
    for first in range(0, len(q), rows):
        tile = q[first : first + rows] / np.sqrt(q.shape[-1])
        m, total, o = np.full(len(tile), -np.inf), np.zeros(len(tile)), np.zeros((len(tile), v.shape[-1]))
        for start in range(0, len(k), columns):
            scores = tile @ k[start : start + columns].T
            new = np.maximum(m, scores.max(axis=1))
            shrink, weights = np.exp(m - new), np.exp(scores - new[:, None])
            total = shrink * total + weights.sum(axis=1)
            o = shrink[:, None] * o + weights @ v[start : start + columns]
            m = new
        out[first : first + rows], lse[first : first + rows] = o / total[:, None], m + np.log(total)
    return out, lse


q, k, v = (rng.normal(size=(length, 13)) for length in (70, 150, 150))  # no multiple of 64
expected, cache = attention_forward(q[None, None], k[None, None], v[None, None])
for name, found, right in zip(("out", "lse"), by_tiles(q, k, v), (expected[0, 0], cache.lse[0, 0])):
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)
    print(f"{name} by tiles and by the specification: largest difference {abs(found - right).max():.1e}")

# %% [markdown]
# ## Third and fourth rung: who multiplies the tiles?
#
# 第三、四级：块内的乘积交给 BLAS，或交给一个用向量寄存器手写的微内核。
#
# `numba-blas` hands each tile's products to BLAS, the library that NumPy's `@` calls. It is fast at products, but is
# called anew for every small tile. `numba`, the top rung, multiplies by itself (`kernels/numba_simd.py`). A core
# computes in *registers*, the few places it has at hand. A SIMD register (single instruction, multiple data) holds a
# *vector*, with AVX-512 16 float32, and one instruction does a multiply-add in each of these 16 *lanes*.
#
# For a product $c_{ij} = \sum_k a_{ik} b_{kj}$ the micro-kernel keeps the sums of six rows of $c$, four vectors each,
# in registers while $k$ runs. For each $k$ it reads four vectors of $b$ and six numbers of $a$, each spread over a
# vector, and does 24 multiply-adds. They wait for what is read, so the more of them a read serves, the better. The
# number of registers is the limit: one for each sum, one for each vector of $b$, and one for the number of $a$.

# %%
from minisora.kernels.numba_simd import width

lanes = width(np.float32) // 4
print(f"AVX-512 has 32 registers of {lanes} float32")
print("rows x vectors   multiply-adds per read   registers")
for rows, vectors in ((1, 1), (1, 4), (4, 4), (6, 4), (7, 4)):
    needed = rows * vectors + vectors + 1
    ratio = rows * vectors / (rows + vectors)
    print(f"{rows:4} x {vectors} {ratio:22.2f} {needed:14} {'fits' if needed <= 32 else 'too many'}")

# %% [markdown]
# With AVX2, which has 16 registers of half the length, it keeps 6 x 1 of these vectors.
#
# Two more things are worth a look in the source. First, the exponential (`kernels/numba_exp.py`). Scores are multiplied
# by $\log_2 e$ once, together with their scale; then $e^s = 2^y$ with $y = s \log_2 e$. With $n$ the integer nearest to
# $y$ and $f = y - n$, $2^y = 2^n\, 2^f$: $2^n$ is $n$, plus 127, in those bits of a float32 that are its exponent, and
# $2^f$ is nearly a polynomial, since $|f| \le \frac12$. Both can be done in all lanes at once. (Below it is Taylor's
# polynomial; the kernel has one with a smaller error.) Second, tiles stand on their side, $S^\top = K Q^\top$, so that
# the lanes of a vector are queries: a maximum over keys is then a maximum of whole vectors.

# %%
from math import factorial

from minisora.kernels.numba_exp import LOG2_E

score = rng.normal(size=5)
y = score * LOG2_E
np.testing.assert_allclose(np.exp2(y), np.exp(score), rtol=1e-14)
n = np.floor(y + 0.5)
power = ((n.astype(np.int32) + 127) << 23).view(np.float32)  # its last 23 bits are the fraction
polynomial = sum(((y - n) * np.log(2)) ** i / factorial(i) for i in range(7))
print("y  ", y.round(3), "\n2^n", power, "\n2^f", polynomial.round(3), "\ne^s", (power * polynomial).round(3))
print(f"relative error {abs(power * polynomial / np.exp(score) - 1).max():.1e}")

# %% [markdown]
# ## The same numbers on every rung
#
# 每一级的结果都一样：这是能换着用的前提。
#
# A small case with what is hard: T ≠ S, causal, padding, and a sequence that sees nothing: its rows are blind, with
# `out` 0 and `lse` minus infinity (lesson 5). `get_backend` gives a rung by its name. Each rung in float32 is held
# against the specification in float64, and its error must not be more than twice that of the specification in float32
# (`numpy`), plus four units in the last place of the largest number. The first call of a rung compiles it, which takes
# some seconds; it is kept on disk for the next time. `numba-blas` is left out here, since it takes longest to compile.

# %%
from minisora.kernels import get_backend

q, k, v = (rng.normal(size=(3, 2, length, 8)) for length in (70, 90, 90))
key_mask = rng.random((3, 90)) < 0.7
key_mask[1] = False  # sees nothing
exact, exact_cache = attention_forward(q, k, v, key_mask=key_mask, causal=True)
q, k, v = (array.astype(np.float32) for array in (q, k, v))
errors, caches, unit = {}, {}, np.spacing(abs(exact).max().astype(np.float32))
for name in ("numpy", "numba-loops", "numba-tiles", "numba"):
    found, caches[name] = get_backend(name).forward(q, k, v, key_mask=key_mask, causal=True)
    errors[name] = abs(found - exact).max()
    allowed = 2 * errors["numpy"] + 4 * unit
    print(f"{name:12} largest error {errors[name]:.1e}, allowed {allowed:.1e}; blind rows: out {np.unique(found[1])}")
    assert errors[name] <= allowed
    assert not found[1].any() and np.isneginf(caches[name].lse[1]).all()

# %% [markdown]
# Because the cache is the same, the forward of one rung can be followed by the backward of another. Backward needs no
# matrix either. It makes the weights again from what is cached, $w_s = e^{\text{score}_s - \text{lse}}$. For each query
# $d\text{score}_s = w_s\,(dw_s - \delta)$ with $\delta = \sum_s w_s\, dw_s$ (lesson 4), and since
# $dw_s = \text{dout} \cdot v_s$, this one number a row is
#
# $$\delta = \text{dout} \cdot \sum_s w_s v_s = \text{dout} \cdot \text{out}.$$
#
# `attention_steps` makes the matrices all the same, to be looked at.

# %%
from minisora.kernels import attention_steps

dout = rng.normal(size=exact.shape)
right = get_backend("numpy").backward(dout, exact_cache)
found = get_backend("numba-loops").backward(dout.astype(np.float32), caches["numba"])  # another rung's cache
for name, a, b in zip(("dq", "dk", "dv"), found, right):
    print(f"{name}: error relative to the largest entry {abs(a - b).max() / abs(b).max():.1e}")
    np.testing.assert_allclose(a, b, atol=1e-5 * abs(b).max())
steps = attention_steps(exact_cache, dout)
delta = (steps.dweights * steps.weights).sum(axis=-1)
print(f"delta: largest difference {abs(delta - (dout * exact).sum(axis=-1)).max():.1e}")
np.testing.assert_allclose(delta, (dout * exact).sum(axis=-1), atol=1e-12)

# %% [markdown]
# And the numbers do not depend on how many threads there are: each job writes to places of its own, in an order that
# follows from the sizes alone. The same bits on one thread and on all:

# %%
from minisora.kernels.threads import at_most, num_threads

q, k, v = (rng.normal(size=(4, 4, 256, 16)).astype(np.float32) for _ in range(3))
on_all = get_backend("numba").forward(q, k, v)[0]
with at_most(1):
    on_one = get_backend("numba").forward(q, k, v)[0]
np.testing.assert_array_equal(on_one, on_all)
print("the same bits on one thread and on up to", num_threads())

# %% [markdown]
# ## What each rung buys
#
# 每一级快了多少：画的是记录在案的测量，不是此刻的机器。
#
# The times come from a run of record, `minisora/benchmarks/results/attention_ladder.json`, made by
# `minisora bench attention --beside ...`: all sides in turns, medians, in GFLOP/s, where forward counts as two products
# and backward as five. A case is named B x H x T x d; full is without a mask. The dashed line is the rate of one large
# matrix product by BLAS (sgemm) on the same cores: about what the machine can do. It was measured along with each
# case, so it is not the same in both panels, and a bar may pass it a little.

# %%
import json
from importlib.resources import files

from minisora.plotting import plot_rates

results = files("minisora.benchmarks") / "results"
record = json.loads((results / "attention_ladder.json").read_text(encoding="utf-8"))
rungs = {name: name for name in ("numpy", *record["beside"])} | {record["backend"]: "ours", "PyTorch": "torch"}
panels, limits = {}, {}
for row in record["rows"]:
    rates = row["gflops"]
    panels[row["case"]] = {label: rates[name] for label, name in rungs.items()}
    limits[row["case"]] = ("sgemm", rates["sgemm"])
    memory = {label: max(0, row["memory_beyond_mib"][name]) for label, name in rungs.items()}
    print(f"{row['case']:35}", "  ".join(f"{label} {mib:.1f}" for label, mib in memory.items()))
print("MiB beyond the results; {processor}, {cores} cores; float32".format_map(record["machine"]))
shown = [case for case in panels if "full" in case]
plot_rates({case: panels[case] for case in shown}, "GFLOP/s", {case: limits[case] for case in shown})

# %% [markdown]
# Read it from the top. NumPy takes about three matrices of 64 MiB, as large as the scores of our first table. Forward,
# it runs at a quarter of sgemm's rate, though its products are BLAS's: many products of narrow matrices are slower than
# one large one, and the passes over the scores come on top. The loops save nearly all memory, and without a mask are
# slower still. Tiles bring the traffic down, and win forward; forward and backward together, NumPy stays ahead of them.
# BLAS within the tiles, then registers that keep their sums, bring the products to the rate of the machine.
#
# With a causal mask the other rungs leave out the keys, or the tiles of keys, that nobody sees, and take from a half to
# two thirds of the time. NumPy computes them all the same, and hides them afterwards:

# %%
for row in record["rows"]:
    times = {name: row["ours"] if name == "ours" else row["opponents"][name] for name in rungs.values()}
    print(f"{row['case']:36}", "  ".join(f"{label} {1000 * times[name]:.0f} ms" for label, name in rungs.items()))

# %% [markdown]
# ## CUDA: the same ladder once more
#
# GPU 上是同一架梯子：一行一个线程，共享内存里的块，张量核心。
#
# A GPU runs thousands of threads at once. `cuda-naive` gives every query a thread of its own, which does what our loops
# did; only, it computes each score twice instead of keeping a row of them. Here is its inner part, from
# `kernels/cuda/naive.cu`. `real` is float or double; keys from `stop` on are hidden, and `sight.sees` says which
# others are; `add` adds a multiple of a vector to `out`; `keep_factor` is dropout's, 1 without it.

# %%
source = (files("minisora.kernels") / "cuda" / "naive.cu").read_text(encoding="utf-8")
print(source[source.index("    real largest = ") : source.index("    lse[row] = largest + log")])

# %% [markdown]
# `cuda-tiled` lets a block of threads share tiles in their shared memory, small and fast, with the online softmax of
# above. `cuda-fp16` and `cuda-bf16` give the products to the tensor cores, units that multiply small matrices of short
# floats; `cuda-hopper-fp16` and `cuda-hopper-bf16` let four warps together order a large product, straight from shared
# memory, and compute the softmax while it is under way. `cuda-3xtf32` gives them float32: of its 23 bits of fraction a
# tensor core reads only 10 (TF32), so each number is split into two, $x_1$ being $x$ rounded to 10 bits and $x_2$ the
# rest, rounded likewise, and three products are summed. The fourth, $x_2 y_2$, is at most $2^{-22}$ of the whole, not
# far above float32's own rounding, and is left out:
#
# $$x = x_1 + x_2,\quad y = y_1 + y_2,\qquad xy \approx x_1 y_1 + x_1 y_2 + x_2 y_1.$$


# %%
def tf32(x):
    """x rounded to 10 bits of its fraction."""
    bits = x.view(np.uint32) + np.uint32(1 << 12)  # half of the last bit that stays
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)  # without the last 13


a, b = (rng.normal(size=(64, 64)).astype(np.float32) for _ in range(2))
exact = a.astype(np.float64) @ b.astype(np.float64)
a_1, b_1 = tf32(a), tf32(b)
a_2, b_2 = tf32(a - a_1), tf32(b - b_1)
products = {"one product in TF32": a_1 @ b_1, "three": a_1 @ b_1 + (a_1 @ b_2 + a_2 @ b_1), "float32": a @ b}
errors = {name: abs(product - exact).max() / abs(exact).max() for name, product in products.items()}
for name, error in errors.items():
    print(f"{name:20} error relative to the largest entry {error:.1e}")
assert errors["three"] < 4 * errors["float32"] < errors["one product in TF32"] / 10

# %% [markdown]
# ## The GPU's rows
#
# GPU 的测量只来自记录；没有记录，就如实说没有。
#
# No lesson needs a GPU: bars of GPUs come from records, `results/attention_<gpu>.json`, that
# `minisora bench attention-gpu --out FILE` writes on a machine that has one. The cell draws every record that is
# there, each rung beside PyTorch, and where none is, it says so.

# %%
records = [
    json.loads(p.read_text(encoding="utf-8")) for p in sorted(results.iterdir(), key=str) if "attention_" in p.name
]
gpu_records = [one for one in records if "gpu" in one]
panels, limits = {}, {}
for record in gpu_records:
    rows = [row for row in record["rows"] if row["ours"] is not None]  # those that ran
    cases = [case for case in dict.fromkeys(row["case"] for row in rows) if case.startswith("8x8x512x64 full")]
    # the cases of the picture above, or the first one
    for case in cases or [rows[0]["case"]]:
        here = [row for row in rows if row["case"] == case]
        rates = {row["backend"]: row["tflops"][row["backend"]] for row in here}
        for row in here:
            paths = sorted(row["opponents"].keys() - set(backend_names()))
            rates |= {f"PyTorch {path}, {row['dtype']}": row["tflops"][path] for path in paths}
        title = f"{case}\nrecorded on {record['gpu']['name']}"
        panels[title], limits[title] = rates, ("float16 product", record["ceilings"]["product_tflops"]["float16"])
none = "no record of a GPU is among the results: what the CUDA rungs are worth in time is not known"
plot_rates(panels, "TFLOP/s", limits) if panels else print(none)

# %% [markdown]
# What can be known without a GPU is tested without one: the kernels are compiled for the CPU and run there, block by
# block, against the specification, and compiled by NVRTC, NVIDIA's compiler, for the GPUs they are meant for
# (`tests/cuda/`). A rung that is asked for by name and cannot run says what it needs; nothing falls back in silence.

# %%
try:
    get_backend("cuda-naive")
    print("CuPy is installed: the rungs", *backend_names("cuda"), "can be asked for")
except ValueError as error:
    print(error)

# %% [markdown]
# ## Exercises
#
# 练习：每一题都有判定对错的断言。
#
# Take arrays of your own in float64, such as `rng.normal(size=(2, 3, 8, 4))`; the last `q, k, v` above are float32.
#
# 1. **Two halves.** Cut keys and values in two, run `attention_forward` on each half, and merge `out` and `cache.lse`
#    of the halves into those of the whole. (What is the weight of a half?) Right when
#    `np.testing.assert_allclose(merged, whole, rtol=1e-12, atol=1e-14)` holds for `out` and for `lse`. This is how a
#    decoder with one query and many keys can use all cores.
# 2. **A rung of your own.** Write `my_forward(q, k, v)` for arrays (B, H, T or S, d) on top of `by_tiles`, with blocks
#    smaller than the arrays (rows=4, columns=3, say). It returns `out` and an `AttentionCache` with all its fields, the
#    options as printed under *The ground*. Let the specification do the backward: with `check`, `Probe` and
#    `FunctionPair` from `minisora.gradcheck`, and `AttentionCache` and `attention_backward` from `minisora.kernels`,
#    `print(check(Probe(FunctionPair(my_forward, attention_backward), {"q": q, "k": k, "v": v})))` must say `passed`.
#    Then forget the factor `shrink`, first where `total` is summed, then where `o` is. Which tensors have a large error
#    in each case, and why is `v` not among them in the first?
# 3. **Blind rows.** Give `my_forward` a `key_mask` (B, S), and use (rows=16, columns=2), so that whole blocks of keys
#    are hidden. A row that sees no key must be 0, its `lse` minus infinity, and no warning may appear. Right when,
#    under `np.errstate(divide="raise", invalid="raise")`, your `out` and `lse` pass the test of exercise 1 against
#    `attention_forward(q, k, v, key_mask=key_mask)`, not causal, for the lesson's `key_mask` (3, 90) and arrays
#    (3, 2, 70, 8) for `q`, (3, 2, 90, 8) for `k` and `v`.
