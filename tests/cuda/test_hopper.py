"""The emulator of Hopper's instructions against NumPy, with the layouts as the PTX ISA documents them, and mistakes."""

from pathlib import Path

import numpy as np
import pytest
from emulator import EmulatedModule, EmulationError, available

pytestmark = [pytest.mark.cuda_cpu, pytest.mark.skipif(not available(), reason="needs g++ on Linux")]

SOURCE = (Path(__file__).parent / "kernels" / "hopper.cu").read_text(encoding="utf-8")
WINDOW = 1 << 10  # where shared memory begins
THREAD = np.arange(128)
ROW, COLUMN = THREAD // 32 * 16 + THREAD % 32 // 4, THREAD % 4 * 2  # of a thread's first accumulator
f4, i4, u4 = np.float32, np.int32, np.uint32


def swizzled(lines):
    """(n, 64) of 16 bits as they lie in shared memory: parts of sixteen bytes, part p of line l at p ^ (l % 8)."""
    parts = lines.reshape(len(lines), 8, 8)
    places = np.arange(8) ^ np.arange(len(lines))[:, None] % 8
    return np.take_along_axis(parts, places[:, :, None], axis=1)


def described(start, chunk=0, eight_lines=1024):
    """Bits 0-13, 16-29 and 32-45: start and both strides in units of 16; 62-63: 1, 128-byte swizzling."""
    return (WINDOW + start) // 16 | chunk // 16 << 16 | eight_lines // 16 << 32 | 1 << 62


def to_bits(x, brain):
    """Numbers that the format holds exactly."""
    return (x.astype(f4).view(u4) >> 16).astype(np.uint16) if brain else x.astype(np.float16).view(np.uint16)


def in_registers(a):
    """(64, 16) of 16 bits: (128, 4), pairs of neighbours along a row."""
    places = [(0, 0), (8, 0), (0, 8), (8, 8)]
    at = [(ROW + down, COLUMN + right) for down, right in places]
    return np.stack([a[i, j].astype(u4) | a[i, j + 1].astype(u4) << 16 for i, j in at], 1)


def accumulators(d):
    """(64, 64): (128, 32), of each block of eight columns two neighbours in two rows."""
    return np.stack([d[ROW + e // 2 * 8, COLUMN + 8 * n + e % 2] for n in range(8) for e in range(4)], 1).astype(f4)


def multiply(rng, rows, brain, wrong=0, seed=0, k=1, **settings):
    """Run one product of small whole numbers, the k-th sixteen of a line; return accumulators and the exact ones."""
    a, b, d = (rng.integers(-8, 8, shape).astype(float) for shape in ((64, 64), (64, 64), (64, 64)))
    own, other = to_bits(a, brain), to_bits(b, brain)
    tiles = np.ascontiguousarray(np.concatenate([swizzled(own), swizzled(other)]))
    part = slice(16 * k, 16 * k + 16)
    product = a[:, part] @ (b[part] if rows else b[:, part].T)
    descriptors = [described(32 * k), described(8192 + (2048 if rows else 32) * k)]
    sums = accumulators(d)
    scalars = i4(tiles.nbytes), i4(rows), i4(brain), i4(wrong)
    kernel = EmulatedModule(SOURCE, seed=seed, **settings).get_function("multiply")
    arguments = tiles, in_registers(own[:, part]), sums, np.array(descriptors, np.uint64), *scalars
    kernel((1,), (128,), arguments, shared_mem=tiles.nbytes + 8)
    return sums, accumulators(d + product)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("brain", [False, True])
@pytest.mark.parametrize("rows", [False, True])
def test_products(rng, rows, brain, seed):
    for k in range(4):
        np.testing.assert_array_equal(*multiply(rng, rows, brain, seed=seed, k=k))


@pytest.mark.parametrize("sanitizer", ["thread", "address"])
def test_under_sanitizers(rng, sanitizer):
    np.testing.assert_array_equal(*multiply(rng, False, False, sanitizer=sanitizer))


MISTAKES = {
    1: "deadlock .* 128 wait in a wait for a barrier in shared memory",
    2: "more have arrived at a barrier in shared memory than it waits for",
    3: "copy_bulk: an address that is not a multiple of 16 bytes",
    4: "copy_bulk: 16376 bytes, not a multiple of 16",
    5: "the block has ended with copies in bulk under way",
    6: "wgmma: the threads of a warpgroup do not agree",
    7: "wgmma: an address outside of the block's shared memory",
}


@pytest.mark.parametrize(("wrong", "message"), MISTAKES.items())
def test_a_mistake_is_told(rng, wrong, message):
    with pytest.raises(EmulationError, match=message):
        multiply(rng, False, False, wrong=wrong, seed=1)


@pytest.mark.parametrize("seed", range(4))
def test_accumulators_are_nothing_before_the_wait(rng, seed):
    found, expected = multiply(rng, True, False, wrong=8, seed=seed)
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[:, 1:], expected[:, 1:])


def test_a_product_needs_four_warps(rng):
    kernel = EmulatedModule(SOURCE).get_function("multiply")
    words = np.zeros((128, 32), f4)
    arguments = words, words.view(u4), words, np.zeros(2, np.uint64), i4(1024), i4(1), i4(0), i4(0)
    with pytest.raises(EmulationError, match="wgmma: a warpgroup of fewer than 128 threads"):
        kernel((1,), (96,), arguments, shared_mem=1032)
