"""``minisora bench attention-gpu``: attention on an NVIDIA GPU beside PyTorch's, and what the device can do.

Every rung is first held against the specification in float64, on the first and the last head of the very arrays that
are timed; one that is wrong is not timed, and the command fails when it has told the rest. Then all sides that take
inputs of the same type take turns in one process, timed by CUDA events: minisora's rungs, and the paths of
``torch.nn.functional.scaled_dot_product_attention`` (flash, memory-efficient, cuDNN) as far as torch has them for the
case. The rungs in bfloat16 take and give float32 and round inside, which is counted, as is the layout that Hopper's
take; torch's bfloat16 paths are given bfloat16. Hopper's rungs are left out on other GPUs.

TFLOP/s count the products of the formula: two forward, five backward, half of each where attention is causal. They
stand beside the rate of cuBLAS's product of two large matrices of the same type; in the matrix cores' float32,
``cuda-3xtf32``, beside a third of TF32's, since every product is made three times.
"""

from importlib.util import find_spec
from itertools import product
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from minisora.benchmarks.attention import Shape, operations, parse
from minisora.benchmarks.gpu import ceilings, describe, repeated, require_gpu, take_turns
from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.kernels import attention_backward, attention_forward, get_backend
from minisora.kernels.cuda_hopper import WIDEST


class Case(NamedTuple):
    """What is timed: every rung and every path of torch that takes inputs of that type."""

    shape: Shape
    causal: bool
    dtype: str

    def __str__(self):
        return f"{self.shape} {'causal' if self.causal else 'full'}"


SHAPES = tuple(
    Shape(batch, heads, length, length, width)
    for batch, heads, length, width in (
        (64, 8, 32, 32), (8, 8, 512, 64), (4, 16, 4096, 64), (4, 8, 4096, 128), (1, 16, 16384, 64)
    )
)  # fmt: skip
SMOKE = (Shape(1, 2, 70, 70, 16),)
RUNGS = {  # by the type of the inputs
    "float32": ("cuda-naive", "cuda-tiled", "cuda-3xtf32"),
    "float16": ("cuda-fp16", "cuda-hopper-fp16"),
    "bfloat16": ("cuda-bf16", "cuda-hopper-bf16"),
}
PATHS = {  # of torch, by the type of the inputs
    "float32": {"efficient": "EFFICIENT_ATTENTION"},
    "float16": {"flash": "FLASH_ATTENTION", "efficient": "EFFICIENT_ATTENTION", "cudnn": "CUDNN_ATTENTION"},
}
PATHS["bfloat16"] = PATHS["float16"]
PRODUCTS = {"forward": 2, "backward": 5}
ALLOWED = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 6e-2}  # error of a rung that is timed
HOPPER = "cuda-hopper-"  # how the names of its rungs begin
NAIVE_ENTRIES = 1 << 28  # of the matrices of weights; beyond, one thread a row takes seconds a run
TURN = 0.1  # seconds, at least


