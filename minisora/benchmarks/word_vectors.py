"""``minisora bench word-vectors``: word2vec beside gensim, on the same text: how fast, and how good.

Both sides train skip-gram and CBOW with negative sampling on the same sentences, in lower case: same width, window,
epochs, words of noise and least count; each at its own learning rate (skip-gram 0.025 both; CBOW 0.1, gensim 0.025,
which does not divide the gradient of the mean). gensim thins out frequent words by the formula of word2vec.c, which
keeps somewhat more than that of the paper: minisora's threshold is set so that both keep equally many. They take turns,
one round a seed, each in a process of its own. Speed is in kept words, from lists of words to vectors.
Vectors are judged by Spearman's correlation with people, over the pairs of which both words are in the vocabulary, and
the difference of the two sides' means over all seeds by a bootstrap over pairs. GloVe, for which gensim has nothing,
stands beside.

The folder has text, ``*.txt``, one sentence or paragraph a line, and the pairs ``EN-WS-353-ALL.txt`` and
``EN-SIMLEX-999.txt``. Nothing of it is part of minisora.

References
----------
Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13, for intervals by percentiles.
"""

import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median

import click
import numpy as np

from minisora.benchmarks.g2p import read_source
from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.benchmarks.workers import Worker
from minisora.text.subsampling import keep_probabilities
from minisora.text.word_pairs import WordPairs, covered_cosines, read_word_pairs, spearman
from minisora.text.word_vectors import WordVectors

ORIGIN = "text, and word pairs from github.com/mfaruqui/eval-word-vectors, data/word-sim"
PAIRS = {"WordSim-353": "EN-WS-353-ALL.txt", "SimLex-999": "EN-SIMLEX-999.txt"}
NOT_TEXT = ("EN-", "SOURCE", "LICENSE", "README")
FULL = {"size": 100, "window": 5, "epochs": 20, "negatives": 5, "min_count": 5}
SMOKE = FULL | {"size": 10, "epochs": 2}
GLOVE = {"size": 100, "window": 10, "epochs": 25, "min_count": 5}
RESAMPLES = 4000
WARM_UP = 200  # sentences
GENSIM_SAMPLE = 1e-3  # its own default
MARGIN = 0.02  # of Spearman's correlation, that ours may be worse by


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with text and pairs of words.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1), help="For each side.")
@click.option("--rounds", default=8, show_default=True, type=click.IntRange(1), help="Trainings of each, a seed each.")
@record_options
def command(data, threads, rounds, smoke, as_json, out):
    """word2vec beside gensim: words/s, and Spearman's correlation with people's judgement.

    A ratio above 1 means that minisora is faster. Needs the extra "text" (gensim).
    """
    if find_spec("gensim") is None:
        raise click.UsageError("gensim is not installed: pip install 'minisora[text]'")
    here = machine()  # before our own load
    check_data(data)
    settings, rounds = (SMOKE, min(rounds, 2)) if smoke else (FULL, rounds)
    options = {"data": str(data), "settings": settings, "threads": threads}
    pairs = {name: read_word_pairs(data / file) for name, file in PAIRS.items()}
    rows = [measure(architecture, options, rounds, pairs) for architecture in ("skip-gram", "cbow")]
    glove = options | {"settings": GLOVE | {"epochs": 2} if smoke else GLOVE}
    rows.append(measure("glove", glove, min(rounds, 2), pairs))
    more = {"source": read_source(data), "threads": threads, "settings": settings, "rounds": rounds, "smoke": smoke}
    record = make_record(here, rows, "numba", "gensim", "scipy", **more)
    publish(record, table(rows, more), as_json, out)


def check_data(data):
    """Say which file is missing, before anything else begins."""
    if data is None:
        raise click.UsageError(f"expected --data, a folder with text and {', '.join(PAIRS.values())} ({ORIGIN})")
    for file in PAIRS.values():
        if not (data / file).is_file():
            raise click.UsageError(f"no data: looked for {data / file} and found none ({ORIGIN})")
    if not text_files(data):
        raise click.UsageError(f"no data: looked for text, *.txt, in {data} and found none ({ORIGIN})")


