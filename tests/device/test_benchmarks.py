"""The benchmarks of a GPU, tiny: on the stand-in for CuPy, and on a GPU if there is one."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from minisora.benchmarks import attention_gpu, generation, gpu, train_step
from minisora.cli import cli
from minisora.kernels import cuda_launch


def run(*arguments):
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)])


@pytest.mark.parametrize("command", [["attention-gpu"], ["train-step", "--device", "cuda"]])
def test_without_a_gpu_no_number_is_printed(monkeypatch, command):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(is_available=lambda: False))
    result = run(*command, "--alone")
    assert result.exit_code == 2 and result.stdout == ""
    assert "this benchmark needs an NVIDIA GPU, and CuPy finds none" in result.stderr
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = run(*command, "--alone")
    assert result.exit_code == 2 and result.stdout == ""
    assert "pip install 'minisora[cuda12]' or 'minisora[cuda13]'" in result.stderr


@pytest.mark.fake_device
def test_without_a_torch_for_gpus_no_number_is_printed(device, monkeypatch):
    monkeypatch.setattr(attention_gpu, "find_spec", lambda name: None)
    result = run("attention-gpu")
    assert result.exit_code == 2 and result.stdout == ""
    assert "torch is not installed, or finds no GPU" in result.stderr


@pytest.mark.fake_device
def test_torch_aligns_causal_attention_in_another_way(device):
    result = run("attention-gpu", "--alone", "--shape", "1,2,5,7,3")
    assert result.exit_code == 2
    assert "T = S is expected, got '1,2,5,7,3'" in result.stderr


RUNGS = ["cuda-naive", "cuda-tiled", "cuda-3xtf32", "cuda-fp16", "cuda-hopper-fp16", "cuda-bf16", "cuda-hopper-bf16"]


@pytest.mark.cuda_cpu
def test_every_rung_is_checked_and_timed(emulated, tmp_path):
    result = run("attention-gpu", "--alone", "--smoke", "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert record["gpu"]["name"] == "stand-in for a GPU" and record["gpu"]["architecture"] == "sm_90"
    assert set(record["ceilings"]["product_tflops"]) == {"float32", "float16"}
    cases = [(row["case"], row["backend"]) for row in record["rows"]]
    shape = "1x2x70x16"
    assert sorted(cases) == sorted(
        (f"{shape} {kind} {half}", rung)
        for kind in ("full", "causal")
        for half in ("forward", "backward")
        for rung in RUNGS
    )
    for row in record["rows"]:
        assert row["ours"] > 0 and 0 < row["error"][row["backend"]] < attention_gpu.ALLOWED[row["dtype"]]


@pytest.mark.cuda_cpu
def test_a_rung_that_is_wrong_is_not_timed(emulated):
    emulated.how.change = lambda code: code.replace("scale * LOG2_E, sight", "scale, sight")
    cuda_launch.program.cache_clear()
    result = run("attention-gpu", "--alone", "--smoke", "--backend", "cuda-3xtf32")
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 3  # no row
    assert result.stderr.count("cuda-3xtf32 by ") == 4 and "wrong, and not timed" in result.stderr


@pytest.mark.fake_device
def test_the_rungs_of_hopper_are_left_out_elsewhere(device, monkeypatch):
    properties = device.cuda.runtime.getDeviceProperties(0) | {"name": b"another", "major": 8, "minor": 0}
    monkeypatch.setattr(device.cuda.runtime, "getDeviceProperties", lambda number: properties)
    result = run("attention-gpu", "--alone", "--backend", "cuda-hopper-bf16")
    assert result.exit_code == 2 and result.stdout == ""
    assert "cuda-hopper-bf16: cuda-hopper-* expects a Hopper GPU, got another" in result.stderr
    case = attention_gpu.Case(attention_gpu.Shape(1, 2, 5, 5, 64), False, "float16")
    assert attention_gpu.is_for("cuda-fp16", case) and not attention_gpu.is_for("cuda-hopper-fp16", case)


@pytest.mark.fake_device
@pytest.mark.parametrize(("width", "timed"), [(128, True), (129, False)])
def test_the_rungs_of_hopper_are_left_out_where_heads_are_wide(device, width, timed):
    case = attention_gpu.Case(attention_gpu.Shape(1, 2, 5, 5, width), False, "float16")
    assert attention_gpu.is_for("cuda-hopper-fp16", case) == timed


@pytest.mark.gpu
def test_on_a_gpu_under_the_sanitizer_and_without(tmp_path):
    cupy = pytest.importorskip("cupy", reason="needs CuPy: pip install 'minisora[cuda13]'", exc_type=ImportError)
    if not cupy.is_available():
        pytest.skip("needs an NVIDIA GPU")
    command = [sys.executable, "-m", "minisora", "bench", "attention-gpu", "--alone", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if shutil.which("compute-sanitizer") is None:
        pytest.skip("needs compute-sanitizer, which comes with the CUDA toolkit")
    for tool in ("memcheck", "racecheck", "synccheck"):
        checked = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *command]
        done = subprocess.run(checked, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def row(case, backend, ours, others):
    """A row as `attention_gpu.row` makes it, of 6e9 operations."""
    timings = {backend: ours, **others}
    times = {name: gpu.Timing(seconds, seconds / 2, seconds * 2) for name, seconds in timings.items()}
    return attention_gpu.row(case, "backward", backend, times, dict.fromkeys(times, 1e-3), {"float16": 4.0})


def test_the_ratio_is_the_opponents_time_by_ours():
    case = attention_gpu.Case(attention_gpu.Shape(1, 2, 500, 500, 600), True, "float16")
    one = row(case, "cuda-fp16", 0.75e-3, {"flash": 1.5e-3, "cudnn": 0.375e-3})
    assert one["ratio"] == {"flash": 2.0, "cudnn": 0.5}
    assert one["tflops"] == pytest.approx({"cuda-fp16": 2.0, "flash": 1.0, "cudnn": 4.0})  # 5 x 2 x 2 x 500^2 x 600 / 2
    assert one["share_of_product"] == pytest.approx(0.5)
    settings = {
        "gpu": {"name": "a GPU"}, "rounds": 9, "ceilings": {"copy_gb_s": 4000.0, "product_tflops": {"float16": 4.0}},
    }  # fmt: skip
    lines = attention_gpu.table([one], settings).splitlines()
    assert lines[0] == "a GPU, median of 9 turns; copy 4000 GB/s; products in TFLOP/s: float16 4"
    assert lines[2].split() == (
        "case backend ms TFLOP/s of product error flash / ours efficient / ours cudnn / ours".split()
    )
    assert lines[3].split() == "1x2x500x600 causal backward cuda-fp16 0.750 2.0 50 % 1.0e-03 2.00 - 0.50".split()


def test_turns(monkeypatch):
    """Two sides by turns, each as often as fills the time; the clock is a list."""
    calls, now = [], [0.0]

    def side(name, milliseconds):
        def runs(repeat):
            calls.append((name, repeat))
            now[0] += milliseconds * repeat

        return runs

    class Event:
        def record(self):
            self.moment = now[0]

        def synchronize(self):
            pass

    cuda = SimpleNamespace(Event=Event, get_elapsed_time=lambda begin, end: end.moment - begin.moment)
    cupy = SimpleNamespace(cuda=cuda, is_available=lambda: True)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    times = gpu.take_turns({"a": side("a", 2.0), "b": side("b", 40.0)}, rounds=2, at_least=0.1)
    assert calls == [("a", 1), ("a", 1), ("b", 1), ("b", 1), *[("a", 50), ("b", 3)] * 2]
    assert times["a"] == pytest.approx((0.002, 0.002, 0.002))
    assert times["b"] == pytest.approx((0.040, 0.040, 0.040))


@pytest.mark.fake_device
def test_a_step_on_the_device_trains(device):
    device.get_default_memory_pool = lambda: SimpleNamespace(total_bytes=lambda: 3 << 20)
    step = train_step.ours(train_step.SMOKE, 0.0, 1, "cuda", "auto")
    host = train_step.ours(train_step.SMOKE, 0.0, 1, "cpu", "numpy")
    for _ in range(3):
        result = step()
        assert result["loss"] == pytest.approx(host()["loss"], rel=1e-5)
        assert result["memory_mib"] == 3


@pytest.mark.fake_device
def test_generation_on_the_device_is_that_of_the_host(device):
    ids = [generation.ours(generation.SMOKE, 3, 1, where, 1)() for where in ("cuda", "cpu")]
    assert ids[0] == ids[1]
    assert np.array(ids[0]).shape == (3, generation.SMOKE["tokens"])
