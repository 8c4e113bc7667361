"""What tests of several packages share."""

import shutil

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


FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="module")
def browser():
    """A function that opens a context of headless Chromium, with a page of nothing; all are closed at the end."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra browser")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)

        def open_context(**options):
            context = running.new_context(**options)
            context.new_page()
            return context

        yield open_context
        running.close()
