"""What answers are measured by, besides being exactly right."""

import re
from importlib.util import find_spec

import numpy as np

RESAMPLES = 2000


def interval(values, share=0.95, seed=0):
    """Return (low, high), the bootstrap's percentile interval [1]_ of the mean of values; None where there are none.

    References
    ----------
    .. [1] Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if not len(values):
        return None
    values = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [(1 - share) / 2, (1 + share) / 2])
    return [float(low), float(high)]


def slot_f1(judged):
    """Return the F1 of the slots that answers mention, all examples together; None where no answer has any.

    The slots of an example are its values, told or asked: those in the right answer are to be mentioned, the others are
    not. Of 14 the 4 is no mention.

    Parameters
    ----------
    judged : list of (Example, str)
    """
    right = mentioned = due = 0
    for example, answer in judged:
        wanted, found = (mentioned_slots(example, text) for text in (example.target, answer))
        right, mentioned, due = right + len(wanted & found), mentioned + len(found), due + len(wanted)
    return 2 * right / (mentioned + due) if due else None


def mentioned_slots(example, text):
    """Return the set of the example's slots that a text mentions."""
    return {slot for slot in example.slot_texts() if _mentions(text, slot)}


def _mentions(text, slot):
    if slot.isdecimal():
        return re.search(rf"(?<!\d){slot}(?!\d)", text) is not None
    return slot in text


def bleu(references, answers):
    """Return BLEU-4 over characters [1]_, in [0, 1], by sacrebleu; None without it, or without answers.

    Parameters
    ----------
    references : list of sequence of str
        The right answers of each question, at least one.
    answers : list of str

    References
    ----------
    .. [1] Papineni et al., 2002; Post, "A Call for Clarity in Reporting BLEU Scores", 2018. Signature:
       nrefs:var, case:mixed, eff:no, tok:zh, smooth:exp.
    """
    if not answers or find_spec("sacrebleu") is None:
        return None
    from sacrebleu import BLEU

    most = max(map(len, references))
    streams = [[texts[i] if i < len(texts) else texts[0] for texts in references] for i in range(most)]
    return BLEU(tokenize="zh").corpus_score(answers, streams).score / 100


def distinct(texts, n):
    """Return distinct-n over characters: different n-grams of all texts as a share of all [1]_; None without any.

    References
    ----------
    .. [1] Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models", 2016, section 5.2.
    """
    grams = [text[i : i + n] for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None
