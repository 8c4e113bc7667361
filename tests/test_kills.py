"""Processes that are killed while they save, at moments that nobody chose: the last good checkpoint can be read."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minisora.checkpoint import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL"),
]

COMMON = """
import sys
from pathlib import Path
import numpy as np
from minisora import SoraConfig, SoraModel, SoraTokenizer, Trainer, TrainingConfig

folder = Path(sys.argv[1])
tokenizer = SoraTokenizer.learn(["今天天气怎么样？"])
sizes = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
config = SoraConfig(d_model=64, num_encoder_layers=1, num_decoder_layers=1, max_len=20, **sizes)
"""
SAVING = """
models = [SoraModel(config, np.random.default_rng(seed)) for seed in range(5)]
for number in range(100_000):
    for _, parameter in models[number % 5].parameters():
        parameter.data.fill(number)
    models[number % 5].save_pretrained(folder, tokenizer)
"""
TRAINING = """
pairs = [("今天", "天今"), ("怎么样", "样么怎")]
training = TrainingConfig(steps=100_000, save_every=1, eval_every=2, log_every=1)
model = SoraModel(config, np.random.default_rng(0))
trainer = Trainer(model, pairs, tokenizer, config=training, dev=pairs[:1], folder=folder)
trainer.fit(resume=(folder / "latest").exists(), progress_bar=False)
"""


def run_and_kill(code, folder, sign, delay):
    """Start a process that saves, and kill it some time after it has changed the file ``sign``."""
    before = stamp(sign)
    process = subprocess.Popen([sys.executable, "-c", COMMON + code, folder], stderr=subprocess.PIPE)
    try:
        while stamp(sign) == before:
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.002)
        time.sleep(delay)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert process.returncode == -signal.SIGKILL


def stamp(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def test_twenty_kills_of_a_saving_loop(tmp_path):
    """Every parameter of a model is the number of its save: one number in all of them, or the save was not whole."""
    dice, folder = random.Random(5), tmp_path / "model"
    for _ in range(20):
        run_and_kill(SAVING, folder, folder / "model.safetensors", dice.uniform(0, 0.1))
        numbers = {float(number) for _, p in load(folder).model.parameters() for number in np.unique(p.data)}
        assert len(numbers) == 1


def test_twenty_kills_of_a_training(tmp_path):
    """Each goes on where the last one was killed; what it then reads is never further back than what was there."""
    dice, steps = random.Random(6), []
    for _ in range(20):
        run_and_kill(TRAINING, tmp_path, tmp_path / "latest", dice.uniform(0, 0.3))
        load(tmp_path)
        name = (tmp_path / "latest").read_text().strip()
        load(tmp_path / name)
        steps.append(int(name.removeprefix("step-")))
    assert steps == sorted(steps) and steps[-1] >= 20