@click.command()
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice([name for names in RUNGS.values() for name in names]),
    help="A rung; repeatable; all of them where none is named.",
)
@click.option("--shape", "shapes", multiple=True, metavar="B,H,T,D", help="Instead of those of record; repeatable.")
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(1), help="Turns that are measured.")
@click.option("--alone", is_flag=True, help="Without torch.")
@record_options
def command(backends, shapes, rounds, alone, smoke, as_json, out):
    """Attention on a GPU, forward and backward: errors, time, TFLOP/s, ratio to torch's paths.

    A ratio above 1 means that minisora is faster. Needs an NVIDIA GPU, and torch with CUDA unless --alone.
    """
    require_gpu()
    if not alone and not torch_has_cuda():
        raise click.UsageError("torch is not installed, or finds no GPU: install it with CUDA, or measure with --alone")
    if not on_hopper() and any(name.startswith(HOPPER) for name in backends):
        raise click.UsageError(f"{', '.join(backends)}: {HOPPER}* expects a Hopper GPU, got {describe()['name']}")
    here = machine()  # before our own load
    sizes = tuple(map(square, shapes)) or (SMOKE if smoke else SHAPES)
    turns = {"rounds": 1, "at_least": 0.0} if smoke else {"rounds": rounds, "at_least": TURN}
    limits = ceilings(**turns, with_torch=not alone, **({"side": 64, "copied": 1 << 10} if smoke else {}))
    rows = []
    for case in tqdm([Case(*case) for case in product(sizes, (False, True), RUNGS)], disable=None):
        rungs = [name for name in RUNGS[case.dtype] if name in (backends or RUNGS[case.dtype]) and is_for(name, case)]
        if rungs:
            rows += measure(case, rungs, {} if alone else PATHS[case.dtype], turns, limits["product_tflops"])
    settings = {"gpu": describe(), "ceilings": limits, **turns, "smoke": smoke}
    libraries = "cupy-cuda12x", "cupy-cuda13x", "torch"
    publish(make_record(here, rows, *libraries, **settings), table(rows, settings), as_json, out)
    wrong = (row for row in rows if row["ours"] is None)
    if told := [f"{row['backend']} by {row['error'][row['backend']]:.1e} in {row['case']}" for row in wrong]:
        raise click.ClickException(f"wrong, and not timed: {'; '.join(told)}")


def torch_has_cuda():
    """Whether torch is installed, and can use the GPU."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def square(text):
    """``"4,16,4096,64"`` as a Shape; torch aligns causal attention in another way where T != S."""
    shape = parse(text)
    if shape.targets != shape.sources:
        raise click.UsageError(f"a shape with T = S is expected, got {text!r}")
    return shape


def on_hopper():
    """Whether the GPU has the instructions that Hopper's rungs need."""
    return describe()["architecture"] == "sm_90"


def is_for(name, case):
    """Whether a rung is timed in a case."""
    batch, heads, targets, sources, width, _ = case.shape
    if name.startswith(HOPPER):
        return on_hopper() and width <= WIDEST
    return name != "cuda-naive" or batch * heads * targets * sources <= NAIVE_ENTRIES


def measure(case, rungs, paths, turns, products):
    """The rows of one case: one for each pass and rung, beside all of torch's paths that can do it."""
    arrays = inputs(case)
    sides, missing = {name: Ours(name, arrays, case.causal) for name in rungs}, {}
    for name, path in paths.items():
        try:
            sides[name] = Torch(path, arrays, case)
        except (RuntimeError, AttributeError) as error:  # torch has no such kernel for the case, or not yet
            missing[name] = str(error).partition("\n")[0]
    found = errors(sides, arrays, case)
    rows = []
    for kind in PRODUCTS:
        error = {name: passes[kind] for name, passes in found.items()}
        right = {name: side for name, side in sides.items() if name in paths or error[name] <= ALLOWED[case.dtype]}
        times = take_turns({name: getattr(side, kind) for name, side in right.items()}, **turns)
        rows += [row(case, kind, rung, times, error, products) | {"missing": missing} for rung in rungs]
    return rows


def row(case, kind, rung, times, error, products):
    """One rung beside the other sides; without times where it is wrong."""
    about = {"case": f"{case} {kind}", "backend": rung, "dtype": case.dtype, "error": error}
    if rung not in times:
        return about | {"ours": None}
    work = operations(case.shape, case.causal, PRODUCTS[kind])
    rates = {name: work / timing.seconds / 1e12 for name, timing in times.items()}
    thirds = rung == "cuda-3xtf32" and "tf32" in products
    ceiling = products["tf32"] / 3 if thirds else products["float32" if case.dtype == "float32" else "float16"]
    others = [name for name in times if name != rung]
    return about | {
        "ours": times[rung].seconds,
        "opponents": {name: times[name].seconds for name in others},
        "ratio": {name: times[name].seconds / times[rung].seconds for name in others},
        "tflops": rates,
        "share_of_product": rates[rung] / ceiling,
        "range": {name: [timing.fastest, timing.slowest] for name, timing in times.items()},
    }


