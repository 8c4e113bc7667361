"""Every CUDA kernel through NVRTC, which needs no GPU: it compiles, and stays within its budget of registers.

At widths 64 and 128 nothing may be spilled to memory, and nothing may need a stack: an array that is indexed by what
the compiler does not know would be in slow memory. The budget of registers is what lets one block of 256 threads, or
two of 128, run on a multiprocessor.
"""

import re

import pytest

from minisora.kernels import cuda_tensor, cuda_tiled
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
    log = Log()
    definitions = [(name, str(value)) for name, value in macros.items()]
    options = core.ProgramOptions(
        arch=architecture,
        std="c++17",
        define_macro=definitions,
        ptxas_options=["-v"],
        ftz=True,  # as CuPy compiles
    )
    core.Program(source(program), "c++", options).compile("cubin", logs=log)
    return {
        name: (int(REGISTERS.search(text)[1]), sum(int(size) for size, _ in STACK.findall(text)))
        for name, text in ENTRY.findall(log.text)
    }


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


def budgeted():
    """Programs and macros that a large attention takes, and architectures."""
    for width in (64, 128):
        for half in ("forward", "backward"):
            for flags, architecture in ((PLAIN, "sm_80"), (PLAIN, "sm_90"), (MASKED, "sm_90"), (ALL, "sm_90")):
                yield f"tiled_{half}", tiled(width, half) | flags, architecture
                for rung in FORMATS:
                    for macros in tensor(rung, width, half, flags):
                        yield f"tensor_{half}", macros, architecture


def others():
    for real in ("float", "double"):
        for flags in (PLAIN, ALL):
            yield "naive", {"real": real} | flags
    for kind, to_float in (("float", "float"), ("unsigned short", "f16_to_float"), ("unsigned short", "bf16_to_float")):
        yield "delta", {"DOUT": kind, "DOUT_TO_FLOAT": to_float, "OUT": "float", "OUT_TO_FLOAT": "float"}
    for form in ("Fp16", "Bf16"):
        yield "pack", {"FORMAT": form}
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


def test_a_kernel_that_spills_is_seen():
    """The gate would not be one if it could not close: too much for the registers of a thread."""
    macros = tensor(FORMATS[1], 128, "forward", ALL)[0] | {"GROUPS": 2, "OTHER": 64}
    assert any(memory for _, memory in compile_program("tensor_forward", "sm_90", macros).values())


def test_a_mistake_has_the_name_of_its_file():
    with pytest.raises(Exception, match=r"naive\.cu"):
        compile_program("naive", "sm_90", {"real": "flaot"} | PLAIN)
