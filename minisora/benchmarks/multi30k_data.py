"""Multi30k as the benchmark reads it: captions in lower case, cut into words, one a line; BLEU as it is published."""

from minisora.benchmarks.long_runs import place
from minisora.files import replace_file

ORIGIN = "github.com/multi30k/dataset, data/task1/tok"
TESTS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
PARTS = ("train", "val", *TESTS)


def file_name(part, language):
    """As the repository calls it."""
    return f"{part}.lc.norm.tok.{language}"


def files():
    """Names of all files that are read."""
    return [file_name(part, language) for part in PARTS for language in ("de", "en")]


def read_part(data, part, source, target, most=None):
    """Pairs (source, target), the first ``most`` of them; ValueError where the files are not equally long."""
    texts = [place(data, file_name(part, language)).read_text(encoding="utf-8") for language in (source, target)]
    lines = [text.removesuffix("\n").split("\n") for text in texts]
    if len(lines[0]) != len(lines[1]):
        counts = f"{len(lines[0])} and {len(lines[1])}"
        raise ValueError(f"expected as many lines of {source} as of {target} in {part}, got {counts}")
    return list(zip(*lines, strict=True))[:most]


def bleu(answers, pairs):
    """Return (BLEU, sacrebleu's signature): over the words as they stand, which are tokens already."""
    from sacrebleu import BLEU

    metric = BLEU(tokenize="none", force=True)
    score = metric.corpus_score(answers, [[target for _, target in pairs]]).score
    return score, str(metric.get_signature())


def write_toy(folder):
    """Write a tiny pair of languages for --smoke: a word for a word, and the last two change places."""
    import random

    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        count = 120 if part == "train" else 20
        german = [[f"w{rng.randrange(20)}" for _ in range(rng.randint(2, 6))] for _ in range(count)]
        english = [[word.upper() for word in (*words[:-2], words[-1], words[-2])] for words in german]
        for language, sentences in (("de", german), ("en", english)):
            text = "".join(" ".join(words) + "\n" for words in sentences)
            replace_file(folder / file_name(part, language), text.encode())
    return folder
