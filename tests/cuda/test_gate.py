"""Every CUDA kernel through NVRTC, which needs no GPU: it compiles, and stays within its budget of registers.

At widths 64 and 128 nothing may be spilled to memory, and nothing may need a stack: an array that is indexed by what
the compiler does not know would be in slow memory. The budget of registers is what lets one block of 256 threads, or
two of 128, run on a multiprocessor.
"""

import re
import subprocess
from importlib import metadata

import pytest

from minisora.kernels import cuda_hopper, cuda_tensor, cuda_tiled
from minisora.kernels.cuda_attention import filled
from minisora.kernels.cuda_source import signatures, source

core = pytest.importorskip(
    "cuda.core", reason="needs cuda-core[cu13] and nvidia-cuda-nvrtc: pip install 'minisora[gate]'"
)
pytestmark = pytest.mark.cuda_gate

PLAIN, MASKED, ALL = ({"MASKED": masked, "DROPS": drops} for masked, drops in ((0, 0), (1, 0), (1, 1)))
ENTRY = re.compile(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", re.DOTALL)
FORMATS = [rung for rung in cuda_tensor.RUNGS if rung.NAME != "cuda"]  # which is one of the others
BUDGET = min(255, 65536 // 256)  # registers of a thread
REGISTERS, STACK = (
    re.compile(r"Used (\d+) registers"),
    re.compile(r"(\d+) bytes (stack frame|spill stores|spill loads)"),
)


def compile_program(program, architecture, macros):
    """Return of each kernel the registers, and the bytes of stack and spills together."""
    _, log = machine_code(source(program), architecture, macros)
    assert "serialized" not in log  # products of warpgroups that wait for each other
    return {
        name: (int(REGISTERS.search(text)[1]), sum(int(size) for size, _ in STACK.findall(text)))
        for name, text in ENTRY.findall(log)
    }


def machine_code(code, architecture, macros):
    """Return the cubin, and what the compiler says of it."""
    log = Log()
    definitions = [(name, str(value)) for name, value in macros.items()]
    options = core.ProgramOptions(
        arch=architecture,
        std="c++17",
        define_macro=definitions,
        ptxas_options=["-v"],
        ftz=True,  # as CuPy compiles
    )
    return core.Program(code, "c++", options).compile("cubin", logs=log).code, log.text


class Log:
    """What the compiler writes to."""

    text = ""

    def write(self, text):
        self.text += text


def tiled(width, half):
    """The macros of cuda-tiled for long sequences on a device with room for the largest tile."""
    candidates = cuda_tiled._BACKWARD if half == "backward" else cuda_tiled._FORWARD
    sums = 2 * width if half == "backward" else width
    rows, columns = next(pair for pair in candidates if pair[0] * filled(sums) // 16 <= cuda_tiled._SUMS)
    return {"D_K": width, "D_V": width, "ROWS": rows, "COLUMNS": columns}


def tensor(rung, width, half, flags):
    """The macros of each launch of a rung on tensor cores, likewise."""
    table = rung.tables[half == "backward"]
    choice = table[next(widest for widest in table if width <= widest)]
    tile = choice.plain if flags == PLAIN else choice.busy
    common = {"FORMAT": rung.format, "D_K": width, "D_V": width, "OUTPUT": "float", **tile._asdict(), **flags}
    return [common | part for part in (rung.parts(width, width) if half == "backward" else ({},))]


def hopper(rung, width, half, flags):
    """The macros of a rung with warpgroups, likewise."""
    tile = cuda_hopper._BACKWARD if half == "backward" else cuda_hopper._FORWARD
    return {"FORMAT": rung.format, "D_K": width, "D_V": width, "OUTPUT": "float", **tile._asdict(), **flags}


def budgeted():
    """Programs and macros that a large attention takes, and architectures."""
    for width in (64, 128):
        for half in ("forward", "backward"):
            for flags, architecture in ((PLAIN, "sm_80"), (PLAIN, "sm_90"), (MASKED, "sm_90"), (ALL, "sm_90")):
                yield f"tiled_{half}", tiled(width, half) | flags, architecture
                for rung in FORMATS:
                    for macros in tensor(rung, width, half, flags):
                        yield f"tensor_{half}", macros, architecture
            for flags in (PLAIN, MASKED, ALL):
                for rung in cuda_hopper.RUNGS:
                    yield f"hopper_{half}", hopper(rung, width, half, flags), "sm_90a"


def others():
    for real in ("float", "double"):
        for flags in (PLAIN, ALL):
            yield "naive", {"real": real} | flags
    for kind, to_float in (("float", "float"), ("unsigned short", "f16_to_float"), ("unsigned short", "bf16_to_float")):
        yield "delta", {"DOUT": kind, "DOUT_TO_FLOAT": to_float, "OUT": "float", "OUT_TO_FLOAT": "float"}
    for form, to_float in (("Fp16", "f16_to_float"), ("Bf16", "bf16_to_float")):
        yield "pack", {"FORMAT": form}
        for kind, given in (("float", "float"), ("unsigned short", "f16_to_float")):
            kinds = {"INPUT": kind, "INPUT_TO_FLOAT": given, "ELEMENT_TO_FLOAT": to_float}
            yield "hopper_pack", {"FORMAT": form} | kinds
    for width in (24, 256):
        for half in ("forward", "backward"):
            yield f"tiled_{half}", tiled(width, half) | ALL
            for rung in FORMATS:
                for macros in tensor(rung, width, half, ALL):
                    yield f"tensor_{half}", macros
    for macros in tensor(cuda_tensor.RUNGS[2], 64, "forward", PLAIN):
        yield "tensor_forward", macros | {"OUTPUT": "unsigned short"}


def identity(case):
    return "-".join(map(str, case.values())).replace(" ", "-") if isinstance(case, dict) else None


@pytest.mark.parametrize(("program", "macros", "architecture"), list(budgeted()), ids=identity)
def test_nothing_is_spilled(program, macros, architecture):
    found = compile_program(program, architecture, macros)
    assert found.keys() == signatures(program).keys()
    for name, (registers, memory) in found.items():
        assert registers <= BUDGET, name
        assert memory == 0, name


@pytest.mark.parametrize(("program", "macros"), list(others()), ids=identity)
def test_it_compiles(program, macros):
    """What it costs is seen with ``pytest -s``."""
    found = compile_program(program, "sm_90", macros)
    assert found.keys() == signatures(program).keys()
    print(program, macros, found)


def test_hopper_is_asked_for_beside_what_cupy_asks_for():
    """CuPy names the architecture of the GPU last; of two, NVRTC takes the one that has more."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    code = source("hopper_forward").encode()
    macros = hopper(cuda_hopper.RUNGS[0], 64, "forward", PLAIN)
    defined = [f"-D{name}={value}".encode() for name, value in macros.items()]
    for architectures, expected in (([b"-arch=sm_90"], False), ([b"-arch=sm_90a", b"-arch=sm_90"], True)):
        options = [b"-std=c++17", *defined, *architectures]
        _, program = nvrtc.nvrtcCreateProgram(code, b"hopper.cu", 0, [], [])
        (result,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        assert (result == nvrtc.nvrtcResult.NVRTC_SUCCESS) == expected
        nvrtc.nvrtcDestroyProgram(program)


def test_a_kernel_that_spills_is_seen():
    """The gate would not be one if it could not close: too much for the registers of a thread."""
    macros = tensor(FORMATS[1], 128, "forward", ALL)[0] | {"GROUPS": 2, "OTHER": 64}
    assert any(memory for _, memory in compile_program("tensor_forward", "sm_90", macros).values())


def test_products_that_wait_for_each_other_are_seen():
    """With no registers from the warps that bring tiles, wide sums leave too few for what is under way."""
    code = source("hopper_forward").replace("registers_leave<FEW>();", "").replace("registers_take<MANY>();", "")
    _, log = machine_code(code, "sm_90a", hopper(cuda_hopper.RUNGS[0], 128, "forward", PLAIN))
    assert "serialized" in log


@pytest.fixture
def disassemble(tmp_path):
    """A function that returns the instructions of each kernel of a cubin."""
    try:
        files = metadata.files("nvidia-cuda-nvdisasm")
    except metadata.PackageNotFoundError:
        pytest.skip("needs nvidia-cuda-nvdisasm: pip install 'minisora[gate]'")
    nvdisasm = next(file.locate() for file in files if file.name == "nvdisasm")

    def instructions(cubin):
        path = tmp_path / "kernel.cubin"
        path.write_bytes(cubin)
        text = subprocess.run([nvdisasm, "-c", path], capture_output=True, text=True, check=True).stdout
        return dict(part.split(",", 1) for part in re.split(r"\.section\s+\.text\.", text)[1:])

    return instructions


def powers_beside_a_product(instructions):
    """How many stand between a wait that leaves a product under way, and the next wait."""
    steps = re.findall(r"MUFU\.EX2|DEPBAR\S* gsb0, 0x\d", instructions)
    after = steps[next(i for i, step in enumerate(steps) if step.endswith("gsb0, 0x1")) + 1 :]
    return next(i for i, step in enumerate(after) if step != "MUFU.EX2")


@pytest.mark.parametrize("flags", [PLAIN, ALL], ids=identity)
@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize(("half", "kernel"), [("forward", "attention_forward"), ("backward", "attention_backward_q")])
def test_the_softmax_is_computed_beside_a_product(disassemble, half, kernel, width, flags):
    """All of a thread's weights; without `product_after`, the compiler would wait for the product first."""
    macros, code = hopper(cuda_hopper.RUNGS[0], width, half, flags), source(f"hopper_{half}")
    without = re.sub(r"product_after\((softmax|dscores).*\);", "", code)
    found, hasty = (
        powers_beside_a_product(disassemble(machine_code(text, "sm_90a", macros)[0])[kernel])
        for text in (code, without)
    )
    assert hasty < macros["OTHER"] // 2 <= found


def test_a_mistake_has_the_name_of_its_file():
    with pytest.raises(Exception, match=r"naive\.cu"):
        compile_program("naive", "sm_90", {"real": "flaot"} | PLAIN)
