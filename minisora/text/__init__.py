"""Text to token ids and back."""

from minisora.text.tokenizer import Padded, SoraTokenizer

__all__ = ["SoraTokenizer", "Padded"]
