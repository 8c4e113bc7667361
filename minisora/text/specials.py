"""The five tokens that every vocabulary starts with."""

SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "<sep>")  # labels for reading only: no text is ever encoded to them
PAD, BOS, EOS, UNK, SEP = range(len(SPECIALS))
