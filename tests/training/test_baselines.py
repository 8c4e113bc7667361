"""The baselines against slow, plain formulas."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from minisora.training.baselines import MostFrequent, NearestQuestion


def test_the_most_frequent_answer():
    assert MostFrequent([("a", "x"), ("b", "y"), ("c", "y")]).answer(["a", "?"]) == ["y", "y"]


def test_a_training_question_is_nearest_to_itself(pairs):
    unique = list(dict.fromkeys(pairs))
    assert NearestQuestion(unique).answer([source for source, _ in unique]) == [target for _, target in unique]


def test_rare_characters_decide():
    """城市 and 天气 are everywhere: the question is recognised by its city."""
    pairs = [(f"城市={city};天气=晴|{city}天气？", city) for city in ("北京", "上海", "广州", "深圳")]
    assert NearestQuestion(pairs).answer(["请问广州的天气如何？"]) == ["广州"]


def test_against_dense_vectors():
    dice = random.Random(3)
    texts = ["".join(dice.choice("甲乙丙丁戊己") for _ in range(dice.randint(1, 9))) for _ in range(60)]
    train, queries = texts[:43], [*texts[43:], "完全不同", ""]
    index = NearestQuestion([(text, str(i)) for i, text in enumerate(train)])

    def bag(text):
        return Counter([*text, *(text[i : i + 2] for i in range(len(text) - 1))])

    grams = sorted({gram for text in train for gram in bag(text)})
    idf = [math.log(44 / (1 + sum(gram in bag(text) for text in train))) + 1 for gram in grams]

    def vector(text):
        values = np.array([bag(text)[gram] * weight for gram, weight in zip(grams, idf, strict=True)])
        return values / (np.linalg.norm(values) or 1)

    matrix = np.array([vector(text) for text in train])
    for query in queries:
        cosines = matrix @ vector(query)
        assert cosines[index.nearest(query)] == pytest.approx(cosines.max(), abs=1e-12)
