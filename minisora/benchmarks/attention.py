"""``minisora bench attention``: attention on the CPU beside PyTorch's, the specification, and what the cores can do.

All sides get the same float32 arrays and take turns, each in a process of its own with as many threads as the row says.
A turn lasts a tenth of a second or longer, and counts with the median of its runs; the time is the median of the turns.
The opponent is ``torch.nn.functional.scaled_dot_product_attention``, in its flash path; the limit is a product of two
square matrices (sgemm) by NumPy's BLAS. Memory is what a call takes at its peak beyond inputs and outputs. The
specification does not take part where its matrices of weights would fill gigabytes.
"""

from importlib.util import find_spec
from itertools import product
from typing import NamedTuple

import click
from tqdm import tqdm

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.benchmarks.workers import memory_beyond, take_turns
from minisora.kernels import backend_names


class Shape(NamedTuple):
    """The sizes of one case; with padding, each sequence of keys has another length, from half of S to all of it."""

    batch: int
    heads: int
    targets: int
    sources: int
    width: int  # d_k = d_v
    padded: bool = False

    def __str__(self):
        length = self.targets if self.targets == self.sources else f"({self.targets}, {self.sources})"
        return f"{self.batch}x{self.heads}x{length}x{self.width}{' padded' if self.padded else ''}"


SQUARES = tuple(
    Shape(batch, heads, length, length, width)
    for batch, heads, length, width in (
        (8, 8, 128, 64), (8, 8, 512, 64), (2, 8, 2048, 64), (1, 8, 8192, 64),
        (64, 8, 32, 32), (8, 8, 512, 32), (8, 8, 512, 128),
    )
)  # fmt: skip
CROSS = (Shape(8, 8, 512, 128, 64, padded=True),)
SMOKE = (Shape(1, 2, 7, 7, 5), Shape(2, 2, 7, 11, 5, padded=True))
SIDE = 1024  # of the matrices of sgemm
TURN = 0.1  # seconds, at least, but for --smoke
NUMPY_ENTRIES = 1 << 28  # of a matrix of weights; what is larger would take gigabytes in the specification


@click.command()
@click.option(
    "--backend",
    default="numba",
    show_default=True,
    type=click.Choice(backend_names("cpu")),
    help="Which of minisora's.",
)
@click.option(
    "--beside", multiple=True, type=click.Choice(backend_names("cpu")), help="Another of minisora's; repeatable."
)
@click.option("--threads", multiple=True, default=[2, 1], show_default=True, type=click.IntRange(1), help="Repeatable.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="B,H,T,D", help="Or B,H,T,S,D; instead of those of record; repeatable."
)
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1), help="Runs that are measured.")
@click.option("--alone", is_flag=True, help="Without torch.")
@record_options
def command(backend, beside, threads, shapes, rounds, alone, smoke, as_json, out):
    """Attention forward, and forward and backward: time, ratio to torch, GFLOP/s and share of sgemm.

    A ratio above 1 means that minisora is faster. Needs the extra "parity" (torch).
    """
    if not alone and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --alone")
    here = machine()  # before our own load
    sizes = tuple(map(parse, shapes)) or (SMOKE if smoke else SQUARES + CROSS)
    rounds = min(rounds, 2) if smoke else rounds
    cases = [case for case in product(sizes, (False, True), (False, True), threads) if not (case[0].padded and case[1])]
    turn = 0.0 if smoke else TURN
    rows = [measure(backend, beside, *case, rounds, turn, alone) for case in tqdm(cases, disable=None)]
    settings = {"backend": backend, "beside": beside, "rounds": rounds, "smoke": smoke}
    publish(make_record(here, rows, "numba", "torch", **settings), table(rows, settings), as_json, out)