def text_files(data):
    """The files of text in a folder."""
    return [path for path in sorted(Path(data).glob("*.txt")) if not path.name.startswith(NOT_TEXT)]


def measure(case, options, rounds, pairs):
    """One row: both sides by turns, or ours alone."""
    tasks = {"ours": ("ours", options | {"architecture": case})}
    if case != "glove":
        tasks["gensim"] = ("gensim_side", options | {"architecture": case})
    replies = {name: [] for name in tasks}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(f"minisora.benchmarks.word_vectors:{task}", given, options["threads"]))
            for name, (task, given) in tasks.items()
        }
        for _ in range(rounds):
            for name, worker in workers.items():
                replies[name].append(worker.run())
    seconds = {name: [one["value"]["seconds"] for one in found] for name, found in replies.items()}
    kept = {name: found[0]["value"]["words"] for name, found in replies.items()}  # nearly the same for every seed
    speeds = {name: kept[name] / median(seconds[name]) for name in replies}
    return {
        "case": case,
        "ours": median(seconds["ours"]),
        "opponents": {name: median(found) for name, found in seconds.items() if name != "ours"},
        "ratio": {name: speeds["ours"] / speed for name, speed in speeds.items() if name != "ours"},
        "words_per_second": speeds,
        "seconds": seconds,
        "vocabulary": replies["ours"][0]["value"]["vocabulary"],
        "peak_memory_mib": {name: found[-1]["peak_memory_mib"] for name, found in replies.items()},
        "spearman": {name: judge(replies, name, len(pairs[name].pairs)) for name in pairs},
    }


def judge(replies, name, count):
    """The correlations with one set of pairs: of each side, of each seed, and the difference with its interval."""
    scores = np.array(replies["ours"][0]["value"]["pairs"][name][1])
    cosines = {side: np.array([one["value"]["pairs"][name][0] for one in found]) for side, found in replies.items()}
    by_seed = {side: [spearman(row, scores) for row in rows] for side, rows in cosines.items()}
    result = {"covered": len(scores), "pairs": count}
    result |= {side: mean(found) for side, found in by_seed.items()} | {"by_seed": by_seed}
    if "gensim" in cosines:
        differences = bootstrap(cosines["ours"], cosines["gensim"], scores, RESAMPLES)
        low, high, worst = (float(np.nanquantile(differences, share)) for share in (0.025, 0.975, 0.05))
        result |= {"difference": result["ours"] - result["gensim"], "interval_95": [low, high]}
        result |= {"lower_bound_95": worst, "not_worse": worst > -MARGIN}
    return result


def bootstrap(ours, theirs, scores, resamples):
    """Differences of mean correlations, ours (R, P) minus theirs (R, P) with scores (P,), over resampled pairs."""
    rng = np.random.default_rng(0)
    differences = np.empty(resamples)
    for n in range(resamples):
        drawn = rng.integers(0, len(scores), len(scores))
        means = [mean(spearman(row[drawn], scores[drawn]) for row in rows) for rows in (ours, theirs)]
        differences[n] = means[0] - means[1]
    return differences


def table(rows, more):
    """The rows for people."""
    cells = [("", "", "s", "words/s", "ratio", *PAIRS, "peak MiB")]
    for row in rows:
        for side, speed in row["words_per_second"].items():
            ratio = f"{row['ratio'][side]:.2f}" if side in row["ratio"] else ""
            judged = (f"{row['spearman'][name][side]:.3f}" for name in PAIRS)
            seconds, memory = median(row["seconds"][side]), row["peak_memory_mib"][side]
            memory = "-" if memory is None else f"{memory:.0f}"
            cells.append((row["case"], side, f"{seconds:.2f}", f"{speed:,.0f}", ratio, *judged, memory))
    lines = [lay_out(cells), ""]
    for row in rows:
        for name, found in row["spearman"].items():
            if "difference" in found:
                low, high = found["interval_95"]
                verdict = "not worse" if found["not_worse"] else "not shown to be no worse"
                lines.append(
                    f"{row['case']}, {name}: difference {found['difference']:+.3f}, 95 % {low:+.3f} to {high:+.3f}; "
                    f"{verdict} by {MARGIN} (95 %, one-sided: {found['lower_bound_95']:+.3f})"
                )
    covered = ", ".join(f"{found['covered']} of {found['pairs']} {name}" for name, found in rows[0]["spearman"].items())
    settings = ", ".join(f"{name} {value}" for name, value in more["settings"].items())
    head = f"{settings}; {more['threads']} threads; {more['rounds']} rounds by turns, medians, mean correlations"
    covered = f"pairs with both words in the vocabulary of {rows[0]['vocabulary']:,} words: {covered}"
    return "\n".join([head, covered, "", *lines, "", more["source"]])


