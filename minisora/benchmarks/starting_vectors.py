"""``minisora bench starting-vectors``: what word vectors bring to a model that begins with them.

The same small model is trained on a part of the corpus, 5 %, 20 % or all of 20,000 examples, with an embedding that
begins at random, with Word2Vec (skip-gram, negative sampling), or with GloVe. The vectors are learnt from the texts of
that very part, cut into words by the tokenizer of the kind "words", and trained on with all the rest. Everything else
is alike: the steps, the seeds, and the embedding's size, one table for source, target and logits.
"""

from itertools import islice
from statistics import mean

import click
from tqdm import tqdm

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options

ALL, SHARES = 20_000, (0.05, 0.2, 1.0)
STARTS = ("random", "word2vec", "glove")
SIZES = {"d_model": 64, "num_heads": 4, "num_encoder_layers": 2, "num_decoder_layers": 2, "d_ff": 128, "max_len": 256}
TRAINING = {
    "batch_tokens": 2048, "learning_rate": 3e-3, "warmup_steps": 100, "schedule": "cosine", "decay_from": 0.3,
    "eval_every": 0,
}  # fmt: skip
STEPS, VOCABULARY, DEV = 800, 2500, 300
SMOKE = {"all": 60, "steps": 3, "vocabulary": 800, "dev": 5}


@click.command()
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Trainings of each cell.")
@click.option("--steps", default=STEPS, show_default=True, type=click.IntRange(1), help="Of each training.")
@record_options
def command(seeds, steps, smoke, as_json, out):
    """Random, Word2Vec and GloVe embeddings on 5 %, 20 % and all of the corpus: exact match and loss on new questions.

    Both are those of the set iid.
    """
    here = machine()
    scale = SMOKE if smoke else {"all": ALL, "steps": steps, "vocabulary": VOCABULARY, "dev": DEV}
    cells = [(share, start) for share in SHARES for start in STARTS]
    rows = [measure(*cell, scale, range(seeds)) for cell in tqdm(cells, disable=None)]
    settings = {**scale, "seeds": seeds, "sizes": SIZES, "training": TRAINING, "smoke": smoke}
    publish(make_record(here, rows, **settings), table(rows, settings), as_json, out)


def measure(share, start, scale, seeds):
    """One cell: the mean over the seeds."""
    scores = [train(share, start, scale, seed) for seed in seeds]
    return {
        "case": f"{100 * share:g} %, {start}",
        "share": share,
        "start": start,
        "exact_match": mean(score.exact_match for score in scores),
        "loss": mean(score.loss for score in scores),
        "losses": [score.loss for score in scores],
    }


def train(share, start, scale, seed):
    """Train one model and return its Score on new questions."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.corpus import stream, test_set
    from minisora.model import SoraModel
    from minisora.text import SoraTokenizer
    from minisora.training import Trainer, TrainingConfig
    from minisora.training.data import as_pair
    from minisora.training.pretrained_embedding import start_embedding
    from minisora.training.scoring import score_pairs

    pairs = [as_pair(one) for one in islice(stream(0), round(share * scale["all"]))]
    texts = [text for pair in pairs for text in pair]
    tokenizer = SoraTokenizer.learn(texts, "words", vocab_size=scale["vocabulary"])
    size = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
    model = SoraModel(SoraConfig(**size, **SIZES, tie="all"), np.random.default_rng(seed))
    if start != "random":
        sentences = [[tokenizer.tokens[i] for i in tokenizer.encode(text)] for text in texts]
        start_embedding(model.encoder.embedded.embedding, tokenizer.tokens, vectors(start, sentences, seed))
    config = TrainingConfig(steps=scale["steps"], seed=seed, **TRAINING)
    Trainer(model, pairs, tokenizer, config=config).fit(progress_bar=False)
    return score_pairs(model, tokenizer, tokenizer, test_set("iid", scale["dev"]))


def vectors(start, sentences, seed):
    """Word vectors of the width of the model."""
    from minisora.text.glove_training import GloveConfig, train_glove
    from minisora.text.word2vec_training import Word2VecConfig, train_word2vec

    common = {"size": SIZES["d_model"], "min_count": 1, "seed": seed}
    if start == "glove":
        return train_glove(sentences, GloveConfig(**common))
    return train_word2vec(sentences, Word2VecConfig(**common))


def table(rows, settings):
    """The rows for people: a line for each part of the corpus."""
    measures = (
        ("exact match, %", lambda row: f"{100 * row['exact_match']:.1f}"),
        ("loss", lambda row: f"{row['loss']:.3f}"),
    )
    cells = [("of the corpus", *(f"{start}: {name}" for name, _ in measures for start in STARTS))]
    for share in SHARES:
        line = {row["start"]: row for row in rows if row["share"] == share}
        cells.append((f"{100 * share:g} %", *(show(line[start]) for _, show in measures for start in STARTS)))
    note = f"{settings['steps']} steps each, {settings['dev']} questions of iid, mean of {settings['seeds']} seeds"
    return f"{note}\n\n{lay_out(cells)}"
