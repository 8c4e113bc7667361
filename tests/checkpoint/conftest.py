"""Small models, and a hub on this computer."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from minisora.checkpoint import model_files
from minisora.config import SoraConfig
from minisora.model import SoraModel
from minisora.text.tokenizer import SoraTokenizer

SHAPE = dict(d_model=6, num_heads=2, d_ff=7, num_encoder_layers=1, num_decoder_layers=1, max_len=11)


@pytest.fixture(scope="session")
def source():
    return SoraTokenizer.learn(["今天天气怎么样？"])


@pytest.fixture(scope="session")
def target():
    return SoraTokenizer.learn(["a b c"], "whitespace")


@pytest.fixture(scope="session")
def small_model(source):
    """A function that builds a small model of a seed, for the tokenizer `source`, or for another target's."""

    def build(seed=0, *, target=source, **changes):
        sizes = {"source_vocab_size": source.vocab_size, "target_vocab_size": target.vocab_size}
        return SoraModel(SoraConfig(**{**sizes, **SHAPE, **changes}), np.random.default_rng(seed))

    return build


@pytest.fixture(scope="session")
def same():
    """A function that says whether two models have the same numbers."""

    def compare(model, other):
        arrays, others = ({name: p.data for name, p in one.parameters()} for one in (model, other))
        return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)

    return compare


@pytest.fixture(scope="session")
def small_files(small_model, source, target):
    """A function that gives the files of a small model of a seed, with two tokenizers."""
    return lambda seed=0: model_files(small_model(seed, target=target), source, target)


@pytest.fixture
def hub():
    """The stand-in, see its file."""
    spec = spec_from_file_location("hub_stand_in", Path(__file__).with_name("hub_stand_in.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    hub = module.Hub()
    yield hub
    hub.close()


@pytest.fixture
def ask(hub, tmp_path):
    """A function that runs Python with the real library, which knows no hub but the stand-in, in an empty home.

    It gives what the code prints as JSON, or the message of the CheckpointError that ends it.
    """
    pytest.importorskip("huggingface_hub")
    home = tmp_path / "home"

    def run(code, **variables):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": "nobody", "HF_HUB_DISABLE_XET": "1"}
        env |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "*"} | variables
        result = subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, env=env)
        lines = result.stderr.strip().splitlines()
        if result.returncode and lines[-1].startswith(ERROR):
            return lines[-1].removeprefix(ERROR)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return run


ERROR = "minisora.plain_file.CheckpointError: "
PRELUDE = """
import json
import numpy as np
from minisora import SoraModel, SoraTokenizer
from minisora.checkpoint import resolve

def first(model):
    return float(next(parameter.data.flat[0] for _, parameter in model.parameters()))

def say(value):
    print(json.dumps(value))
"""
