"""``minisora bench copying``: what the copy head brings, and what made-up names bring, alone and together.

Four small models are trained alike on the corpus, with and without a copy head, on the names of the corpus alone or on
made-up ones in some examples, and asked what is new in each of the held-out splits. Steps, seeds, sizes and all else
are the same; a copy head adds two matrices.
"""

from statistics import mean

import click
from tqdm import tqdm

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options

SPLITS = ("iid", "comb", "tmpl", "val", "len")
SIZES = {"d_model": 128, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 2, "d_ff": 512, "max_len": 256}
TRAINING = {
    "batch_tokens": 3072, "learning_rate": 2e-3, "warmup_steps": 200, "schedule": "cosine", "decay_from": 0.2,
    "final_rate": 0.02, "betas": (0.9, 0.98), "eval_every": 0, "shards": 2,
}  # fmt: skip
STEPS, QUESTIONS, MADE_UP = 3000, 500, 40
TINY = SIZES | {"d_model": 16, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 16}
SMOKE = {"steps": 2, "questions": 2, "sizes": TINY, "training": TRAINING | {"chunk_examples": 64}}


@click.command()
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Trainings of each model.")
@click.option("--steps", default=STEPS, show_default=True, type=click.IntRange(1), help="Of each training.")
@record_options
def command(seeds, steps, smoke, as_json, out):
    """With and without a copy head and made-up names: exact match on every held-out split of the corpus."""
    here = machine()
    scale = SMOKE if smoke else {"steps": steps, "questions": QUESTIONS, "sizes": SIZES, "training": TRAINING}
    cases = [(copy, made_up) for copy in (False, True) for made_up in (0, MADE_UP)]
    rows = [measure(*case, scale, range(seeds)) for case in tqdm(cases, disable=None)]
    settings = {**scale, "seeds": seeds, "smoke": smoke}
    publish(make_record(here, rows, **settings), table(rows, settings), as_json, out)


def measure(copy, made_up, scale, seeds):
    """One model: the mean over the seeds."""
    found = [train(copy, made_up, scale, seed) for seed in seeds]
    return {
        "case": f"{'copy head' if copy else 'no copy head'}, {'made-up names' if made_up else 'real names'}",
        "copy": copy,
        "made_up_names": made_up,
        "parameters": found[0]["parameters"],
        "exact_match": {split: mean(one[split].exact_match for one in found) for split in SPLITS},
        "loss": {split: mean(one[split].loss for one in found) for split in SPLITS},
    }


def train(copy, made_up, scale, seed):
    """Train one model; return its Score on each split, and the number of its parameters."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.corpus import alphabet, test_set
    from minisora.model import SoraModel
    from minisora.text import SoraTokenizer
    from minisora.training import PairStream, Trainer, TrainingConfig
    from minisora.training.scoring import score_pairs

    tokenizer = SoraTokenizer.learn([alphabet()])
    size = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
    config = SoraConfig(**size, **scale["sizes"], tie="all", copy=copy, dropout=0.0)
    model = SoraModel(config, np.random.default_rng(seed))
    data = PairStream(seed, made_up_names=made_up)
    training = TrainingConfig(steps=scale["steps"], seed=seed, **scale["training"])
    Trainer(model, data, tokenizer, config=training).fit(progress_bar=False)
    scores = {split: score_pairs(model, tokenizer, tokenizer, test_set(split, scale["questions"])) for split in SPLITS}
    return scores | {"parameters": model.num_parameters()}


def table(rows, settings):
    """The rows for people."""
    cells = [("exact match, %", "parameters", *SPLITS)]
    for row in rows:
        shares = (f"{100 * row['exact_match'][split]:.1f}" for split in SPLITS)
        cells.append((row["case"], f"{row['parameters']:,}", *shares))
    note = (
        f"{settings['steps']} steps each, {settings['questions']} questions a split, mean of {settings['seeds']} seeds"
    )
    return f"{note}\n\n{lay_out(cells)}"
