"""Decoding: from a model and a source to a text."""

from minisora.generation.answer import answer
from minisora.generation.greedy import greedy

__all__ = ["answer", "greedy"]