def read_text(data):
    """The sentences of all files of text, in lower case, as lists of words."""
    from minisora.text.word_counts import read_sentences

    return [[word.lower() for word in sentence] for path in text_files(data) for sentence in read_sentences(path)]


def report(words, vectors, kept, seconds, data):
    """What a training comes to, as plain values."""
    vectors = WordVectors(words, vectors)
    pairs = {name: covered_cosines(vectors, lower(read_word_pairs(Path(data) / file))) for name, file in PAIRS.items()}
    pairs = {name: [row.tolist() for row in found] for name, found in pairs.items()}
    return {"seconds": seconds, "words": kept, "vocabulary": len(vectors), "pairs": pairs}


def lower(pairs):
    """The pairs in lower case, as the text is."""
    return WordPairs(tuple((a.lower(), b.lower()) for a, b in pairs.pairs), pairs.scores)


def ours(data, architecture, settings, threads):
    """Prepare minisora's trainings, and compile; each call takes the next seed."""
    from itertools import count

    from minisora.kernels.threads import at_most
    from minisora.text.cooccurrence import count_cooccurrences
    from minisora.text.glove_training import GloveConfig, GloveTraining
    from minisora.text.word2vec_training import Word2VecConfig, Word2VecTraining
    from minisora.text.word_counts import count_words, encode_words

    sentences, seeds = read_text(data), count()

    def word2vec(words, text, seed):
        subsample = equal_threshold(words.counts)
        config = Word2VecConfig(architecture=architecture, seed=seed, subsample=subsample, **settings)
        training = Word2VecTraining(words, text, config).fit()
        return training.v, training.kept

    def glove(words, text, seed):
        table = count_cooccurrences(text, len(words.words), settings["window"])
        training = GloveTraining(len(words.words), table, GloveConfig(seed=seed, **settings)).fit()
        return training.words.vectors + training.contexts.vectors, len(text.ids) * settings["epochs"]

    def train(sentences, seed):
        with at_most(threads):
            words = count_words(sentences, settings["min_count"])
            text = encode_words(sentences, words.words)
            return words.words, *(glove if architecture == "glove" else word2vec)(words, text, seed)

    def task():
        begin = time.perf_counter()
        result = train(sentences, next(seeds))
        return report(*result, time.perf_counter() - begin, data)

    train(sentences[:WARM_UP], 0)
    return task


def equal_threshold(counts, theirs=GENSIM_SAMPLE):
    """The threshold with which eq. (5) keeps as many words as word2vec.c's formula does with ``theirs``, by halving."""
    ratio = theirs * counts.sum() / counts
    kept = (counts * np.minimum(1, np.sqrt(ratio) + ratio)).sum()
    low, high = theirs, 1.0
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if (counts * keep_probabilities(counts, middle)).sum() < kept else (low, middle)
    return high


def gensim_side(data, architecture, settings, threads):
    """Prepare gensim's trainings; each call takes the next seed."""
    from itertools import count

    from gensim.models import Word2Vec

    sentences, seeds = read_text(data), count()
    same = {"vector_size": settings["size"], "negative": settings["negatives"]}
    same |= {name: settings[name] for name in ("window", "epochs", "min_count")} | {"sample": GENSIM_SAMPLE}

    def task():
        begin = time.perf_counter()
        model = Word2Vec(sg=int(architecture == "skip-gram"), workers=threads, seed=next(seeds), **same)
        model.build_vocab(sentences)
        kept, _ = model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs)
        seconds = time.perf_counter() - begin
        return report(model.wv.index_to_key, model.wv.vectors, kept, seconds, data)

    return task
