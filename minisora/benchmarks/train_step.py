"""``minisora bench train-step``: one update of the whole model, beside PyTorch eager on the same cores or the same GPU.

Both sides hold the same architecture (pre-norm, ReLU, sinusoidal positions, untied projection; torch's is
nn.Transformer) with equally many parameters, see the same batch of 64 x 32 source and 64 x 32 target tokens without
padding, and make a whole step: gradients to zero, forward, loss, backward, Adam. They take turns in two processes; the
time is the median. On the CPU minisora cuts the batch into one shard a thread, as `Trainer` does, with BLAS on one
thread in each; torch uses its own threads. On a GPU the model is that of the paper's base size, with 64 x 128 tokens;
torch computes in float32 (its default), minisora's attention with the backend that is named.
"""

from importlib.util import find_spec

import click

from minisora.benchmarks.gpu import describe
from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.benchmarks.workers import take_turns
from minisora.kernels import backend_names

FULL = {"d_model": 256, "heads": 8, "layers": 3, "d_ff": 1024, "vocabulary": 8000, "rows": 64, "length": 32}
ON_GPU = {"d_model": 512, "heads": 8, "layers": 6, "d_ff": 2048, "vocabulary": 32000, "rows": 64, "length": 128}
SMOKE = {"d_model": 16, "heads": 2, "layers": 1, "d_ff": 24, "vocabulary": 50, "rows": 4, "length": 6}
LEARNING_RATE = 1e-4
FIRST_ID = 5  # below it stand padding and the other special tokens


@click.command()
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1), help="For each side.")
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(1), help="Steps that are measured.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option(
    "--backend", type=click.Choice(backend_names()), help='minisora\'s; "numba", and on a GPU "cuda", if not given.'
)
@click.option("--alone", is_flag=True, help="Measure minisora without torch.")
@record_options
def command(threads, rounds, device, backend, alone, smoke, as_json, out):
    """One training step beside PyTorch eager: tokens/s, ratio, peak memory, without and with dropout.

    A ratio above 1 means that minisora is faster. Needs the extra "parity" (torch).
    """
    if not alone and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --alone")
    gpu = {"gpu": describe()} if device == "cuda" else {}  # the GPU's absence is told before anything is measured
    here = machine()  # before our own load
    sizes, rounds = (SMOKE, min(rounds, 2)) if smoke else (ON_GPU if gpu else FULL, rounds)
    backend = backend or ("cuda" if gpu else "numba")
    options = {"sizes": sizes, "threads": 1 if gpu else threads, "device": device}
    rows = [measure(options | {"dropout": dropout}, backend, rounds, alone) for dropout in (0.0, 0.1)]
    settings = {**options, "backend": backend, "rounds": rounds, "smoke": smoke, **gpu}
    libraries = "cupy-cuda12x", "cupy-cuda13x", "torch"
    publish(make_record(here, rows, *libraries, **settings), table(rows, settings), as_json, out)


def measure(options, backend, rounds, alone):
    """One row: both sides by turns."""
    sizes, threads = options["sizes"], options["threads"]
    workers = {"ours": ("minisora.benchmarks.train_step:ours", options | {"backend": backend}, 1)}
    if not alone:
        workers["torch"] = ("minisora.benchmarks.train_step:torch_eager", options, threads)
    turns = take_turns(workers, rounds)
    if len({turn.value["parameters"] for turn in turns.values()}) > 1:
        raise ValueError("the two models of the benchmark are expected to have equally many parameters, they do not")
    ours, opponents = turns["ours"], {name: turn for name, turn in turns.items() if name != "ours"}
    tokens = sizes["rows"] * sizes["length"]
    return {
        "case": f"dropout {options['dropout']:g}",
        "ours": ours.seconds,
        "opponents": {name: turn.seconds for name, turn in opponents.items()},
        "ratio": {name: turn.seconds / ours.seconds for name, turn in opponents.items()},
        "target_tokens_per_second": {name: tokens / turn.seconds for name, turn in turns.items()},
        "peak_memory_mib": {name: turn.value["memory_mib"] or turn.peak_memory_mib for name, turn in turns.items()},
        "range": {name: [turn.fastest, turn.slowest] for name, turn in turns.items()},
        "loss": {name: turn.value["loss"] for name, turn in turns.items()},
        "parameters": ours.value["parameters"],
    }


