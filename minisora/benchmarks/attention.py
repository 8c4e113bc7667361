"""``minisora bench attention``: attention on the CPU beside PyTorch's, the specification, and what the cores can do.

All sides get the same float32 arrays and take turns, each in a process of its own with as many threads as the row says;
the time is the median. The opponent is ``torch.nn.functional.scaled_dot_product_attention``, in its flash path; the
limit is a product of two square matrices (sgemm) by NumPy's BLAS.
"""

from importlib.util import find_spec
from itertools import product

import click

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.benchmarks.workers import take_turns
from minisora.kernels import backend_names

SHAPES = ((8, 8, 128, 64), (8, 8, 512, 64), (2, 8, 2048, 64), (1, 8, 8192, 64))  # B, H, T = S, d_k = d_v
SMOKE = ((1, 2, 7, 5),)
SQUARE = 1024  # side of the matrices of sgemm


@click.command()
@click.option(
    "--backend",
    default="numba",
    show_default=True,
    type=click.Choice(backend_names()),
    help="Which of minisora's.",
)
@click.option("--threads", multiple=True, default=[2, 1], show_default=True, type=click.IntRange(1), help="Repeatable.")
@click.option("--shape", "shapes", multiple=True, metavar="B,H,T,D", help="Instead of the four; repeatable.")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1), help="Runs that are measured.")
@click.option("--alone", is_flag=True, help="Without torch.")
@record_options
def command(backend, threads, shapes, rounds, alone, smoke, as_json, out):
    """Attention forward, and forward and backward: time, ratio to torch, GFLOP/s and share of sgemm.

    A ratio above 1 means that minisora is faster. Needs the extra "parity" (torch).
    """
    if not alone and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --alone")
    here = machine()  # before our own load
    sizes = tuple(map(parse, shapes)) or (SMOKE if smoke else SHAPES)
    rounds = min(rounds, 2) if smoke else rounds
    cases = product(sizes, (False, True), (False, True), threads)
    rows = [measure(backend, *case, rounds, alone) for case in cases]
    settings = {"backend": backend, "rounds": rounds, "smoke": smoke}
    publish(make_record(here, rows, "numba", "torch", **settings), table(rows, settings), as_json, out)


def parse(text):
    """``"8,8,512,64"`` as four numbers."""
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) != 4 or min(shape) < 1:
        raise click.UsageError(f"a shape is expected as four positive numbers B,H,T,D, got {text!r}")
    return shape


def measure(backend, shape, causal, with_backward, threads, rounds, alone):
    """One row: all sides by turns."""
    options = {"shape": shape, "causal": causal, "with_backward": with_backward, "threads": threads}
    home = "minisora.benchmarks.attention"
    workers = {
        "ours": (f"{home}:ours", {"backend": backend, **options}, threads),
        "numpy": (f"{home}:ours", {"backend": "numpy", **options}, threads),
        "sgemm": (f"{home}:sgemm", {"side": SQUARE}, threads),
    }
    if not alone:
        workers["torch"] = (f"{home}:torch_flash", options, threads)
    turns = take_turns(workers, rounds)
    work = {name: operations(shape, causal, with_backward) for name in turns} | {"sgemm": 2 * SQUARE**3}
    rates = {name: work[name] / turn.seconds / 1e9 for name, turn in turns.items()}
    opponents = [name for name in turns if name not in ("ours", "sgemm")]
    return {
        "case": " ".join(["x".join(map(str, shape)), "causal" if causal else "full", PASSES[with_backward]]),
        "threads": threads,
        "ours": turns["ours"].seconds,
        "opponents": {name: turns[name].seconds for name in opponents},
        "ratio": {name: turns[name].seconds / turns["ours"].seconds for name in opponents},
        "gflops": rates,
        "share_of_sgemm": rates["ours"] / rates["sgemm"],
        "peak_memory_mib": {name: turn.peak_memory_mib for name, turn in turns.items()},
        "range": {name: [turn.fastest, turn.slowest] for name, turn in turns.items()},
    }


PASSES = {False: "forward", True: "forward+backward"}


def operations(shape, causal, with_backward):
    """Additions and multiplications: two products forward and five backward, half of each where attention is causal."""
    batch, heads, targets, width = shape
    products = 7 if with_backward else 2
    return products * 2 * batch * heads * targets * targets * width // (2 if causal else 1)


def table(rows, settings):
    """The rows for people."""
    cells = [("case", "threads", "ms", "torch / ours", "numpy / ours", "GFLOP/s", "of sgemm")]
    for row in rows:
        ratios = (f"{row['ratio'][name]:.2f}" if name in row["ratio"] else "-" for name in ("torch", "numpy"))
        rate, share = f"{row['gflops']['ours']:.0f}", f"{100 * row['share_of_sgemm']:.0f} %"
        cells.append((row["case"], str(row["threads"]), f"{1000 * row['ours']:.2f}", *ratios, rate, share))
    return f"{settings['backend']}, float32, median of {settings['rounds']} runs by turns\n\n{lay_out(cells)}"


def arrays(shape):
    """q, k, v and dout, float32."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)


def ours(backend, shape, causal, with_backward, threads):
    """Prepare one of minisora's backends; its threads come from the environment."""
    from minisora.kernels import get_backend

    q, k, v, dout = arrays(shape)
    attention = get_backend(backend)

    def run():
        _, cache = attention.forward(q, k, v, causal=causal)
        if with_backward:
            attention.backward(dout, cache)

    return run


def torch_flash(shape, causal, with_backward, threads):
    """Prepare torch's attention."""
    import torch

    torch.set_num_threads(threads)
    q, k, v, dout = map(torch.from_numpy, arrays(shape))
    for array in (q, k, v):
        array.requires_grad_(with_backward)

    def run():
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        if with_backward:
            torch.autograd.grad(out, (q, k, v), dout)

    return run


def sgemm(side):
    """Prepare a product of two square float32 matrices."""
    import numpy as np

    a, b = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)

    def run():
        a @ b

    return run
