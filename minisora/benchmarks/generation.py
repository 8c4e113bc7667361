"""``minisora bench generation``: greedy decoding and beam search beside other libraries, on the CPU or a GPU.

The opponents are PyTorch eager with the same weights (greedy; pre-norm, ReLU, sinusoidal positions, untied projection),
MarianMT of transformers, with random weights and of the same size, and CTranslate2 with MarianMT's weights. All read
the same number of tokens without padding, and decode with a key/value cache to the same length: the end of the sequence
is made impossible. They take turns in processes of their own; the time is the median. Of torch the share of tokens that
agree is told: it is 1 until two logits are so close that rounding decides. The last rows are minisora beside itself
without the cache. On the CPU minisora computes with the backend ``numba``.
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
TASKS = {
    "ours": "minisora.benchmarks.generation:ours",
    "no cache": "minisora.benchmarks.generation:without_cache",
    "torch": "minisora.benchmarks.generation:torch_eager",
    "transformers": "minisora.benchmarks.marian:transformers",
    "ctranslate2": "minisora.benchmarks.marian:ctranslate2",
}


@click.command()
@click.option("--batch", "batches", multiple=True, default=[1, 16], show_default=True, type=click.IntRange(1))
@click.option("--beams", "beams", multiple=True, default=[1, 4], show_default=True, type=click.IntRange(1))
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1), help="For each side.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Runs that are measured.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--alone", is_flag=True, help="Measure minisora without the others.")
@record_options
def command(batches, beams, threads, rounds, device, alone, smoke, as_json, out):
    """Greedy decoding and beam search beside torch, transformers and CTranslate2: tokens/s and ratio.

    A ratio above 1 means that minisora is faster. Needs the extra "parity" (torch); of the others those take part that
    are installed.
    """
    if not alone and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --alone")
    gpu = {"gpu": describe()} if device == "cuda" else {}  # the GPU's absence is told before anything is measured
    here = machine()  # before our own load
    sizes, rounds = (SMOKE, min(rounds, 2)) if smoke else (FULL, rounds)
    there = [] if alone else opponents(device)
    settings = {"device": device, "threads": threads, "rounds": rounds, "sizes": sizes, "smoke": smoke, **gpu}
    rows = [
        measure(settings, batch, number, [name for name in there if number == 1 or name != "torch"])
        for number in beams
        for batch in batches
    ]
    rows += [{**measure(settings, batch, 1, ["no cache"]), "case": f"cache, batch {batch}"} for batch in batches]
    libraries = "cupy-cuda12x", "cupy-cuda13x", "torch", "transformers", "ctranslate2"
    publish(make_record(here, rows, *libraries, **settings), table(rows, settings), as_json, out)


def opponents(device):
    """Who takes part; whoever is not installed is named on standard error."""
    names = ["torch"]
    for name in ("transformers", "ctranslate2"):
        if find_spec(name) is None or find_spec("transformers") is None:
            click.echo(f"minisora: {name} is left out: pip install 'minisora[parity]'", err=True)
        elif name != "ctranslate2" or device == "cpu":
            names.append(name)
    return names


def measure(settings, batch, beams, others):
    """One row: all sides by turns."""
    sizes, threads = settings["sizes"], settings["threads"]
    options = {"sizes": sizes, "batch": batch, "beams": beams, "device": settings["device"], "threads": threads}
    workers = {name: (TASKS[name], options, threads) for name in ("ours", *others)}
    turns = take_turns(workers, settings["rounds"])
    mine, theirs = turns["ours"], {name: turns[name] for name in others}
    strategy = "greedy" if beams == 1 else f"beam {beams}"
    return {
        "case": f"{strategy}, batch {batch}",
        "ours": mine.seconds,
        "opponents": {name: turn.seconds for name, turn in theirs.items()},
        "ratio": {name: turn.seconds / mine.seconds for name, turn in theirs.items()},
        "tokens_per_second": {name: batch * sizes["tokens"] / turn.seconds for name, turn in turns.items()},
        "agreement": {
            name: agreement(mine.value, theirs[name].value) for name in ("torch", "no cache") if name in theirs
        },
        "range": {name: [turn.fastest, turn.slowest] for name, turn in turns.items()},
    }


def agreement(ours, theirs):
    """Share of tokens that are the same in two lists of ids."""
    same = [a == b for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)]
    return sum(same) / len(same)


def table(rows, settings):
    """The rows for people."""
    cells = [("case", "", "ms", "tokens/s", "ratio", "same tokens")]
    for row in rows:
        for name, speed in row["tokens_per_second"].items():
            seconds = row["ours"] if name == "ours" else row["opponents"][name]
            ratio = f"{row['ratio'][name]:.2f}" if name in row["ratio"] else ""
            same = f"{100 * row['agreement'][name]:.0f} %" if name in row["agreement"] else ""
            cells.append((row["case"], name, f"{1000 * seconds:.1f}", f"{speed:,.0f}", ratio, same))
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


def ours(sizes, batch, beams, device, threads):
    """Prepare minisora's side; its threads come from the environment."""
    from minisora.generation import GenerationConfig, beam_search, greedy

    model, source_ids = placed(make_model(sizes), device), sources(sizes, batch)
    if beams == 1:
        return lambda: greedy(model, source_ids, max_len=sizes["tokens"])
    config = GenerationConfig(beams=beams)

    def search():
        trees = beam_search(model, source_ids, config, max_len=sizes["tokens"])
        return [tree.ids(tree.best(1)[0]) for tree in trees]

    return search


def placed(model, device):
    """The model on the device, on the CPU with the kernels of Numba."""
    return model.to(device) if device != "cpu" else model.use_backend("numba")


def without_cache(sizes, batch, beams, device, threads):
    """Prepare minisora's side as it would be without a cache: the decoder reads all tokens again for each."""
    from minisora.kernels import array_module

    model = placed(make_model(sizes), device)
    xp = array_module(next(model.parameters())[1].data)
    source_ids = xp.asarray(sources(sizes, batch))

    def greedy():
        memory = model.encoder(source_ids)
        ids = xp.full((batch, sizes["tokens"] + 1), model.config.bos_id)
        for step in range(sizes["tokens"]):
            ids[:, step + 1] = model.decoder(ids[:, : step + 1], memory)[:, -1].argmax(axis=-1)
        return ids[:, 1:].tolist()

    return greedy


def torch_eager(sizes, batch, beams, device, threads):
    """Prepare torch's side."""
    import torch

    from minisora.benchmarks.torch_greedy import make_greedy

    torch.set_num_threads(threads)
    greedy, source_ids = make_greedy(make_model(sizes), device), sources(sizes, batch)
    return lambda: greedy(source_ids, sizes["tokens"]).tolist()