def table(rows, settings):
    """The rows for people."""
    cells = [("case", "", "ms", "fastest", "slowest", "target tokens/s", "peak MiB", "torch / ours")]
    for row in rows:
        for name, speed in row["target_tokens_per_second"].items():
            seconds = row["ours"] if name == "ours" else row["opponents"][name]
            times = (f"{1000 * value:.0f}" for value in (seconds, *row["range"][name]))
            memory, ratio = row["peak_memory_mib"][name], row["ratio"].get(name)
            last = ("-" if memory is None else f"{memory:.0f}", "" if ratio is None else f"{ratio:.2f}")
            cells.append((row["case"], name, *times, f"{speed:,.0f}", *last))
    sizes = ", ".join(f"{name} {value}" for name, value in settings["sizes"].items())
    on_gpu = "gpu" in settings
    where = settings["gpu"]["name"] if on_gpu else f"{settings['threads']} threads"
    memory = "what each has taken of the GPU's" if on_gpu else "largest resident set of each process"
    note = f"{where}, {settings['backend']}, median of {settings['rounds']} steps by turns; {rows[0]['parameters']:,}"
    return f"{sizes}\n{note} parameters; memory: {memory}\n\n{lay_out(cells)}"


def random_ids(sizes):
    """Source ids, decoder ids and targets, each (rows, length), none of them padding."""
    import numpy as np

    shape = 3, sizes["rows"], sizes["length"]
    return np.random.default_rng(0).integers(FIRST_ID, sizes["vocabulary"], shape)


def ours(sizes, dropout, threads, device="cpu", backend="numba"):
    """Prepare minisora's step: what `Trainer` does for a batch, without its log."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.kernels import DropoutKey, array_module
    from minisora.model import SoraModel
    from minisora.text import SoraTokenizer
    from minisora.training import Trainer, TrainingConfig
    from minisora.training.allocator import keep_freed_memory
    from minisora.training.batching import Batch
    from minisora.training.replicas import Replicas

    keep_freed_memory()
    size = sizes["vocabulary"]
    config = SoraConfig(
        source_vocab_size=size, target_vocab_size=size, d_model=sizes["d_model"], num_heads=sizes["heads"],
        num_encoder_layers=sizes["layers"], num_decoder_layers=sizes["layers"], d_ff=sizes["d_ff"], dropout=dropout,
    )  # fmt: skip
    tokenizer = SoraTokenizer("whitespace", [f"w{i}" for i in range(FIRST_ID, size)])
    model = SoraModel(config, np.random.default_rng(0)).to(device)
    xp = array_module(model.decoder.projection.weight.data)
    training = TrainingConfig(learning_rate=LEARNING_RATE, shards=threads, backend=backend)
    trainer = Trainer(model, [("w5", "w5")], tokenizer, config=training)
    replicas, batch, key = Replicas(model, threads, threads), Batch(*random_ids(sizes)), DropoutKey(0)

    def step():
        loss, _ = trainer.gradients([batch], key.child(trainer.optimizer.steps), replicas)
        trainer.optimizer.step()
        memory = None if xp is np else xp.get_default_memory_pool().total_bytes() / 2**20
        return {"loss": float(loss), "parameters": model.num_parameters(), "memory_mib": memory}

    return step


def torch_eager(sizes, dropout, threads, device="cpu"):
    """Prepare torch's step: nn.Transformer between nn.Embedding and nn.Linear, cross-entropy, torch.optim.Adam."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = torch_model(sizes, dropout).to(device)
    source, decoder_ids, targets = (torch.from_numpy(ids).to(device) for ids in random_ids(sizes))
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(source, decoder_ids).flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        memory = torch.cuda.max_memory_reserved() / 2**20 if device == "cuda" else None
        parameters = sum(p.numel() for p in model.parameters())
        return {"loss": loss.item(), "parameters": parameters, "memory_mib": memory}

    return step


def torch_model(sizes, dropout):
    """The same model in torch."""
    import math
    import warnings

    import torch
    from torch import nn

    from minisora.layers.positional import sinusoidal_table

    d_model, vocabulary, length = sizes["d_model"], sizes["vocabulary"], sizes["length"]
    layers = {"num_encoder_layers": sizes["layers"], "num_decoder_layers": sizes["layers"]}

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.source, self.target = nn.Embedding(vocabulary, d_model), nn.Embedding(vocabulary, d_model)
            self.dropout = nn.Dropout(dropout)
            with warnings.catch_warnings():  # pre-norm has no nested tensors, says torch; nor is anything padded here
                warnings.filterwarnings("ignore", message="enable_nested_tensor")
                self.transformer = nn.Transformer(
                    d_model, sizes["heads"], **layers, dim_feedforward=sizes["d_ff"], dropout=dropout,
                    batch_first=True, norm_first=True,
                )  # fmt: skip
            self.projection = nn.Linear(d_model, vocabulary)
            positions = torch.tensor(sinusoidal_table(length, d_model), dtype=torch.float32)
            self.register_buffer("positions", positions)
            self.register_buffer("causal", nn.Transformer.generate_square_subsequent_mask(length))

        def forward(self, source, decoder_ids):
            x = self.dropout(self.source(source) * math.sqrt(d_model) + self.positions)
            y = self.dropout(self.target(decoder_ids) * math.sqrt(d_model) + self.positions)
            return self.projection(self.transformer(x, y, tgt_mask=self.causal, tgt_is_causal=True))

    return Model()
