"""Damage checkpoints and load them: a model or a CheckpointError of one line, and no more memory than was agreed.

    python tests/checkpoint/fuzz.py --count 1000 --seed 1          # small models of several kinds
    python tests/checkpoint/fuzz.py --count 50 --full              # the bundled model, also in half precision
    python tests/checkpoint/fuzz.py --start 712 --count 1 --show   # one of them again

Mutation N of a seed is always the same. Prints one JSON object; the exit code is 1 where anything else happened.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from mutations import MUTATIONS

from minisora.checkpoint import CheckpointError, load, model_files
from minisora.checkpoint.folder import COPIES, MODEL
from minisora.config import SoraConfig
from minisora.model import SoraModel
from minisora.pretrained import bundled_folder
from minisora.text.tokenizer import SoraTokenizer

SLACK = 1 << 20  # bytes of memory beside parameters and files
LONGEST = 700  # characters of a message, the path among them
SIZES = dict(d_model=6, num_heads=2, num_encoder_layers=1, num_decoder_layers=1, d_ff=7, max_len=11)


def main():
    """Run, and print what was found."""
    parser = argparse.ArgumentParser()
    for name, default in (("--count", 100), ("--start", 0), ("--seed", 0)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    limit_memory(1 << 32)
    warnings.simplefilter("error")
    seconds = time.perf_counter()
    found = run(bundled() if options.full else small_models(), options)
    found["seconds"] = round(time.perf_counter() - seconds, 1)
    print(json.dumps(found, ensure_ascii=True, indent=2))
    sys.exit(bool(found["failures"]))


def run(models, options):
    """Every mutation, and what came of it."""
    outcomes, failures, peak, beside = Counter(), [], 0, 0
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.start, options.start + options.count):
            dice = random.Random(f"{options.seed}/{number}")
            files, mutation = dice.choice(models), dice.choice(MUTATIONS)
            mutated = mutation(files, dice)
            write(Path(folder), mutated)
            outcome, message, used = attempt(Path(folder))
            agreed = parameter_bytes(files) + sum(map(len, mutated.values()))
            peak, beside = max(peak, used), max(beside, used - agreed)
            if used > agreed + SLACK:
                outcome, message = "memory", f"{used} bytes, {agreed + SLACK} are allowed"
            outcomes[outcome, mutation.__name__] += 1
            if outcome not in GOOD:
                failures.append(f"{number}, {mutation.__name__}: {outcome}: {message}")
            if options.show:
                print(number, mutation.__name__, outcome, message, file=sys.stderr)
    counts = {good: sum(n for (outcome, _), n in outcomes.items() if outcome == good) for good in GOOD}
    by_kind = {f.__name__: "{} {}".format(*(outcomes[good, f.__name__] for good in GOOD)) for f in MUTATIONS}
    memory = {"peak_bytes": peak, "most_beside_parameters_and_files": beside}
    return {"mutations": options.count, **counts, **memory, "failures": failures[:20], "loaded_refused": by_kind}


GOOD = ("loaded", "refused")


def attempt(folder):
    """Load, and use what was loaded: the outcome, the message and the peak of memory."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        pretrained = load(folder)
        used = tracemalloc.get_traced_memory()[1] - before
        use(pretrained)
        return "loaded", "", used
    except CheckpointError as error:
        message, used = str(error), tracemalloc.get_traced_memory()[1] - before
        good = message.isprintable() and len(message) <= LONGEST
        return "refused" if good else "message", message if good else repr(message[:2000]), used
    except BaseException as error:  # whatever it is, it is what this program looks for
        return type(error).__name__, repr(str(error)[:300]), 0


def use(pretrained):
    """What was not refused computes, in one of two types, with finite parameters."""
    model = pretrained.model
    for name, parameter in model.parameters():
        if parameter.data.dtype not in (np.float32, np.float64) or not np.isfinite(parameter.data).all():
            raise AssertionError(f"{name} of type {parameter.data.dtype} was not refused")
    ids = np.array([[min(4, model.config.source_vocab_size - 1, model.config.target_vocab_size - 1)]])
    with np.errstate(all="ignore"):
        model(ids, ids, source_mask=np.ones_like(ids, bool))
    for tokenizer in pretrained[1:]:
        tokenizer.decode([3, tokenizer.vocab_size - 1])


def write(folder, files):
    """Let the folder hold just these."""
    for name in (MODEL, *COPIES):
        (folder / name).unlink(missing_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def parameter_bytes(files):
    """The parameters of a good model, as they are held."""
    end = 8 + int.from_bytes(files[MODEL][:8], "little")
    fields = json.loads(files[MODEL][8:end])
    shapes = [field["shape"] for name, field in fields.items() if name != "__metadata__"]
    double = any(field.get("dtype") == "F64" for field in fields.values())
    return sum(int(np.prod(shape)) for shape in shapes) * (8 if double else 4)


def bundled():
    """The files of the bundled model, and those of the same in half precision."""
    folder = bundled_folder("sora/sora-base")
    model, tokenizer, _ = load(folder)
    half = model_files(model, tokenizer, dtype=np.float16)
    return [{name: (folder / name).read_bytes() for name in (MODEL, *COPIES) if (folder / name).exists()}, half]


def small_models():
    """Files of small models: both kinds of encoder, the copy head, every tie, tokenizer and type."""
    characters = SoraTokenizer.learn(["今天天气怎么样？"])
    white = SoraTokenizer.learn(["a b c"], "whitespace")
    words = SoraTokenizer("words", [("今", -2.0), ("今天", -1.0), ("天", -3.5)])
    bpe = SoraTokenizer("bpe", [(102, 103), (261, 104)], normalization="nfkc")
    kinds = [
        (characters, None, dict(tie="all"), None),
        (characters, white, dict(norm="post", positions="learned"), None),
        (characters, None, dict(encoder="rnn", cell="lstm", copy=True), None),
        (words, None, dict(encoder="rnn", cell="gru", bidirectional=False, tie="output", num_encoder_layers=2), None),
        (white, bpe, dict(encoder="rnn", cell="rnn", norm="post", activation="gelu"), None),
        (bpe, None, dict(copy=True, tie="all", num_decoder_layers=2), np.float16),
        (white, None, dict(copy=True), np.float64),
    ]
    return [small_model(seed, *kind) for seed, kind in enumerate(kinds)]


def small_model(seed, source, target, changes, dtype):
    sizes = dict(source_vocab_size=source.vocab_size, target_vocab_size=(target or source).vocab_size)
    model = SoraModel(SoraConfig(**{**sizes, **SIZES, **changes}), np.random.default_rng(seed))
    return model_files(model, source, target, dtype=dtype)


def limit_memory(size):
    """Let an allocation beyond it fail, rather than the computer."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
