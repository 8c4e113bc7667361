"""The third part of ``minisora bench multi30k``: where the time of a training step goes, here and in PyTorch.

The step is that of the part ``epochs``, on one thread for each side, so that the parts add up. minisora's time is that
of its functions (cProfile), PyTorch's that of its operations (torch.profiler); both are told by kind of work.
"""

import cProfile
import pstats
from collections import Counter
from pathlib import Path

from minisora.benchmarks import multi30k_epochs as epochs
from minisora.benchmarks.long_runs import describe, flat, new_trainer
from minisora.benchmarks.record import lay_out
from minisora.benchmarks.workers import take_turns

STEPS, ROUNDS = 6, 4
OTHER = "everything else"
KINDS = {  # of our functions, by file and by what their names begin with; of torch's operations, by what they contain
    "products of the linear layers": (("linear.py", ""), ("numba_product.py", "")),
    "attention": (("numba_attention.py", ""), ("attention.py", "")),
    "activation and dropout": (
        ("numba_elementwise.py", "activation"), ("numba_elementwise.py", "dropout"), ("dropout.py", ""),
        ("activation.py", ""), ("feed_forward.py", ""),
    ),
    "LayerNorm": (("numba_elementwise.py", "layer_norm"), ("normalization.py", "")),
    "cross-entropy": (("numba_elementwise.py", "cross_entropy"), ("loss.py", "")),
    "clipping and Adam": (
        ("numba_elementwise.py", "adam"), ("optimizers.py", ""), ("clipping.py", ""), ("layer.py", "zero_grad"),
    ),
    "embeddings": (("numba_elementwise.py", "scatter_add"), ("embedding.py", ""), ("positional.py", "")),
}  # fmt: skip
TORCH_KINDS = {  # in this order: _log_softmax is no _softmax
    "cross-entropy": ("log_softmax", "nll_loss"),
    "attention": ("scaled_dot_product", "bmm", "_softmax", "masked_fill", "baddbmm"),
    "products of the linear layers": ("addmm", "mm", "linear"),
    "activation and dropout": ("bernoulli", "dropout", "relu", "threshold"),
    "LayerNorm": ("layer_norm",),
    "clipping and Adam": ("foreach", "adam", "norm", "addcdiv", "addcmul", "lerp", "sqrt"),
    "embeddings": ("embedding", "index_add"),
}
TASKS = {
    "ours": "minisora.benchmarks.multi30k_profile:ours",
    "torch": "minisora.benchmarks.multi30k_profile:torch_eager",
}


def settings(options):
    """What decides the numbers of this part, as plain values."""
    steps, rounds = (2, 1) if options["smoke"] else (STEPS, ROUNDS)
    return epochs.settings(options) | {"threads": 1, "profiled_steps": steps, "rounds": rounds}


def measure(runs, options):
    """The row: milliseconds of a step by kind of work."""
    about = settings(options)

    def make(home):
        given = about | {"data": options["data"], "folder": str(home)}
        turns = take_turns({side: (task, given, 1) for side, task in TASKS.items()}, about["rounds"], warm_up=1)
        ours, torch = (turns[side].value for side in TASKS)
        return {
            "case": "profile of a step, one thread",
            "milliseconds": {"ours": ours, "torch": torch},
            "ratio": {"torch": sum(torch.values()) / sum(ours.values())},
            "settings": about,
        }

    return runs.kept(f"profile-{options['seed']}", about, make)


def ours(**options):
    """Prepare minisora's side: each call profiles a few steps and returns milliseconds a step by kind."""
    train, _, tokenizers, training, _ = epochs.setup(options)
    trainer = new_trainer(train, tokenizers, options["model"], training | {"eval_every": 0}, None)

    def task():
        profile = cProfile.Profile()
        stop_after = trainer.progress.step + options["profiled_steps"]
        profile.runcall(trainer.fit, stop_after=stop_after, progress_bar=False)
        times = Counter()
        for (path, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():
            times[kind_of(Path(path).name, name)] += 1000 * own / options["profiled_steps"]
        return by_kind(times)

    return task


def kind_of(file, function):
    """The kind of work of one of our functions."""
    for kind, places in KINDS.items():
        if any(file == where and function.lstrip("_").startswith(begin) for where, begin in places):
            return kind
    return OTHER


def torch_eager(**options):
    """Prepare torch's side, which works as `ours` does."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    side = epochs.torch_side(options)
    step = 0

    def task():
        nonlocal step
        with profile(activities=[ProfilerActivity.CPU]) as found:
            side.train_steps(step, options["profiled_steps"])
        step += options["profiled_steps"]
        times = Counter()
        for event in found.key_averages():
            times[torch_kind(event.key)] += event.self_cpu_time_total / 1000 / options["profiled_steps"]
        return by_kind(times)

    torch.set_num_threads(1)
    return task


def torch_kind(operation):
    """The kind of work of one of torch's operations."""
    name = operation.lower()
    for kind, words in TORCH_KINDS.items():
        if any(word in name for word in words):
            return kind
    return OTHER


def by_kind(times):
    """All kinds in the same order, those without time among them."""
    return {kind: round(times[kind], 2) for kind in (*KINDS, OTHER)}


def table(row):
    """The row for people."""
    found = [row["milliseconds"][side] for side in TASKS]
    totals = [sum(times.values()) for times in found]
    cells = [("ms a step, one thread", "minisora", "share", "torch", "share", "torch / minisora")]
    for kind in (*KINDS, OTHER):
        ours, theirs = (times[kind] for times in found)
        shares = [f"{100 * times[kind] / total:.0f} %" for times, total in zip(found, totals, strict=True)]
        cells.append((kind, f"{ours:.1f}", shares[0], f"{theirs:.1f}", shares[1], ratio(ours, theirs)))
    ours, theirs = totals
    cells.append(("together", f"{ours:.1f}", "", f"{theirs:.1f}", "", ratio(ours, theirs)))
    return f"{describe(flat(row['settings']))}\n\n{lay_out(cells)}"


def ratio(ours, theirs):
    """How many times as fast ours is; a dash where it takes no time that could be measured."""
    return f"{theirs / ours:.2f}" if ours else "-"