def table(rows, settings):
    """The rows for people, under what the device can do."""
    paths = list(PATHS["float16"])
    cells = [("case", "backend", "ms", "TFLOP/s", "of product", "error", *(f"{name} / ours" for name in paths))]
    for one in rows:
        if one["ours"] is None:
            continue
        numbers = f"{1000 * one['ours']:.3f}", f"{one['tflops'][one['backend']]:.1f}"
        share, error = f"{100 * one['share_of_product']:.0f} %", f"{one['error'][one['backend']]:.1e}"
        ratios = (f"{one['ratio'][name]:.2f}" if name in one["ratio"] else "-" for name in paths)
        cells.append((one["case"], one["backend"], *numbers, share, error, *ratios))
    limits = settings["ceilings"]
    products = ", ".join(f"{name} {rate:.0f}" for name, rate in limits["product_tflops"].items())
    ceiling = f"copy {limits['copy_gb_s']:.0f} GB/s; products in TFLOP/s: {products}"
    return f"{settings['gpu']['name']}, median of {settings['rounds']} turns; {ceiling}\n\n{lay_out(cells)}"


def inputs(case):
    """q, k, v and dout on the host, such that the case's type holds them exactly: float16, else float32."""
    batch, heads, length, _, width, _ = case.shape
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((batch, heads, length, width), np.float32) for _ in range(4)]
    if case.dtype == "float16":
        return [array.astype(np.float16) for array in arrays]
    if case.dtype == "bfloat16":  # the upper half of a float32, here cut off
        return [(array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for array in arrays]
    return arrays


def errors(sides, arrays, case):
    """The relative error of each side against float64, forward's and the largest of backward's, in two heads."""
    import cupy

    found = {name: {"forward": 0.0, "backward": 0.0} for name in sides}
    for head in (slice(0, 1), slice(-1, None)):
        q, k, v, dout = (cupy.asarray(array[head, head].astype("float64")) for array in arrays)
        out, cache = attention_forward(q, k, v, causal=case.causal)
        exact = [array.get() for array in (out, *attention_backward(dout, cache))]
        for name, side in sides.items():
            each = [abs(a - b).max() / abs(b).max() for a, b in zip(side.results(head), exact, strict=True)]
            found[name] = {
                "forward": float(np.maximum(found[name]["forward"], each[0])),  # NaN stays
                "backward": float(np.maximum(found[name]["backward"], np.max(each[1:]))),
            }
    return found


class Ours:
    """One of minisora's rungs."""

    def __init__(self, name, arrays, causal):
        import cupy

        attention = get_backend(name)
        *qkv, dout = map(cupy.asarray, arrays)
        self.out, cache = attention.forward(*qkv, causal=causal)
        self.forward = repeated(lambda: attention.forward(*qkv, causal=causal))
        self.gradients = lambda: attention.backward(dout, cache)
        self.backward = repeated(self.gradients)

    def results(self, head):
        """out, dq, dk, dv of one head of one sequence, on the host."""
        return [array[head, head].get().astype("float64") for array in (self.out, *self.gradients())]


class Torch:
    """One of torch's paths."""

    def __init__(self, path, arrays, case):
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        tensors = [torch.from_numpy(array).to("cuda", getattr(torch, case.dtype)) for array in arrays]
        qkv, dout = [tensor.requires_grad_() for tensor in tensors[:3]], tensors[3]

        def forward(repeat):
            with sdpa_kernel(getattr(SDPBackend, path)):
                for _ in range(repeat):
                    out = torch.nn.functional.scaled_dot_product_attention(*qkv, is_causal=case.causal)
            return out

        self.forward, self.out = forward, forward(1)
        self.gradients = lambda: torch.autograd.grad(self.out, qkv, dout, retain_graph=True)
        self.backward = repeated(self.gradients)

    def results(self, head):
        """out, dq, dk, dv of one head of one sequence, on the host."""
        return [tensor[head, head].detach().double().cpu().numpy() for tensor in (self.out, *self.gradients())]
