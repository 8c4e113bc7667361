"""Words and their probabilities from texts that nobody has segmented: a unigram model, learnt by EM with pruning.

A text is taken for a sequence of words drawn independently, so its probability is the sum, over all its segmentations,
of the product of the words' probabilities. Frequent substrings are the first guess at the words. Then, in turns, EM
finds the probabilities and the words that the texts miss least go, until the vocabulary is small enough [1]_. Nothing
is random: the same texts give the same words.

References
----------
.. [1] Kudo, "Subword Regularization", 2018, section 3.2. EM: Dempster, Laird, Rubin, 1977; over segmentations by
   forward and backward sums: Baum, 1972.
"""

import math
from collections import Counter

from minisora.text.runs import split_runs
from minisora.text.viterbi import Segmenter

LONGEST = 16  # characters of a learnt word
PART = 32  # characters: longer runs are cut, or the product of so many probabilities leaves the range of floats
SEEDS = 8  # candidates for each word that stays
STEPS = 2  # of EM between two prunings
KEPT = 0.75  # of the words, by one pruning
SELDOM = 0.5  # occurrences: a word that the texts are expected to hold less often goes


def learn_words(texts, room, min_count=1):
    """Log-probability of each word, of at most ``room`` words: all characters, and what is worth a word of its own.

    Parameters
    ----------
    texts : iterable of str
    room : int
    min_count : int
        A rarer character or substring is no word.
    """
    runs = count_runs(texts)
    probabilities, rare = seed_words(runs, SEEDS * room, min_count)
    characters = sum(len(word) == 1 for word in probabilities) - len(rare)
    if characters > room:
        raise ValueError(f"expected room for the {characters} characters of the texts, got {room}: raise vocab_size")
    while True:
        for _ in range(STEPS):
            counts, _ = expected_counts(runs, probabilities)
            probabilities = maximise(counts)
        if len(probabilities) - len(rare) <= room:
            break
        target = max(room + len(rare), int(KEPT * len(probabilities)))
        probabilities = prune(probabilities, counts, target)
    return {word: math.log(p) for word, p in sorted(probabilities.items()) if word not in rare}


def count_runs(texts):
    """How often each run of letters occurs, cut into parts of at most 32 characters. Sorted: sums round alike."""
    runs = Counter(run for text in texts for run in split_runs(text))
    parts = Counter()
    for run, times in runs.items():
        for start in range(0, len(run), PART):
            parts[run[start : start + PART]] += times
    return dict(sorted(parts.items()))


def seed_words(runs, room, min_count):
    """The first guess: all characters, and the substrings that cover most text; beside it, the characters too rare.

    A substring's share is its count times its length [1]_; it must occur at least twice.
    """
    counts = Counter()
    for run, times in runs.items():
        for begin in range(len(run)):
            for end in range(begin + 1, min(begin + LONGEST, len(run)) + 1):
                counts[run[begin:end]] += times
    characters = {word: count for word, count in counts.items() if len(word) == 1}
    longer = [word for word, count in counts.items() if len(word) > 1 and count >= max(2, min_count)]
    longer.sort(key=lambda word: (-counts[word] * len(word), word))
    words = characters | {word: counts[word] * len(word) for word in longer[:room]}
    total = sum(words.values())
    rare = {word for word, count in characters.items() if count < min_count}
    return {word: weight / total for word, weight in words.items()}, rare


def expected_counts(runs, probabilities):
    """The E step: how often each word is expected in the runs, and the log-likelihood of the runs.

    With forward(t) the probability of the first t characters and backward(t) that of the rest, a word from b to e
    stands in a run with probability forward(b) p(word) backward(e) / forward(end).
    """
    expected, likelihood = dict.fromkeys(probabilities, 0.0), 0.0
    longest = max(map(len, probabilities), default=0)
    for run, times in runs.items():
        edges = words_in(run, probabilities, longest)
        forward = [1.0] + [0.0] * len(run)
        for begin, end, _, p in edges:
            forward[end] += forward[begin] * p
        backward = [0.0] * len(run) + [1.0]
        for begin, end, _, p in reversed(edges):
            backward[begin] += p * backward[end]
        for begin, end, word, p in edges:
            expected[word] += times * forward[begin] * p * backward[end] / forward[-1]
        likelihood += times * math.log(forward[-1])
    return expected, likelihood


def words_in(run, probabilities, longest):
    """(begin, end, word, probability) of all words in a run, from left to right."""
    return [
        (begin, end, word, probabilities[word])
        for begin in range(len(run))
        for end in range(begin + 1, min(begin + longest, len(run)) + 1)
        if (word := run[begin:end]) in probabilities
    ]


def maximise(counts):
    """The M step: p(word) = count / sum of counts, without the words hardly ever expected; a character always stays."""
    kept = {word: max(count, SELDOM) for word, count in counts.items() if count >= SELDOM or len(word) == 1}
    total = math.fsum(kept.values())
    return {word: count / total for word, count in kept.items()}


def prune(probabilities, counts, target):
    """Keep the characters, and of the words those that are missed most, ``target`` words in all.

    Without a word, each of its occurrences costs log p(word) minus the score of its best other segmentation.
    """
    scores = {word: math.log(p) for word, p in probabilities.items()}
    segmenter = Segmenter(scores, min(scores.values()))
    losses = {}
    for word in probabilities:
        if len(word) > 1:
            own = scores.pop(word)
            losses[word] = counts[word] * (own - segmenter.best(word)[1])
            scores[word] = own
    longer = sorted(losses, key=lambda word: (-losses[word], word))
    dropped = set(longer[max(0, target - (len(probabilities) - len(losses))) :])
    kept = {word: p for word, p in probabilities.items() if word not in dropped}
    total = math.fsum(kept.values())
    return {word: p / total for word, p in kept.items()}