def parse(text):
    """``"8,8,512,64"`` as a Shape with T = S, ``"8,8,512,128,64"`` as one with S of its own."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) not in (4, 5) or min(sizes) < 1:
        raise click.UsageError(f"a shape is expected as positive numbers B,H,T,D or B,H,T,S,D, got {text!r}")
    return Shape(*sizes) if len(sizes) == 5 else Shape(*sizes[:3], *sizes[2:])


def measure(backend, beside, shape, causal, with_backward, threads, rounds, turn, alone):
    """One row: all sides by turns."""
    options = {"shape": shape, "causal": causal, "with_backward": with_backward, "threads": threads}
    home = "minisora.benchmarks.attention"
    workers = {
        "ours": (f"{home}:ours", {"backend": backend, **options}, threads),
        "sgemm": (f"{home}:sgemm", {"side": SIDE}, threads),
    }
    if not alone:
        workers["torch"] = (f"{home}:torch_flash", options, threads)
    if shape.batch * shape.heads * shape.targets * shape.sources <= NUMPY_ENTRIES:
        workers["numpy"] = (f"{home}:ours", {"backend": "numpy", **options}, threads)
    for name in beside:
        workers[name] = (f"{home}:ours", {"backend": name, **options}, threads)
    turns = take_turns(workers, rounds, warm_up=1, at_least=turn)
    work = dict.fromkeys(turns, operations(shape, causal, 7 if with_backward else 2)) | {"sgemm": 2 * SIDE**3}
    rates = {name: work[name] / turn.seconds / 1e9 for name, turn in turns.items()}
    opponents = [name for name in turns if name not in ("ours", "sgemm")]
    return {
        "case": " ".join([str(shape), "causal" if causal else "full", PASSES[with_backward]]),
        "threads": threads,
        "ours": turns["ours"].seconds,
        "opponents": {name: turns[name].seconds for name in opponents},
        "ratio": {name: turns[name].seconds / turns["ours"].seconds for name in opponents},
        "gflops": rates,
        "share_of_sgemm": rates["ours"] / rates["sgemm"],
        "memory_beyond_mib": {name: turns[name].value for name in ("ours", *opponents)},
        "range": {name: [turn.fastest, turn.slowest] for name, turn in turns.items()},
    }


PASSES = {False: "forward", True: "forward+backward"}


def operations(shape, causal, products):
    """Additions and multiplications: two products forward and five backward, half of each where attention is causal."""
    entries = shape.batch * shape.heads * shape.targets * shape.sources
    return products * 2 * entries * shape.width // (2 if causal else 1)


def table(rows, settings):
    """The rows for people, and the geometric means of those against torch."""
    others = ["torch", "numpy", *settings["beside"]]
    cells = [("case", "threads", "ms", *(f"{name} / ours" for name in others), "GFLOP/s", "of sgemm", "MiB beyond")]
    for row in rows:
        ratios = (f"{row['ratio'][name]:.2f}" if name in row["ratio"] else "-" for name in others)
        rate, share = f"{row['gflops']['ours']:.0f}", f"{100 * row['share_of_sgemm']:.0f} %"
        memory = row["memory_beyond_mib"]["ours"]
        beyond = "-" if memory is None else f"{memory:.1f}"
        cells.append((row["case"], str(row["threads"]), f"{1000 * row['ours']:.2f}", *ratios, rate, share, beyond))
    return f"{settings['backend']}, float32, median of {settings['rounds']} turns\n\n{lay_out(cells)}"


def arrays(shape):
    """q, k, v and dout, float32, and the mask of the keys or None."""
    import numpy as np

    rng, (batch, heads, targets, sources, width, padded) = np.random.default_rng(0), shape
    lengths = (targets, sources, sources, targets)
    q, k, v, dout = (rng.normal(size=(batch, heads, length, width)).astype(np.float32) for length in lengths)
    visible = np.linspace(sources // 2, sources, batch).astype(int)  # keys of each sequence
    return q, k, v, dout, np.arange(sources) < visible[:, None] if padded else None


def ours(backend, shape, causal, with_backward, threads):
    """Prepare one of minisora's backends; its threads come from the environment."""
    from minisora.kernels import get_backend

    q, k, v, dout, key_mask = arrays(shape)
    attention = get_backend(backend)

    def run():
        out, cache = attention.forward(q, k, v, causal=causal, key_mask=key_mask)
        return out, cache.lse, *(attention.backward(dout, cache) if with_backward else ())

    return measured(run)


def torch_flash(shape, causal, with_backward, threads):
    """Prepare torch's attention."""
    import torch

    torch.set_num_threads(threads)
    *tensors, key_mask = arrays(shape)
    q, k, v, dout = map(torch.from_numpy, tensors)
    mask = None if key_mask is None else torch.from_numpy(key_mask)[:, None, None]
    for array in (q, k, v):
        array.requires_grad_(with_backward)

    def run():
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return out, *(torch.autograd.grad(out, (q, k, v), dout) if with_backward else ())

    return measured(run)


def measured(run):
    """The task of a side: run, and say what memory it took beyond its results, which is measured once, before."""
    beyond = memory_beyond(run)

    def task():
        run()
        return beyond

    return task


def sgemm(side):
    """Prepare a product of two square float32 matrices."""
    import numpy as np

    a, b = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)

    def run():
        a @ b

    return run
