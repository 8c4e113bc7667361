"""The emulator: every device wrapper against NumPy, and mistakes planted in small kernels, which it must all catch."""

import re
from pathlib import Path

import emulator
import numpy as np
import pytest
from emulator import EmulatedModule, EmulationError, available

pytestmark = [pytest.mark.cuda_cpu, pytest.mark.skipif(not available(), reason="needs g++ on Linux")]

KERNELS = Path(__file__).parent / "kernels"
SEEDS = range(4)
f4, i4 = np.float32, np.int32
HALF = f4(0.5)


def module(name, *options, **settings):
    return EmulatedModule((KERNELS / f"{name}.cu").read_text(encoding="utf-8"), options, **settings)


def bits(x):
    return np.asarray(x, f4).view(np.uint32)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers():
    """Numbers of all sizes and both signs: random bits, whole halves around every tie, and what is not finite."""
    rng = np.random.default_rng(0)
    random = rng.integers(0, 2**32, 20000, np.uint32).view(f4)
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(f4)
    ties = (halves[:-1] + halves[1:]) / 2  # exact in float32
    near = rng.normal(0, 300, 5000).astype(f4)
    odd_bits = (bits(near) & ~np.uint32(0x1FFFF)) | rng.choice(np.uint32([0x8000, 0x18000, 0x1000, 0x3000]), near.size)
    special = f4([0, 1, np.inf, np.nan, 65504, 65519, 65520, 1e30, 3.4e38, 2**-14, 2**-24, 2**-25, 2**-149])
    positive = np.concatenate([random, halves, ties, near, odd_bits.view(f4), special])
    return np.concatenate([positive, -positive])


@pytest.fixture(scope="module")
def converted(numbers):
    """What `convert` makes of the numbers: arrays by name."""
    results = {name: np.zeros(numbers.size, np.uint32) for name in ("f16", "bf16", "tf32")}
    results |= {name: np.zeros(numbers.size, f4) for name in ("exp2",)}
    kernel = module("wrappers").get_function("convert")
    kernel((3,), (32,), (numbers, *results.values(), i4(numbers.size)))
    return results


def to_f16(x):
    with np.errstate(over="ignore"):
        return np.where(np.isnan(x), 0x7FFF, x.astype(np.float16).view(np.uint16)).astype(np.uint32)


def to_bf16(x):
    """Nearest, ties to even, found among both neighbours in exact arithmetic."""
    down = bits(x) & 0xFFFF0000
    with np.errstate(over="ignore", invalid="ignore"):
        below = np.abs(down.view(f4).astype(float))
        # Beyond the largest number, the next power of two takes the place of infinity.
        steps = 2.0 ** (np.maximum((down >> 23 & 0xFF).astype(float), 1) - 127 - 7)
        rest = np.abs(x.astype(float)) - below
    up = (rest > steps / 2) | ((rest == steps / 2) & (down >> 16 & 1 == 1))
    return np.where(np.isnan(x), 0x7FFF, (down >> 16) + (up & np.isfinite(x)))


def to_tf32(x):
    """Nearest, ties away from zero: a half added to the magnitude's bits, then cut off."""
    return np.where(np.isnan(x), 0x7FFFFFFF, (bits(x) & 0x80000000) + ((bits(np.abs(x)) + 0x1000) & 0xFFFFE000))


@pytest.mark.parametrize(("name", "reference"), [("f16", to_f16), ("bf16", to_bf16)])
def test_packs(numbers, converted, name, reference):
    np.testing.assert_array_equal(converted[name] & 0xFFFF, reference(numbers))
    np.testing.assert_array_equal(converted[name] >> 16, reference(-numbers))


def test_bf16_by_hand():
    x = f4([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 3.4e38, -np.inf])
    assert [hex(value) for value in to_bf16(x)] == ["0x3f80", "0x3f82", "0x3f81", "0x7f80", "0xff80"]


