"""The second part of ``minisora bench multi30k``: a tiny Transformer, English to German, and how BLEU grows."""

from pathlib import Path

from minisora.benchmarks.long_runs import new_trainer
from minisora.benchmarks.multi30k_data import TESTS, bleu, read_part
from minisora.benchmarks.record import lay_out

MODEL = {
    "d_model": 128, "num_heads": 4, "num_encoder_layers": 4, "num_decoder_layers": 4, "d_ff": 256, "dropout": 0.3,
    "attention_dropout": 0.0, "feed_forward_dropout": 0.0, "max_len": 160, "tie": "all",
}  # fmt: skip
VOCABULARY = 10_000  # of the byte-pair encoding that both languages share
TRAINING = {
    "steps": 8000, "batch_tokens": 8192, "chunk_examples": 29_000, "learning_rate": 5e-3, "warmup_steps": 2000,
    "schedule": "inverse_sqrt", "betas": (0.9, 0.98), "label_smoothing": 0.1, "eval_every": 0, "save_every": 200,
    "backend": "numba",
}  # fmt: skip
AVERAGED = 10  # last checkpoints
LOOK_EVERY = 500  # steps
BEAMS = 5
PUBLISHED = {"test_2016_flickr": 41.02, "test_2017_flickr": 33.36, "test_2017_mscoco": 29.88}
SMOKE = {"d_model": 16, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 24, "max_len": 400}


def measure(runs, options, steps):
    """The row: read where it is finished, else the training gone on with; None where the time ends before."""
    smoke, seed = options["smoke"], options["seed"]
    training = TRAINING | {"seed": seed, "shards": options["threads"]} | ({"steps": steps} if steps else {})
    model, vocabulary, every, averaged, most = MODEL, VOCABULARY, LOOK_EVERY, AVERAGED, None
    if smoke:
        model, vocabulary, every, averaged, most = MODEL | SMOKE, 300, 10, 2, 40
        training |= {"steps": 20, "batch_tokens": 256, "chunk_examples": 120, "warmup_steps": 10, "save_every": 5}
    training |= {"keep": 2 * averaged}  # where a training was stopped there is one more
    data = Path(options["data"])
    settings = {"model": model, "training": training, "vocabulary": vocabulary}
    row = runs.row(
        f"tiny-{seed}",
        settings,
        lambda folder: begin(data, folder, **settings),
        lambda trainer: judge(trainer, data, averaged, most),
        look=lambda trainer: {"bleu": look(trainer, data, most)},
        every=every,
    )
    return None if row is None else row | settings


def begin(data, folder, model, training, vocabulary):
    """A Trainer at its first step."""
    from minisora.text import SoraTokenizer

    pairs = read_part(data, "train", "en", "de")
    texts = [text for pair in pairs for text in pair]
    tokenizer = SoraTokenizer.learn(texts, "bpe", vocab_size=vocabulary)
    return new_trainer(pairs, (tokenizer, tokenizer), model, training, folder)


def look(trainer, data, most):
    """BLEU on the validation part as the model stands, by greedy decoding."""
    return translate(trainer.model, trainer.source_tokenizer, read_part(data, "val", "en", "de", most))[0]


def judge(trainer, data, averaged, most):
    """BLEU of every test part, by the mean of the last checkpoints and beam search; of the first part also without."""
    from minisora.training.averaging import average_checkpoints, last_checkpoints

    tokenizer, tests = trainer.source_tokenizer, {part: read_part(data, part, "en", "de", most) for part in TESTS}
    mean = average_checkpoints(last_checkpoints(trainer.folder, averaged, trainer.config.save_every))
    mean.model.use_backend("numba")
    scores = {part: translate(mean.model, tokenizer, pairs, BEAMS) for part, pairs in tests.items()}
    first = tests[TESTS[0]]
    return {
        "bleu": {part: score for part, (score, _) in scores.items()},
        "signature": scores[TESTS[0]][1],
        "last_alone": translate(trainer.model, tokenizer, first, BEAMS)[0],
        "greedy": translate(mean.model, tokenizer, first)[0],
        "averaged": averaged,
        "beams": BEAMS,
        "published": PUBLISHED,
    }


def translate(model, tokenizer, pairs, beams=1):
    """(BLEU, signature) of the translations of pairs' sources."""
    from minisora.generation import answer

    sources = [source for source, _ in pairs]
    answers = answer(model, tokenizer, tokenizer, sources, beams=beams, length_penalty=1.0, batch_size=64 * beams)
    return bleu(answers, pairs)


def table(row):
    """The row for people."""
    cells = [("BLEU, en-de", *TESTS)]
    cells.append((f"minisora, mean of {row['averaged']} checkpoints, beam {row['beams']}", *per_test(row["bleu"])))
    cells.append(("published, Transformer-tiny", *per_test(row["published"])))
    curve = ", ".join(f"{one['bleu']:.1f} ({one['minutes'] / 60:.1f} h)" for one in row["curve"])
    head = f"{row['parameters']:,} parameters, {row['steps']} steps in {row['hours']:.1f} hours, "
    head += f"{row['target_tokens_per_second']:,.0f} target tokens/s; {row['signature']}"
    return f"{head}\n\n{lay_out(cells)}\n\non the validation part, greedy: {curve}"


def per_test(scores):
    return (f"{scores[part]:.2f}" if part in scores else "-" for part in TESTS)
