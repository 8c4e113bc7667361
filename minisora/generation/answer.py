"""From texts to texts."""

from minisora.generation.generate import generate


def answer(model, source_tokenizer, target_tokenizer, texts, **options):
    """Answer each text: the best answers of `generate`, as texts; greedy unless the options say otherwise.

    Returns
    -------
    list of str
        In the order of the texts.
    """
    return [one.text for one in generate(model, source_tokenizer, target_tokenizer, texts, **options)]
