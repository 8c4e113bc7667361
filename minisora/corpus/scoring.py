"""The score of a generated text, which has several right answers: how much it mentions of what it must."""


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
