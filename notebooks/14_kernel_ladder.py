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
# Attention forward is two products, $QK^\top$ and $AV$: for each query and key $4 d$ additions and multiplications. The
# matrices $Q, K, V$ and the output are small; the scores in between, $(B, H, T, S)$, are not.

# %%
import numpy as np

print("   B  H     T   d    GFLOP   Q, K, V, out      scores")
for batch, heads, length, d in ((1, 1, 8, 64), (8, 8, 512, 64), (4, 16, 4096, 64)):
    work = 4 * batch * heads * length * length * d / 1e9
    inputs = 4 * batch * heads * length * d * 4 / 2**20  # four arrays of float32, in MiB
    scores = batch * heads * length * length * 4 / 2**20
    print(f"{batch:4} {heads:2} {length:5} {d:3} {work:8.4f} {inputs:10.2f} MiB {scores:9.2f} MiB")

# %% [markdown]
# ## The ground: the specification
#
# 起点：NumPy 写成的定义，三步，一目了然。
#
# `minisora/kernels/numpy_attention.py` computes `scores`, `weights` and `out` for all queries at once. It is what
# every rung is held against. Every step reads and writes a whole matrix (B, H, T, S), so at T = 4096 most of the time
# goes into moving gigabytes, not into arithmetic. The cache is public and the same for every rung: `q, k, v, out, lse`
# and the options, and no matrix (T, S).

# %%
from minisora.kernels import AttentionCache, attention_forward, attention_steps, backend_names

rng = np.random.default_rng(14)
q, k, v = (rng.normal(size=(1, 1, length, 2)) for length in (3, 6, 6))  # (B, H, T or S, d_k)
out, cache = attention_forward(q, k, v)
print("rungs on the CPU:", *backend_names("cpu"))
print("cache:", *(f"{name}{getattr(array, 'shape', '')}" for name, array in zip(AttentionCache._fields, cache)))

scores = q @ k.swapaxes(-1, -2) / np.sqrt(2)
weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
np.testing.assert_allclose(weights @ v, out)
np.testing.assert_allclose(np.log(np.exp(scores).sum(axis=-1)), cache.lse)  # the logsumexp of each row

# %% [markdown]
# ## First rung: loops
#
# 第一级：逐个查询循环，只保留一行分数。
#
# `numba-loops` reads like the formula: for each query, the scores of one row, their maximum, then weights and sum. It
# never holds more than S scores. But to find the maximum it must have seen the whole row before it can add anything
# up, and each query reads all keys and values again.


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
# $e^{s - m}$; and $o$, the sum of $e^{s - m} v$. When a block of keys brings a new maximum $m'$, what was summed is
# brought in line by one factor:
#
# $$m' = \max(m, \max_j s_j),\qquad \ell' = e^{m - m'}\ell + \sum_j e^{s_j - m'},\qquad
# o' = e^{m - m'} o + \sum_j e^{s_j - m'} v_j$$
#
# At the end $\text{out} = o / \ell$ and $\text{lse} = m + \log \ell$. No exponent is ever above 0, so nothing can
# overflow.

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
# for: a key that was the largest fades as larger ones come.

# %%
from minisora.plotting import plot_attention

plot_attention(shares, [f"s={score:g}" for score in s], ["block 0", "block 1", "block 2"])

# %% [markdown]
# ## Second rung: tiles
#
# 第二级：分块。一块查询遇上一块键，搬一次，用很多次。
#
# With the online softmax, neither side must be there as a whole. `numba-tiles` takes 64 queries and lets the keys pass
# by in blocks of 64 (Dao et al., FlashAttention, 2022). The arithmetic is the same. What changes is the traffic: a
# block of keys is brought once for 64 queries instead of once for each.

# %%
from minisora.kernels.numba_tiles import KEYS, QUERIES

print("keys and values read by one head, d = 64, in MiB")
for length in (512, 4096, 16384):
    both = 2 * length * 64 * 4 / 2**20
    print(f"T = S = {length:5}: loops {length * both:8.0f}   tiles {length / QUERIES * both:7.0f}")
print(
    f"a tile of scores and a block of keys take {QUERIES * KEYS * 4 // 1024} KiB each: the nearest cache holds 32 or 48"
)


# %%
def by_tiles(q, k, v, rows=64, columns=64):
    """The same in NumPy: out (T, d_v) and lse (T,) of one head."""
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
for found, right in zip(by_tiles(q, k, v), (expected[0, 0], cache.lse[0, 0])):
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)
print("the tiles agree; largest score", (q @ k.T).max().round(1))

