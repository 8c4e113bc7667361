"""The launcher of CUDA kernels: what it reads off a source, what it passes on, and what it refuses."""

from types import SimpleNamespace

import numpy as np
import pytest

from minisora.kernels import cuda_launch, cuda_source
from minisora.kernels.cuda_attention import ready

pytestmark = pytest.mark.fake_device


class Recorder:
    """In the place of CuPy's RawModule: what it was given."""

    def __init__(self, code, options):
        self.code, self.options, self.asked, self.launches = code, options, [], []

    def get_function(self, name):
        self.asked.append(name)
        return Kernel(self.launches, name)


class Kernel:
    """A kernel that computes nothing."""

    max_dynamic_shared_size_bytes = None

    def __init__(self, launches, name):
        self.launches, self.name = launches, name

    def __call__(self, grid, block, arguments, *, shared_mem):
        self.launches.append((self.name, grid, block, arguments, shared_mem, self.max_dynamic_shared_size_bytes))


@pytest.fixture
def gpu(device):
    """The stand-in for CuPy with kernels that only record."""
    device.RawModule = Recorder
    cuda_launch.program.cache_clear()
    yield device
    cuda_launch.program.cache_clear()


@pytest.fixture
def delta(gpu):
    """A program and arguments that fit its kernel."""
    macros = {"DOUT": "float", "DOUT_TO_FLOAT": "float", "OUT": "float", "OUT_TO_FLOAT": "float"}
    arrays = [gpu.asarray(np.ones(shape, np.float32)) for shape in ((6, 5), (6, 5), (6,))]
    return cuda_launch.program("delta", 0, **macros), [*arrays, 6, 5, 5]


def test_a_source_is_pasted_from_its_pieces():
    code = cuda_source.source("delta")
    assert code == "\n".join(f'#line 1 "{name}"\n{cuda_source.piece(name)}' for name in ("ptx.cuh", "delta.cu"))
    assert "#include" not in code


@pytest.mark.parametrize("program", cuda_source.PROGRAMS)
def test_every_kernel_is_found_with_its_parameters(program):
    code, found = cuda_source.source(program), cuda_source.signatures(program)
    assert len(found) == code.count("__global__") > 0
    for parameters in found.values():
        assert len({parameter.name for parameter in parameters}) == len(parameters)


def test_a_signature():
    parameters = cuda_source.signatures("delta")["attention_delta"]
    assert parameters[0] == ("DOUT", True, "dout")
    assert parameters[3] == ("long long", False, "rows")
    assert cuda_source.signatures("naive")["attention_forward"][-2:] == (
        ("unsigned", False, "threshold"),
        ("real", False, "factor"),
    )


def test_a_program_is_compiled_once_for_its_macros_and_device(delta):
    program, _ = delta
    macros = program.macros
    assert cuda_launch.program("delta", 0, **macros) is program
    assert cuda_launch.program("delta", 1, **macros) is not program
    assert cuda_launch.program("delta", 0, **macros | {"OUT": "unsigned short"}) is not program
    assert program.module.code == cuda_source.source("delta")
    assert program.module.options == ("-std=c++17", *(f"-D{name}={value}" for name, value in macros.items()))


def test_scalars_get_the_types_of_the_signature(delta):
    program, arguments = delta
    program.launch("attention_delta", 2, 128, *arguments)
    program.launch("attention_delta", 2, 128, *arguments[:3], np.int16(6), 5, 5)
    assert program.module.asked == ["attention_delta"]
    for name, grid, block, passed, shared, allowed in program.module.launches:
        assert (name, grid, block, shared, allowed) == ("attention_delta", (2,), (128,), 0, None)
        assert [type(value) for value in passed[3:]] == [np.int64, np.int32, np.int32]
        assert [value.host is array.host for value, array in zip(passed[:3], arguments, strict=False)] == [True] * 3


