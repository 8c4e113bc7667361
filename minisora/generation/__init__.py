"""Decoding: from a model and a source to a text."""

from minisora.generation.answer import answer
from minisora.generation.attention_maps import AttentionMaps
from minisora.generation.beam import beam_search
from minisora.generation.beam_tree import BeamNode, BeamTree, length_penalty
from minisora.generation.config import GenerationConfig
from minisora.generation.ensemble import Ensemble
from minisora.generation.generate import Generated, Hypothesis, generate
from minisora.generation.greedy import greedy

__all__ = [
    "AttentionMaps",
    "BeamNode",
    "BeamTree",
    "Ensemble",
    "GenerationConfig",
    "Generated",
    "Hypothesis",
    "answer",
    "beam_search",
    "generate",
    "greedy",
    "length_penalty",
]
