"""Scores of a generated text, which has several right answers: slot coverage and character BLEU."""

from collections import Counter
from math import exp, log


def generation_score(example, answer):
    """Return the part of the example's keywords that the answer mentions, in [0, 1].

    Parameters
    ----------
    example : Example
        One with keywords, such as those of the scenario ``generation``.
    answer : str

    Raises
    ------
    ValueError
        If the example has no keywords: it has one right answer, and is scored by exact match.
    """
    if not example.keywords:
        raise ValueError(f"expected an example with keywords, got one of {example.intent}")
    return sum(keyword in answer for keyword in example.keywords) / len(example.keywords)


def character_bleu(references, answer, order=4):
    """Return the BLEU of one answer over characters, in [0, 1] [1]_.

    Counts of n-grams from 2 characters on are smoothed by adding one [2]_, so that a missing n-gram does not make it 0.

    Parameters
    ----------
    references : sequence of str
        All right answers, at least one.
    answer : str
    order : int
        The longest n-grams that count.

    References
    ----------
    .. [1] Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002.
    .. [2] Lin, Och, "ORANGE: a Method for Evaluating Automatic Evaluation Metrics", 2004, smoothing +1.
    """
    if not references:
        raise ValueError("expected at least one reference, got none")
    if not answer:
        return 0.0
    total = 0.0
    for n in range(1, order + 1):
        grams = _ngrams(answer, n)
        allowed = Counter()
        for reference in references:
            allowed |= _ngrams(reference, n)
        matched, possible = (grams & allowed).total(), grams.total()
        if n > 1:
            matched, possible = matched + 1, possible + 1
        if matched == 0:
            return 0.0
        total += log(matched / possible)
    closest = min((abs(len(reference) - len(answer)), len(reference)) for reference in references)[1]
    return exp(total / order + min(0.0, 1 - closest / len(answer)))


def _ngrams(text, n):
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))