def test_a_float_is_no_double(gpu):
    program = cuda_launch.program("naive", 0, real="float", MASKED=0, DROPS=0)
    parameters = cuda_source.signatures("naive")["attention_forward"]
    dtypes = {"real": np.float32, "bool": bool, "int": np.int32}
    arguments = [gpu.asarray(np.ones(3, dtypes[p.type])) if p.pointer else 1 for p in parameters]
    program.launch("attention_forward", 1, 128, *arguments)
    passed = program.module.launches[0][3]
    kinds = {p.name: type(value) for p, value in zip(parameters, passed, strict=True) if not p.pointer}
    assert kinds["scale"] is kinds["factor"] is np.float32
    assert (kinds["rows"], kinds["base"], kinds["threshold"]) == (np.int64, np.uint64, np.uint32)


@pytest.mark.parametrize(("format", "element"), [("Fp16", "uint16"), ("Bf16", "uint16"), ("Tf32x3", "float32")])
def test_an_element_is_that_of_the_format(gpu, format, element):
    program = cuda_launch.program("pack", 0, FORMAT=format)
    source, packed = gpu.asarray(np.ones(16, np.float32)), gpu.asarray(np.ones(16, element))
    program.launch("attention_pack", 1, 256, source, packed, 1, 16, 16)
    other = gpu.asarray(np.ones(16, np.float64))
    with pytest.raises(ValueError, match=f"attention_pack's to is expected as {element}.*, got float64"):
        program.launch("attention_pack", 1, 256, source, other, 1, 16, 16)


@pytest.mark.parametrize(("shared", "allowed"), [(0, None), (48 << 10, None), ((48 << 10) + 1, (48 << 10) + 1)])
def test_much_shared_memory_is_asked_for(delta, shared, allowed):
    program, arguments = delta
    program.launch("attention_delta", 1, 128, *arguments, shared=shared)
    assert program.module.launches[0][4:] == (shared, allowed)


def test_what_does_not_fit_is_refused(gpu, delta):
    program, arguments = delta

    def refused(message, *changed, blocks=1):
        with pytest.raises(ValueError, match=message):
            program.launch("attention_delta", blocks, 128, *changed)

    dout, out, total, *scalars = arguments
    refused("attention_delta takes 6 arguments, got 5", *arguments[:-1])
    for blocks in (0, 2**31):
        refused(rf"expected on 1 to 2\*\*31 - 1 blocks, got {blocks}", *arguments, blocks=blocks)
    refused("attention_delta's dout is expected as an array on the GPU, got ndarray", dout.host, out, total, *scalars)
    refused("'s out is expected as float32, got float64", dout, out.astype(np.float64), total, *scalars)
    refused(r"'s dout is expected to be contiguous, got strides \(4, 20\)", dout.T, out, total, *scalars)
    refused("'s rows is expected as a number, got str", dout, out, total, "6", 5, 5)
    refused(f"'s d_v is expected as int32, got {2**31}", dout, out, total, 6, 2**31, 5)
    assert not program.module.launches
    program.launch("attention_delta", 2**31 - 1, 128, *arguments)
    elsewhere = cuda_launch.program("delta", 3, **program.macros)
    with pytest.raises(ValueError, match="'s dout is expected on GPU 3, got one on GPU 0"):
        elsewhere.launch("attention_delta", 1, 128, *arguments)


def test_more_shared_memory_than_there_is_is_refused(delta):
    program, arguments = delta
    program.launch("attention_delta", 1, 128, *arguments, shared=227 << 10)
    with pytest.raises(ValueError, match=r"232449 bytes of shared memory for .*'DOUT': 'float'.*, GPU 0 has 232448"):
        program.launch("attention_delta", 1, 128, *arguments, shared=(227 << 10) + 1)


