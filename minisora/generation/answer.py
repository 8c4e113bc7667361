"""From texts to texts."""

from minisora.generation.greedy import greedy


def answer(model, source_tokenizer, target_tokenizer, texts, *, max_len=128, batch_size=64):
    """Answer each text by greedy decoding.

    Parameters
    ----------
    model : SoraModel
    source_tokenizer, target_tokenizer : SoraTokenizer
    texts : list of str
        None may be empty or longer than the model reads.
    max_len : int
        Longest answer, in tokens.
    batch_size : int
        How many are decoded together; texts of similar length share a batch.

    Returns
    -------
    list of str
        In the order of the texts.
    """
    if isinstance(texts, str):
        raise ValueError("a list of texts is expected, got a single one: put it into brackets")
    encoded = [source_tokenizer.encode(text) for text in texts]
    for text, ids in zip(texts, encoded, strict=True):
        if not 0 < len(ids) <= model.config.max_len:
            raise ValueError(
                f"a text of 1 to {model.config.max_len} tokens is expected, got {len(ids)}"
                + (f": {text[:20]!r} ..." if text else "")
            )
    answers = [""] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        ids, mask = source_tokenizer.pad([encoded[i] for i in batch])
        for i, output in zip(
            batch, greedy(model, ids, max_len=min(max_len, model.config.max_len), source_mask=mask), strict=True
        ):
            answers[i] = target_tokenizer.decode(output)
    return answers
