"""``minisora bench generation``: greedy decoding beside PyTorch eager, on the CPU or a GPU.

Both sides hold the same random weights (pre-norm, ReLU, sinusoidal positions, untied projection), read the same sources
without padding, and decode greedily with a key/value cache to the same length: the end of the sequence is made
impossible. They take turns in two processes; the time is the median. The share of tokens that agree is told: it is 1
until two logits are so close that rounding decides.
"""

from importlib.util import find_spec

import click

from minisora.benchmarks.gpu import describe
from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.benchmarks.train_step import FIRST_ID
from minisora.benchmarks.workers import take_turns

FULL = {"d_model": 512, "heads": 8, "layers": 6, "d_ff": 2048, "vocabulary": 32000, "sources": 32, "tokens": 64}
SMOKE = {"d_model": 16, "heads": 2, "layers": 1, "d_ff": 24, "vocabulary": 50, "sources": 5, "tokens": 7}
NEVER = -1e4  # the bias of the end of the sequence


@click.command()
@click.option("--batch", "batches", multiple=True, default=[1, 16], show_default=True, type=click.IntRange(1))
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1), help="For each side.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Runs that are measured.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--alone", is_flag=True, help="Measure minisora without torch.")
@record_options
def command(batches, threads, rounds, device, alone, smoke, as_json, out):
    """Greedy decoding beside PyTorch eager: tokens/s and ratio.

    A ratio above 1 means that minisora is faster. Needs the extra "parity" (torch).
    """
    if not alone and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --alone")
    gpu = {"gpu": describe()} if device == "cuda" else {}  # the GPU's absence is told before anything is measured
    here = machine()  # before our own load
    sizes, rounds = (SMOKE, min(rounds, 2)) if smoke else (FULL, rounds)
    rows = [measure(sizes, batch, threads, rounds, device, alone) for batch in batches]
    settings = {"device": device, "threads": threads, "rounds": rounds, "sizes": sizes, "smoke": smoke, **gpu}
    libraries = "cupy-cuda12x", "cupy-cuda13x", "torch"
    publish(make_record(here, rows, *libraries, **settings), table(rows, settings), as_json, out)


def measure(sizes, batch, threads, rounds, device, alone):
    """One row: both sides by turns."""
    options = {"sizes": sizes, "batch": batch, "device": device, "threads": threads}
    workers = {"ours": ("minisora.benchmarks.generation:ours", options, threads)}
    if not alone:
        workers["torch"] = ("minisora.benchmarks.generation:torch_eager", options, threads)
    turns = take_turns(workers, rounds)
    ours, opponents = turns["ours"], {name: turn for name, turn in turns.items() if name != "ours"}
    tokens = batch * sizes["tokens"]
    return {
        "case": f"greedy, batch {batch}",
        "ours": ours.seconds,
        "opponents": {name: turn.seconds for name, turn in opponents.items()},
        "ratio": {name: turn.seconds / ours.seconds for name, turn in opponents.items()},
        "tokens_per_second": {name: tokens / turn.seconds for name, turn in turns.items()},
        "agreement": {name: agreement(ours.value, turn.value) for name, turn in opponents.items()},
        "range": {name: [turn.fastest, turn.slowest] for name, turn in turns.items()},
    }


def agreement(ours, theirs):
    """Share of tokens that are the same in two lists of ids."""
    same = [a == b for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)]
    return sum(same) / len(same)


def table(rows, settings):
    """The rows for people."""
    cells = [("case", "", "ms", "tokens/s", "torch / ours", "same tokens")]
    for row in rows:
        for name, speed in row["tokens_per_second"].items():
            seconds = row["ours"] if name == "ours" else row["opponents"][name]
            compared = () if name == "ours" else (f"{row['ratio'][name]:.2f}", f"{100 * row['agreement'][name]:.0f} %")
            cells.append((row["case"], name, f"{1000 * seconds:.1f}", f"{speed:,.0f}", *(compared or ("", ""))))
    sizes = ", ".join(f"{name} {value}" for name, value in settings["sizes"].items())
    where = settings["gpu"]["name"] if "gpu" in settings else f"{settings['threads']} threads"
    return f"{sizes}\n{where}, median of {settings['rounds']} runs by turns\n\n{lay_out(cells)}"


def make_model(sizes):
    """A model with random weights that never ends a sequence."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.model import SoraModel

    config = SoraConfig(
        source_vocab_size=sizes["vocabulary"], target_vocab_size=sizes["vocabulary"], d_model=sizes["d_model"],
        num_heads=sizes["heads"], num_encoder_layers=sizes["layers"], num_decoder_layers=sizes["layers"],
        d_ff=sizes["d_ff"], max_len=max(sizes["sources"], sizes["tokens"]),
    )  # fmt: skip
    model = SoraModel(config, np.random.default_rng(0))
    model.decoder.projection.bias.data[config.eos_id] = NEVER
    return model


def sources(sizes, batch):
    """Source ids (batch, sources), none of them padding."""
    import numpy as np

    return np.random.default_rng(1).integers(FIRST_ID, sizes["vocabulary"], (batch, sizes["sources"]))


def ours(sizes, batch, device, threads):
    """Prepare minisora's side; its threads come from the environment."""
    from minisora.generation import greedy

    model, source_ids = make_model(sizes).to(device), sources(sizes, batch)
    return lambda: greedy(model, source_ids, max_len=sizes["tokens"])


def torch_eager(sizes, batch, device, threads):
    """Prepare torch's side."""
    import torch

    from minisora.benchmarks.torch_greedy import make_greedy

    torch.set_num_threads(threads)
    greedy, source_ids = make_greedy(make_model(sizes), device), sources(sizes, batch)
    return lambda: greedy(source_ids, sizes["tokens"]).tolist()