def test_each_gpu_has_its_own_shared_memory(gpu, delta, monkeypatch):
    """Of two, the other one has less; no third is asked about."""
    monkeypatch.setattr(cuda_launch, "shared_memory", {0: 227 << 10, 1: 99 << 10}.__getitem__)
    program, arguments = delta
    program.launch("attention_delta", 1, 128, *arguments, shared=227 << 10)
    program.device = 1
    with pytest.raises(ValueError, match=r"needs 101377 bytes of shared memory for .*, GPU 1 has 101376: cuda-naive"):
        program.launch("attention_delta", 1, 128, *arguments, shared=(99 << 10) + 1)


def test_each_gpu_has_its_own_architecture(gpu, monkeypatch):
    kinds = {0: "80", 1: "75"}
    monkeypatch.setattr(gpu.cuda, "Device", lambda number: SimpleNamespace(compute_capability=kinds[number]))
    assert cuda_launch.program("pack", 0, FORMAT="Fp16").device == 0
    with pytest.raises(ValueError, match="GPU 1 is sm_75"):
        cuda_launch.program("pack", 1, FORMAT="Fp16")


def test_an_old_gpu_is_refused(gpu, monkeypatch):
    monkeypatch.setattr(gpu.cuda.Device, "compute_capability", "75")
    with pytest.raises(ValueError, match="pack expects a GPU from sm_80 on, GPU 0 is sm_75"):
        cuda_launch.program("pack", 0, FORMAT="Fp16")


@pytest.mark.parametrize("other", ["89", "100"])
def test_another_gpu_than_hopper_is_refused_where_its_instructions_are_needed(gpu, monkeypatch, other):
    monkeypatch.setattr(gpu.cuda.Device, "compute_capability", other)
    cuda_launch.program("hopper_pack", 0, FORMAT="Fp16")
    with pytest.raises(ValueError, match=f"hopper_forward expects a Hopper GPU, sm_90, GPU 0 is sm_{other}"):
        cuda_launch.program("hopper_forward", 0, FORMAT="Fp16")


@pytest.mark.parametrize(("version", "refused"), [((12, 8), True), ((12, 9), False), ((13, 0), False)])
def test_an_old_compiler_is_refused(gpu, monkeypatch, version, refused):
    monkeypatch.setattr(gpu.cuda.nvrtc, "getVersion", lambda: version)
    cuda_launch.program("hopper_pack", 0, FORMAT="Fp16")
    if refused:
        with pytest.raises(
            ValueError, match=r"hopper_forward expects NVRTC, CUDA's compiler, from 12\.9 on, got 12\.8"
        ):
            cuda_launch.program("hopper_forward", 0, FORMAT="Fp16")
    else:
        cuda_launch.program("hopper_forward", 0, FORMAT="Fp16")


def test_hopper_is_compiled_for_with_all_it_has(gpu):
    assert cuda_launch.program("hopper_backward", 0, D_K=3).module.options == ("-std=c++17", "-DD_K=3", "-arch=sm_90a")
    assert cuda_launch.program("hopper_pack", 0, D_K=3).module.options == ("-std=c++17", "-DD_K=3")


def test_shared_memory_is_the_devices(gpu):
    cuda_launch.shared_memory.cache_clear()
    assert cuda_launch.shared_memory(0) == 227 << 10
    gpu.cuda.Device = lambda number: SimpleNamespace(attributes={"MaxSharedMemoryPerBlockOptin": 1000 + number})
    assert (cuda_launch.shared_memory(0), cuda_launch.shared_memory(5)) == (227 << 10, 1005)
    cuda_launch.shared_memory.cache_clear()


def test_an_array_is_ready_where_it_is_contiguous_and_starts_at_sixteen_bytes(gpu):
    room = np.zeros(64, np.float32)
    start = -room.ctypes.data % 16 // 4
    whole = gpu.asarray(room)
    whole.host = room[start : start + 32]
    assert ready(whole).host is whole.host
    late = whole[1:17].reshape(4, 4)
    assert late.data.ptr % 16 == 4
    assert ready(late).data.ptr % 16 == 0
    turned = whole[:16].reshape(4, 4).T
    assert ready(turned).flags.c_contiguous
    np.testing.assert_array_equal(ready(turned).host, turned.host)
