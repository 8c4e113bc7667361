"""A GPU that is none: every test here may take the fixture `device`."""

import random
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from emulator import EmulatedModule, available

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.kernels import array_module, cuda_launch
from minisora.layers import embedding


def _load(name):
    """A module of this folder, which is no package."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_STAND_IN = _load("cupy_stand_in")


@pytest.fixture
def stand_in():
    """The module `cupy_stand_in`, with its lists."""
    return _STAND_IN


@pytest.fixture
def device(monkeypatch):
    """The stand-in as the module ``cupy``; ``device.transfers`` says what has crossed, in order."""
    cupy = _STAND_IN.make_cupy()
    cupy.transfers = _STAND_IN.transfers
    cupy.transfers.clear()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


@pytest.fixture
def to_device(device):
    """A function that copies an array to the device, also those in a tuple or a dict; the rest stays."""

    def move(value):
        if isinstance(value, dict):
            return {name: move(part) for name, part in value.items()}
        if isinstance(value, tuple):
            return tuple(map(move, value))
        return device.asarray(value) if isinstance(value, np.ndarray | np.generic) else value

    return move


@pytest.fixture
def tokenizer():
    return SoraTokenizer.learn(["甲乙丙丁戊"])


@pytest.fixture
def pairs():
    """31 pairs of different lengths: the source backwards."""
    dice = random.Random(5)
    sources = ["".join(dice.choice("甲乙丙丁戊") for _ in range(dice.randint(1, 7))) for _ in range(31)]
    return [(source, source[::-1]) for source in sources]


@pytest.fixture
def make_model(tokenizer):
    """A function that makes the same small model again and again."""

    def make(dtype=np.float64, **changes):
        config = dict(
            source_vocab_size=tokenizer.vocab_size, target_vocab_size=tokenizer.vocab_size, d_model=12, num_heads=3,
            d_ff=17, num_encoder_layers=1, num_decoder_layers=2, max_len=19, tie="all", dropout=0.1,
        )  # fmt: skip
        return SoraModel(SoraConfig(**config | changes), np.random.default_rng(0), dtype=dtype)

    return make


@pytest.fixture
def same_scatter_add(monkeypatch):
    """The one operation that the host does in another way, done on the host as on the device: then all bits agree."""

    def scatter_add(table, ids, rows):
        xp = array_module(table)
        table += (xp.arange(len(table))[:, None] == ids).astype(rows.dtype) @ rows

    monkeypatch.setattr(embedding, "scatter_add", scatter_add)


class Emulated:
    """How the next kernels are built and run, and in which way their source is changed before."""

    def __init__(self):
        self.seed, self.sanitizer, self.change = 0, None, lambda code: code

    def module(self, code, options):
        return EmulatedModule(code=self.change(code), options=options, seed=self.seed, sanitizer=self.sanitizer)


@pytest.fixture
def emulated(device):
    """The stand-in for CuPy with kernels that run on the CPU; ``emulated.how`` is an `Emulated`."""
    if not available():
        pytest.skip("needs g++ on Linux")
    device.how = Emulated()
    device.RawModule = device.how.module
    cuda_launch.program.cache_clear()
    yield device
    cuda_launch.program.cache_clear()