# %% [markdown]
# ## Third and fourth rung: who multiplies the tiles?
#
# 第三、四级：块内的乘积交给 BLAS，或交给一个用向量寄存器手写的微内核。
#
# `numba-blas` hands each tile's products to BLAS, which is fast at products but is called anew for every small tile.
# `numba`, the top rung, has a micro-kernel of its own (`kernels/numba_simd.py`): six rows times four vectors of sums
# stay in registers while $k$ runs. Per step it reads four vectors of $b$ and six numbers of $a$, and does 24
# multiply-adds. Reading is what a core does slowest, so the ratio decides, and the number of registers limits it:

# %%
from minisora.kernels.numba_simd import width

print("rows x vectors   multiply-adds a read   registers")
for rows, vectors in ((1, 1), (1, 4), (4, 4), (6, 4), (8, 4)):
    print(f"{rows:4} x {vectors} {rows * vectors / (rows + vectors):20.2f} {rows * vectors + vectors + 1:14}")
lanes = width(np.float32) // 4
print(f"AVX-512 has 32 registers of {lanes} float32: 6 x 4 fits with room to spare, 8 x 4 does not")

# %% [markdown]
# Two more things are worth a look in the source. Scores are multiplied by $\log_2 e$ once, together with their scale,
# so that a softmax to base 2 does the same; $2^y$ is an integer shifted into the exponent times a polynomial, which
# fits a vector (`kernels/numba_exp.py`). And tiles stand on their side, $S^\top = K Q^\top$, so that the lanes of a
# vector are queries: a maximum over keys is then a maximum of whole vectors.

# %%
from minisora.kernels.numba_exp import LOG2_E

score = rng.normal(size=5)
np.testing.assert_allclose(np.exp2(score * LOG2_E), np.exp(score), rtol=1e-14)

# %% [markdown]
# ## The same numbers on every rung
#
# 每一级的结果都一样：这是能换着用的前提。
#
# A small case with what is hard: T ≠ S, causal, padding, and a sequence that sees nothing. Each rung in float32 is held
# against the specification in float64, and must not be worse than twice the plain NumPy computation, plus four units in
# the last place. The first call of a rung compiles it, which takes some seconds; it is kept on disk for the next time.
# `numba-blas` is left out here, since it takes longest to compile.

# %%
from minisora.kernels import get_backend

q, k, v = (rng.normal(size=(3, 2, length, 8)) for length in (70, 90, 90))
key_mask = rng.random((3, 90)) < 0.7
key_mask[1] = False  # sees nothing
exact, exact_cache = attention_forward(q, k, v, key_mask=key_mask, causal=True)
q, k, v = (array.astype(np.float32) for array in (q, k, v))
errors, caches = {}, {}
for name in ("numpy", "numba-loops", "numba-tiles", "numba"):
    found, caches[name] = get_backend(name).forward(q, k, v, key_mask=key_mask, causal=True)
    errors[name] = abs(found - exact).max()
    print(f"{name:12} largest error {errors[name]:.1e}   blind rows {found[1].min()} .. {found[1].max()}")
    assert errors[name] <= 2 * errors["numpy"] + 4 * np.spacing(abs(exact).max().astype(np.float32))
    assert not found[1].any() and np.isneginf(caches[name].lse[1]).all()

# %% [markdown]
# Because the cache is the same, the forward of one rung can be followed by the backward of another. Backward needs no
# matrix either: it makes the weights again, $w = e^{s - \text{lse}}$, and of the softmax's backward only one number a
# row, $\delta = \sum_s dw_s\, w_s$, which is $\bar y \cdot y$, the product of `dout` and `out`.

# %%
dout = rng.normal(size=exact.shape)
right = get_backend("numpy").backward(dout, exact_cache)
found = get_backend("numba-loops").backward(
    dout.astype(np.float32), caches["numba"]
)  # one rung's cache, another's backward
for name, a, b in zip(("dq", "dk", "dv"), found, right):
    print(f"{name}: relative error {abs(a - b).max() / abs(b).max():.1e}")
    np.testing.assert_allclose(a, b, atol=1e-5 * abs(b).max())
steps = attention_steps(exact_cache, dout)
np.testing.assert_allclose((steps.dweights * steps.weights).sum(axis=-1), (dout * exact).sum(axis=-1), atol=1e-12)

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
# `minisora bench attention --beside ...`: all sides in turns, medians, in GFLOP/s. The dashed line is the rate of one
# large matrix product by BLAS (sgemm) on the same cores: what the machine can do.

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
    memory = row["memory_beyond_mib"]
    print(f"{row['case']:36} numpy takes {memory['numpy']:.0f} MiB beyond its results, numba {memory['ours']:.1f}")
