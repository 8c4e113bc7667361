"""What tests of several packages share."""

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def tiny_model():
    """A function that builds a small float64 model: sizes that differ, no parameter at its initial value."""

    def build(seed=0, layers=None, **changes):
        config = dict(
            source_vocab_size=23, target_vocab_size=23 if changes.get("tie") == "all" else 29, d_model=10, num_heads=2,
            num_encoder_layers=2, num_decoder_layers=2, d_ff=17, dropout=0.0, max_len=31,
        )  # fmt: skip
        rng = np.random.default_rng(seed)
        model = SoraModel(SoraConfig(**config | changes), rng, layers=layers, dtype=np.float64)
        for _, parameter in model.parameters():
            parameter.data += rng.normal(0, 0.2, parameter.data.shape)
        return model

    return build
