"""What a model can do: exact match by split and scenario, abstention, arithmetic, generation, beside two baselines."""

from itertools import islice

from minisora.training.baselines import MostFrequent, NearestQuestion
from minisora.training.data import as_pair
from minisora.training.metrics import bleu, distinct, interval, slot_f1
from minisora.training.mistakes import count_mistakes, kind_of_mistake
from minisora.training.scoring import answer_pairs, mean_loss

APART = ("arithmetic", "generation")  # scenarios that a split's exact match leaves out
REFERENCE_START = 1 << 20  # of the baselines' training examples: others than those of the row "train"


def corpus_sets(splits=None, count=1000, seed=0):
    """The corpus's test sets by name.

    Parameters
    ----------
    splits : iterable of str, optional
        Of "train" (what a training with ``seed`` sees first), "faq" and the held-out splits; all but "dev" when None.
    count : int
        Examples of each; the FAQ is short and comes whole.
    seed : int
        Of the training stream.

    Returns
    -------
    dict of str to tuple of Example
    """
    from minisora.corpus import SPLITS, faq_set, test_set, train_sample

    names = (*SPLITS, "faq")
    splits = [name for name in names if name != "dev"] if splits is None else list(splits)
    for name in splits:
        if name not in names:
            raise ValueError(f"expected a split out of {', '.join(names)}, got {name!r}")
    makers = {"train": lambda: train_sample(count, seed), "faq": faq_set}
    return {name: makers[name]() if name in makers else test_set(name, count) for name in splits}


def corpus_reference(count=20_000, seed=0):
    """Training pairs of the corpus for the baselines."""
    from minisora.corpus import stream

    return [as_pair(one) for one in islice(stream(seed, "train", REFERENCE_START), count)]


def evaluate(pretrained, sets, *, reference=None, beams=1):
    """Measure a model on sets of examples, by greedy decoding or beam search.

    Parameters
    ----------
    pretrained : Pretrained
        Model, source tokenizer, target tokenizer.
    sets : dict of str to sequence of Example or of (str, str)
        Plain pairs have no scenario: they give loss and exact match alone.
    reference : list of (str, str), optional
        Training pairs for the baselines; None leaves them out.
    beams : int
        Hypotheses of the beam search; 1: greedy decoding.

    Returns
    -------
    dict
        ``splits``: by set ``exact_match`` with its ``interval_95``, ``slot_f1``, ``bleu`` and ``n`` without arithmetic
        and generation, ``loss`` (nats per token of all), ``scenarios``; ``abstention``, ``arithmetic``, ``generation``,
        ``mistakes`` (how many of each kind), ``answers`` (the first ten of each scenario) and ``baselines``: by set. A
        share of nothing is None, and so is BLEU without sacrebleu.
    """
    parts = ("splits", "abstention", "arithmetic", "generation", "mistakes", "answers", "baselines")
    result = {part: {} for part in parts}
    for name, examples in sets.items():
        if not examples:
            raise ValueError(f"expected examples to evaluate on, got none in {name!r}")
        pairs = [as_pair(one) for one in examples]
        answers = answer_pairs(*pretrained, pairs, beams=beams)
        judged = list(zip(examples, answers, strict=True))
        result["splits"][name] = {**_measures(_plain(judged)), "loss": mean_loss(*pretrained, pairs)}
        if _declining(judged):
            result["abstention"][name] = abstention(judged)
        if hasattr(examples[0], "scenario"):
            result["splits"][name]["scenarios"] = _by_scenario(judged)
            result["arithmetic"][name] = _exact([pair for pair in judged if pair[0].scenario == "arithmetic"])
            result["mistakes"][name] = count_mistakes(judged)
            result["answers"][name] = _first_answers(judged)
            result["generation"][name] = _generation([pair for pair in judged if pair[0].scenario == "generation"])
    if reference is not None:
        for name, kind in (("most_frequent", MostFrequent), ("nearest", NearestQuestion)):
            result["baselines"][name] = {"splits": _baseline(kind(reference), sets), "examples": len(reference)}
    return result


def abstention(judged):
    """How often the model declines, where it should and where it should not.

    Parameters
    ----------
    judged : list of (Example or (str, str), str)
        Examples, or pairs, and the answers given. A pair can be answered unless its target declines.

    Returns
    -------
    dict
        ``unanswerable`` and ``answerable`` are counts; ``declined_rightly`` is the share of the former that was
        declined, ``declined_wrongly`` that of the latter.
    """
    from minisora.corpus.intents import DECLINE

    declined = {True: [], False: []}
    for one, answer in judged:
        declined[getattr(one, "answerable", as_pair(one)[1] != DECLINE)].append(answer == DECLINE)
    return {
        "unanswerable": len(declined[False]),
        "declined_rightly": _share(declined[False]),
        "answerable": len(declined[True]),
        "declined_wrongly": _share(declined[True]),
    }


def _declining(judged):
    """Whether anything here is declined, or ought to be: other data know nothing of it."""
    from minisora.corpus.intents import DECLINE

    return any(DECLINE in (as_pair(one)[1], answer) for one, answer in judged)


def _plain(judged):
    """Without the scenarios that are told apart."""
    return [(one, answer) for one, answer in judged if getattr(one, "scenario", None) not in APART]


def _exact(judged):
    right = [answer == as_pair(one)[1] for one, answer in judged]
    return {"exact_match": _share(right), "n": len(right)}


def _first_answers(judged, count=10):
    """The first answers of each scenario, as they come."""
    found = {}
    for one, answer in judged:
        shown = found.setdefault(one.scenario, [])
        if len(shown) < count:
            right = kind_of_mistake(one, answer) is None
            shown.append({"source": one.source, "target": one.target, "answer": answer, "right": right})
    return dict(sorted(found.items()))


def _measures(judged):
    """Exact match with its interval at 95 %, slot F1 and BLEU."""
    right = [answer == as_pair(one)[1] for one, answer in judged]
    references = [getattr(one, "references", ()) or (as_pair(one)[1],) for one, _ in judged]
    found = {**_exact(judged), "interval_95": interval(right), "bleu": bleu(references, [text for _, text in judged])}
    return found | ({"slot_f1": slot_f1(judged)} if judged and hasattr(judged[0][0], "slots") else {})


def _by_scenario(judged):
    names = sorted({one.scenario for one, _ in judged})
    return {name: _measures([(one, answer) for one, answer in judged if one.scenario == name]) for name in names}


def _generation(judged):
    """Where several answers are right: keywords that occur, BLEU against all of them, and how various the texts are."""
    from minisora.corpus import generation_score

    judged = [
        (one, answer) for one, answer in judged if one.keywords
    ]  # a request without facts is declined, and counted there
    answers = [answer for _, answer in judged]
    return {
        "slot_coverage": _share([generation_score(one, answer) for one, answer in judged]),
        "bleu": bleu([one.references for one, _ in judged], answers),
        "one_of_the_references": _share([answer in one.references for one, answer in judged]),
        "distinct_1": distinct(answers, 1),
        "distinct_2": distinct(answers, 2),
        "distinct_2_of_the_targets": distinct([one.target for one, _ in judged], 2),
        "n": len(judged),
    }


def _baseline(baseline, sets):
    out = {}
    for name, examples in sets.items():
        plain = [one for one, _ in _plain([(one, None) for one in examples])]
        answers = baseline.answer([as_pair(one)[0] for one in plain])
        out[name] = _exact(list(zip(plain, answers, strict=True)))
    return out


def _share(values):
    return sum(values) / len(values) if values else None