machine = record["machine"]
print(f"{machine['processor']}, {machine['cores']} cores; float32")
shown = [case for case in panels if "full" in case]
plot_rates({case: panels[case] for case in shown}, "GFLOP/s", {case: limits[case] for case in shown})

# %% [markdown]
# Read it from the top. The loops save nearly all memory, and may still be slower than NumPy, whose products are BLAS's.
# Tiles bring the traffic down. BLAS within the tiles, then registers that keep their sums, bring the products to the
# rate of the machine. With a causal mask the tiles that nobody sees are left out, which NumPy cannot do:

# %%
for row in record["rows"]:
    times = {name: row["ours"] if name == "ours" else row["opponents"][name] for name in rungs.values()}
    print(f"{row['case']:36}", "  ".join(f"{label} {1000 * times[name]:.0f} ms" for label, name in rungs.items()))

# %% [markdown]
# ## CUDA: the same ladder once more
#
# GPU 上是同一架梯子：一行一个线程，共享内存里的块，张量核心。
#
# `cuda-naive` gives every query a thread of its own, which does what our loops did. Here is its inner part, from
# `kernels/cuda/naive.cu`:

# %%
source = (files("minisora.kernels") / "cuda" / "naive.cu").read_text(encoding="utf-8")
print(source[source.index("    real largest = ") : source.index("    lse[row] = largest + log")])

# %% [markdown]
# `cuda-tiled` lets a block of threads share tiles in shared memory, with the online softmax of above. `cuda-fp16` and
# `cuda-bf16` give the products to the tensor cores, which take short floats. `cuda-3xtf32` gives them float32: a tensor
# core reads only 10 bits of the fraction (TF32), so each number is split into two, and three products are summed,
#
# $$x = x_1 + x_2,\quad y = y_1 + y_2,\qquad xy \approx x_1 y_1 + x_1 y_2 + x_2 y_1.$$


# %%
def tf32(x):
    """x rounded to 10 bits of its fraction."""
    return ((x.view(np.uint32) + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)


a, b = (rng.normal(size=(64, 64)).astype(np.float32) for _ in range(2))
exact = a.astype(np.float64) @ b.astype(np.float64)
a_1, b_1 = tf32(a), tf32(b)
a_2, b_2 = tf32(a - a_1), tf32(b - b_1)
products = {"one product in TF32": a_1 @ b_1, "three": a_1 @ b_1 + (a_1 @ b_2 + a_2 @ b_1), "float32": a @ b}
errors = {name: abs(product - exact).max() / abs(exact).max() for name, product in products.items()}
for name, error in errors.items():
    print(f"{name:20} relative error {error:.1e}")
assert errors["three"] < 4 * errors["float32"] < errors["one product in TF32"] / 10

# %% [markdown]
# ## The GPU's rows
#
# GPU 的测量只来自记录；没有记录，就如实说没有。
#
# No lesson needs a GPU: its bars come from records, `results/attention_<gpu>.json`, that
# `minisora bench attention-gpu --out FILE` writes on a machine that has one. The cell draws every record that is
# there, and where none is, it says so.

# %%
records = [
    json.loads(p.read_text(encoding="utf-8")) for p in sorted(results.iterdir(), key=str) if "attention_" in p.name
]
gpu_records = [one for one in records if "gpu" in one]
panels, limits = {}, {}
for record in gpu_records:
    rows = [row for row in record["rows"] if row["ours"] is not None]
    cases = [case for case in dict.fromkeys(row["case"] for row in rows) if case.startswith("8x8x512x64 full")]
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
# block, against the specification, and compiled by NVRTC for the GPUs they are meant for (`tests/cuda/`). A rung that
# is asked for by name and cannot run says what it needs; nothing falls back in silence.

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
# 1. **Two halves.** Cut the keys in two, run `attention_forward` on each, and merge `out` and `cache.lse` of the
#    halves into those of the whole. (What is the weight of a half?) Right when `np.testing.assert_allclose(merged,
#    whole, rtol=1e-12)` holds for both. This is how a decoder with one query and many keys can use all cores.
# 2. **A rung of your own.** Write `my_forward(q, k, v)` for arrays (B, H, T, d) on top of `by_tiles` (with blocks
#    smaller than the arrays), which returns `out` and an `AttentionCache`, and let the specification do the backward:
#    `check(Probe(FunctionPair(my_forward, attention_backward), {"q": q, "k": k, "v": v}))` from `minisora.gradcheck`
#    must print `passed`. Then forget the factor `shrink` in one place and see which tensors tell.
# 3. **Blind rows.** Give `my_forward` a `key_mask`. A row that sees no key must be 0, its `lse` minus infinity, and no
#    warning may appear: right when your `out` and `lse` equal those of `attention_forward` for the mask of the lesson.