def test_round_tf32(numbers, converted):
    np.testing.assert_array_equal(converted["tf32"], to_tf32(numbers))
    finite = np.abs(numbers) < 1e38
    rounded = converted["tf32"].view(f4)[finite].astype(float)
    normal = np.abs(numbers[finite]) > 2**-126
    error = np.abs(rounded / np.where(normal, numbers[finite], 1) - 1)[normal]
    assert 0.9 * 2**-11 < error.max() <= 2**-11


def test_fast_powers_flush_subnormal_numbers(numbers, converted):
    with np.errstate(all="ignore"):
        flushed = np.where(np.abs(numbers) < 2**-126, 0 * numbers, numbers).astype(float)
        powers = np.exp2(flushed)
    powers[powers < 2**-126] = 0
    powers[powers > np.finfo(f4).max] = np.inf
    np.testing.assert_allclose(converted["exp2"], powers, rtol=3e-7)


def test_halves_widen_exactly():
    x = np.arange(2**16, dtype=np.uint16)
    f16, bf16 = np.zeros(x.size, f4), np.zeros(x.size, f4)
    module("wrappers").get_function("widen")((1,), (32,), (x, f16, bf16, i4(x.size)))
    np.testing.assert_array_equal(f16, x.view(np.float16).astype(f4))
    np.testing.assert_array_equal(bf16, (x.astype(np.uint32) << 16).view(f4))


# --- matrices, with the layouts as the PTX ISA documents them ---------------------------------------------------------

LANE = np.arange(32)
GROUP, IN_GROUP = LANE // 4, LANE % 4


def register_of_pairs(matrix, row, column, along):
    """(32,) of 32 bits: two neighbours along an axis, the first in the lower half."""
    second = (row + 1, column) if along == 0 else (row, column + 1)
    return matrix[row, column].astype(np.uint32) | matrix[second].astype(np.uint32) << 16


def halves_in_registers(a, b):
    """a (16, 16) and b (16, 8) of 16 bits each: registers (32, 4) and (32, 2) of m16n8k16."""
    places = [(GROUP, 0), (GROUP + 8, 0), (GROUP, 8), (GROUP + 8, 8)]
    of_a = [register_of_pairs(a, row, 2 * IN_GROUP + shift, 1) for row, shift in places]
    of_b = [register_of_pairs(b, 2 * IN_GROUP + shift, GROUP, 0) for shift in (0, 8)]
    return np.stack(of_a, 1), np.stack(of_b, 1)


def words_in_registers(a, b):
    """a (16, 8) and b (8, 8) of 32 bits each: registers (32, 4) and (32, 2) of m16n8k8."""
    places = [(GROUP, 0), (GROUP + 8, 0), (GROUP, 4), (GROUP + 8, 4)]
    of_a = [bits(a)[row, IN_GROUP + shift] for row, shift in places]
    return np.stack(of_a, 1), np.stack([bits(b)[IN_GROUP + shift, GROUP] for shift in (0, 4)], 1)


def sums_in_registers(d):
    """d (16, 8): registers (32, 4)."""
    return np.stack([d[GROUP + 8 * (i // 2), 2 * IN_GROUP + i % 2] for i in range(4)], 1)


def bf16_bits(x):
    return to_bf16(x).astype(np.uint16)


@pytest.mark.parametrize("kind", ["f16", "bf16", "tf32"])
@pytest.mark.parametrize("seed", SEEDS)
def test_products_of_fragments(rng, kind, seed):
    k = 8 if kind == "tf32" else 16
    a, b, d = (rng.normal(size=shape).astype(f4) for shape in ((16, k), (k, 8), (16, 8)))
    if kind == "f16":
        registers = halves_in_registers(a.astype(np.float16).view(np.uint16), b.astype(np.float16).view(np.uint16))
        a, b = (x.astype(np.float16) for x in (a, b))
    elif kind == "bf16":
        registers = halves_in_registers(bf16_bits(a), bf16_bits(b))
        a, b = ((to_bf16(x).astype(np.uint32) << 16).view(f4) for x in (a, b))
    else:
        registers = words_in_registers(a, b)  # not rounded: the low bits are to be passed over
        a, b = ((bits(x) & 0xFFFFE000).view(f4) for x in (a, b))
    sums = np.ascontiguousarray(sums_in_registers(d))
    arguments = (*map(np.ascontiguousarray, registers), sums, i4(["f16", "bf16", "tf32"].index(kind)))
    module("wrappers", seed=seed).get_function("multiply")((1,), (32,), arguments)
    expected = d + a.astype(float) @ b.astype(float)
    np.testing.assert_allclose(sums, sums_in_registers(expected), atol=3e-6)


def products(kind, a, b, d):
    """d + a b as an instruction makes it, for a (16, K), b (K, 8) and d (16, 8) that the format holds exactly."""
    if kind == "tf32":
        registers = words_in_registers(a.astype(f4), b.astype(f4))
    else:
        to_bits = bf16_bits if kind == "bf16" else lambda x: x.astype(np.float16).view(np.uint16)
        registers = halves_in_registers(to_bits(a.astype(f4)), to_bits(b.astype(f4)))
    sums = np.ascontiguousarray(sums_in_registers(d.astype(f4)))
    arguments = (*map(np.ascontiguousarray, registers), sums, i4(["f16", "bf16", "tf32"].index(kind)))
    module("wrappers").get_function("multiply")((1,), (32,), arguments)
    return sums


@pytest.mark.parametrize("kind", ["f16", "bf16", "tf32"])
@pytest.mark.parametrize(
    ("product", "start", "result"),
    [
        (2**-24, 1, 1 + 2**-22),  # a bit below the last place of the start: four of them count, and four more
        (2**-25, 1, 1),  # one below that: all are lost
        (-(2**-26), 1, 1),  # cut off, not rounded
        (2**-23 * 1.5, -1, -1 + 2**-23 * 12),
    ],
)
def test_tensor_cores_cut_off(kind, product, start, result):
    """By hand: eight equal products, and a sum so far."""
    k = 8 if kind == "tf32" else 16
    a, b = np.zeros((16, k)), np.ones((k, 8))
    a[:, :8] = product * 2.0**12
    b *= 2.0**-12
    if product == 2**-24:
        result = 1 + 8 * 2**-24
    sums = products(kind, a, b, np.full((16, 8), start))
    np.testing.assert_array_equal(sums, np.full((32, 4), result, f4))


def test_a_sum_that_does_not_fit_is_cut_off_towards_zero():
    a, b = np.zeros((16, 8)), np.ones((8, 8))
    a[:, 0], a[:, 1] = 1 + 2.0**-10, 2.0**-24 * 1.5  # between two floats, nearer to the upper one
    np.testing.assert_array_equal(products("tf32", a, b, np.zeros((16, 8))), np.full((32, 4), 1 + 2.0**-10, f4))
    a[:, :2] *= -1
    np.testing.assert_array_equal(products("tf32", a, b, np.zeros((16, 8))), np.full((32, 4), -1 - 2.0**-10, f4))


def load(shift=0, **settings):
    """Run `load` on random matrices (4, 8, 8); return these and the registers of both ways, (4, 32)."""
    matrices = np.random.default_rng(1).integers(0, 2**16, (4, 8, 8), np.uint16)
    out, transposed = np.zeros((32, 4), np.uint32), np.zeros((32, 4), np.uint32)
    kernel = module("wrappers", **settings).get_function("load")
    kernel((1,), (32,), (matrices, out, transposed, i4(shift)), shared_mem=512)
    return matrices, out.T, transposed.T


@pytest.mark.parametrize("settings", [{"seed": seed} for seed in SEEDS] + [{"sanitizer": "thread"}])
def test_matrices_from_shared_memory(settings):
    matrices, out, transposed = load(**settings)
    for matrix, registers, of_transposed in zip(matrices, out, transposed):
        np.testing.assert_array_equal(registers, register_of_pairs(matrix, GROUP, 2 * IN_GROUP, 1))
        np.testing.assert_array_equal(of_transposed, register_of_pairs(matrix.T, GROUP, 2 * IN_GROUP, 1))


def test_matrix_rows_must_be_aligned_and_in_shared_memory():
    with pytest.raises(EmulationError, match="ldmatrix: an address that is not a multiple of 16 bytes"):
        load(shift=8)
    with pytest.raises(EmulationError, match="ldmatrix: an address outside of the block's shared memory"):
        load(shift=16)


def test_copies_land_at_the_wait_that_covers_them(rng):
    x, out = rng.normal(size=32).astype(f4), np.zeros((3, 32), f4)
    module("wrappers").get_function("copy")((1,), (32,), (x, out, i4(20)), shared_mem=256)
    np.testing.assert_array_equal(out[0], np.where(np.arange(32) < 20, x, 0))
    assert np.isnan(out[1]).all()
    np.testing.assert_array_equal(out[2], x)


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threads", [32, 44, 64])
def test_shuffles_and_votes(rng, seed, threads):
    x, out, votes = rng.normal(size=threads).astype(f4), np.zeros((5, threads), f4), np.zeros(3, i4)
    module("warps", seed=seed).get_function("shuffles")((1,), (threads,), (x, out, votes))
    thread = np.arange(threads)
    lane, first = thread % 32, thread // 32 * 32
    sources = [lane * 0 + 7, lane ^ 5, np.where(lane + 3 < 32, lane + 3, lane), lane ^ 2, lane // 8 * 8 + 1]
    lanes = np.append(x, np.full(64, np.nan, f4))  # those that do not exist
    np.testing.assert_array_equal(out, [lanes[first + source] for source in sources])
    assert votes.tolist() == [1, 0, 1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threads", [1, 37, 256, 1024])
def test_barriers(rng, seed, threads):
    x, out = rng.integers(0, 100, threads).astype(i4), np.zeros(threads, i4)
    kernel = module("warps", seed=seed).get_function("prefix_sums")
    kernel((1,), (threads,), (x, out), shared_mem=4 * threads)
    np.testing.assert_array_equal(out, np.cumsum(x))


def test_blocks_and_threads_of_three_axes():
    out = np.zeros((2 * 3 * 2) * (4 * 5 * 3), np.int64)
    module("warps").get_function("indices")((2, 3, 2), (4, 5, 3), (out,))
    np.testing.assert_array_equal(out, np.arange(out.size))


# --- a kernel with everything, and the mistakes that it is spared -----------------------------------------------------


def row_sums(*options, columns=204, shared_mem=768, scale=HALF, **settings):
    """Run `row_sums` over three rows; return whether the result is right."""
    x = np.random.default_rng(2).normal(size=(3, columns)).astype(f4)
    out = np.full(3, np.nan, f4)
    kernel = module("row_sums", *options, **settings).get_function("row_sums")
    kernel((3,), (64,), (x, out, i4(columns), scale), shared_mem=shared_mem)
    return np.allclose(out, 0.5 * x.sum(axis=1, dtype=float), atol=1e-5)


@pytest.mark.parametrize("settings", [{"seed": seed} for seed in range(20)])
def test_the_right_kernel_passes(settings):
    for columns in (4, 64, 128, 204):
        assert row_sums(columns=columns, **settings)


@pytest.mark.parametrize("sanitizer", ["thread", "address"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_right_kernel_passes_the_sanitizers(sanitizer, seed):
    assert row_sums(sanitizer=sanitizer, seed=seed)


@pytest.mark.parametrize("mistake", ["NO_BARRIER", "NO_WAIT", "EARLY_COPY", "NO_WARP_BARRIER"])
def test_a_missing_order_gives_wrong_numbers_under_some_seed(mistake):
    assert not all(row_sums(f"-D{mistake}", seed=seed) for seed in range(8))


@pytest.mark.parametrize("mistake", ["NO_BARRIER", "EARLY_COPY", "NO_WARP_BARRIER"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_missing_order_is_a_race_under_any_seed(mistake, seed):
    with pytest.raises(EmulationError, match="data race") as caught:
        row_sums(f"-D{mistake}", seed=seed, sanitizer="thread")
    message = str(caught.value)
    assert re.search(r"Previous (read|write) .*\n( .*\n)*? +#\d+ row_sums.* kernel\.cu:\d+", message)
    assert re.search(r"'thread \(\d+, 0, 0\) of block \(0, 0, 0\)'", message)
    assert "cuda_on_cpu" not in message


def test_blocks_that_write_the_same_place_race():
    with pytest.raises(EmulationError, match=r"data race(.|\n)*of block \(1, 0, 0\)'(.|\n)*of block \(0, 0, 0\)'"):
        row_sums("-DSAME_PLACE", sanitizer="thread")


def test_a_read_beyond_an_array():
    with pytest.raises(EmulationError, match="heap-buffer-overflow"):
        row_sums("-DBEYOND_THE_END", sanitizer="address")


def test_an_unaligned_copy():
    with pytest.raises(EmulationError, match="copy_async: an address that is not a multiple of 16 bytes"):
        row_sums("-DUNALIGNED")


def test_a_divergent_barrier():
    with pytest.raises(
        EmulationError, match=r"deadlock in block \(0, 0, 0\): of its threads 32 have left.*, 32 wait in"
    ):
        row_sums("-DDIVERGENT")


def test_too_little_shared_memory():
    with pytest.raises(EmulationError, match="shared memory was written at byte 700, the launch asked for 700 bytes"):
        row_sums(shared_mem=700)
    with pytest.raises(EmulationError, match="use-after-poison"):
        row_sums(shared_mem=700, sanitizer="address")


MISTAKES = {
    0: "deadlock .* 24 have left the kernel, 40 wait in __syncthreads",
    1: "deadlock .* wait in __syncwarp",
    2: "a lane is in __.* while others of its warp are in __",
    3: "__shfl_sync: the mask leaves out lanes",
    4: r"line 54 uses a misaligned address \(block \(0, 0, 0\), thread \(0, 0, 0\)\)",
    5: "line 55 goes beyond an array, by index 4",
    6: "shared memory was written at byte 0, the launch asked for 0 bytes",
    7: "copy_async: an address outside of the block's shared memory",
}


@pytest.mark.parametrize(("which", "message"), MISTAKES.items())
def test_other_mistakes(which, message):
    kernel = module("warps").get_function("mistakes")
    with pytest.raises(EmulationError, match=message):
        kernel((1,), (64,), (np.zeros(64, f4), i4(which)))
    kernel((1,), (64,), (np.zeros(64, f4), i4(-1)))  # and the next launch is none the worse


def test_what_nobody_has_set_is_no_zero():
    out = np.zeros(1, f4)
    module("warps").get_function("mistakes")((1,), (1,), (out, i4(8)))
    assert abs(out[0]) > 1e38


# --- launches and sources that are refused ----------------------------------------------------------------------------


def test_arguments_are_checked_against_the_kernel():
    with pytest.raises(ValueError, match="argument 3: expected floating of 4 bytes, got floating of 8"):
        row_sums(scale=0.5)
    with pytest.raises(ValueError, match="argument 3: expected floating of 4 bytes, got integer of 4"):
        row_sums(scale=i4(1))
    with pytest.raises(ValueError, match="argument 3: expected an array or a number, got NoneType"):
        row_sums(scale=None)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros(3), "argument 1: expected elements of 4 bytes, got float64"),
        (np.zeros(6, f4)[::2], "argument 1: expected a C-contiguous array"),
        (f4(0), "argument 1: expected pointer of 8 bytes, got floating of 4"),
    ],
)
def test_arrays_are_checked(out, message):
    kernel = module("row_sums").get_function("row_sums")
    with pytest.raises(ValueError, match=message):
        kernel((1,), (64,), (np.zeros(4, f4), out, i4(4), f4(1)), shared_mem=768)


def test_the_number_of_arguments_is_checked():
    with pytest.raises(ValueError, match="row_sums: expected 4 arguments, got 1"):
        module("row_sums").get_function("row_sums")((1,), (64,), (np.zeros(4, f4),))


@pytest.mark.parametrize(
    ("grid", "block", "message"),
    [
        ((0,), (64,), "expected a grid"),
        ((1, 70000), (64,), "expected a grid"),
        ((1,), (65,), "expected a block of 1 to 64 threads"),
        ((1,), (8, 9), "expected a block of 1 to 64 threads"),
        ((1,), (0,), "expected a block of 1 to 64 threads"),
    ],
)
def test_sizes_are_checked(grid, block, message):
    with pytest.raises(ValueError, match=message):
        module("row_sums").get_function("row_sums")(grid, block, (np.zeros(4, f4), np.zeros(3, f4), i4(4), f4(1)))


def test_launches_under_thread_sanitizer_are_small():
    kernel = module("row_sums", sanitizer="thread").get_function("row_sums")
    with pytest.raises(ValueError, match="row_sums: expected at most 4096 threads in all"):
        kernel((65,), (64,), (np.zeros(4, f4), np.zeros(65, f4), i4(4), f4(1)))


def test_much_shared_memory_must_be_asked_for():
    kernel = module("row_sums").get_function("row_sums")
    arguments = (np.ones((1, 4), f4), np.zeros(1, f4), i4(4), f4(1))
    with pytest.raises(ValueError, match=r"expected at most 49152 bytes of shared memory, got 49153; .*max_dynamic"):
        kernel((1,), (64,), arguments, shared_mem=49153)
    kernel.max_dynamic_shared_size_bytes = 100_000
    kernel((1,), (64,), arguments, shared_mem=100_000)
    assert arguments[1][0] == 4
    with pytest.raises(ValueError, match="expected at most 232448 bytes"):
        kernel.max_dynamic_shared_size_bytes = 232449


class OnDevice:
    """As much of a stand-in for a CuPy array as the emulator looks at."""

    def __init__(self, host):
        self.host = host


@pytest.mark.parametrize("sanitizer", [None, "address"])
def test_arrays_of_a_stand_in_for_cupy_and_empty_ones(sanitizer):
    x, out = OnDevice(np.zeros((3, 0), f4)), OnDevice(np.ones(3, f4))
    kernel = module("row_sums", sanitizer=sanitizer).get_function("row_sums")
    kernel((3,), (64,), (x, out, i4(0), f4(1)), shared_mem=768)
    assert out.host.tolist() == [0, 0, 0]


KERNEL = 'extern "C" __global__ void kernel(float* out) { %s }'


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (KERNEL % "__shared__ float x[4];", "expected shared memory to be declared only as"),
        (KERNEL % "extern __shared__ float x[];", "expected shared memory to be declared only as"),
        (KERNEL % 'asm("");', "inline PTX"),
        ("__global__ void kernel() {}", "expected every kernel as"),
        ("", "expected every kernel as"),
    ],
)
def test_sources_that_depart_from_the_conventions(source, message):
    with pytest.raises(ValueError, match=message):
        EmulatedModule(source)


def test_an_unknown_sanitizer():
    with pytest.raises(ValueError, match="expected a sanitizer among None, 'thread', 'address', got 'memory'"):
        module("row_sums", sanitizer="memory")


def test_the_wrappers_around_ptx_are_taken_out_of_a_source(monkeypatch, tmp_path):
    ptx = tmp_path / "ptx.cuh"
    ptx.write_text('float exp2_fast(float x) { asm("ex2.approx.ftz.f32"); }', encoding="utf-8")
    monkeypatch.setattr(emulator, "PTX", [ptx])
    out = np.zeros(1, f4)
    code = ptx.read_text(encoding="utf-8") + KERNEL % "out[0] = exp2_fast(3.f);"
    EmulatedModule(code).get_function("kernel")((1,), (1,), (out,))
    assert out[0] == 8


def test_what_does_not_compile_says_where():
    with pytest.raises(EmulationError, match=r"does not compile(.|\n)*kernel\.cu:2:"):
        EmulatedModule("\n" + KERNEL % "nonsense;")


def test_an_unknown_kernel():
    with pytest.raises(ValueError, match="no kernel 'sums', expected one of: row_sums"):
        module("row_sums").get_function("sums")


def test_macros_do_not_reach_the_headers(rng):
    out = np.zeros(1, f4)
    code = KERNEL % "out[0] = T + LANE + D;"
    EmulatedModule(code, ("-DT=3", "-DLANE=4", "-DD", "--use_fast_math")).get_function("kernel")((1,), (1,), (out,))
    assert out[0] == 8
