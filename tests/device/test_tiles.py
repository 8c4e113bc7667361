"""How large the tiles of the rungs on the GPU are: by widths, lengths and shared memory."""

from types import SimpleNamespace

import pytest

from minisora.kernels import cuda_tensor, cuda_tiled
from minisora.kernels.cuda_attention import filled
from minisora.kernels.cuda_tensor import Tile

KIB = 1 << 10
RUNGS = {rung.NAME: rung for rung in cuda_tensor.RUNGS}


@pytest.fixture
def memory(monkeypatch):
    """A function that says how much shared memory a block may have."""

    def have(kib):
        for module in (cuda_tiled, cuda_tensor):
            monkeypatch.setattr(module, "shared_memory", lambda device: kib * KIB)

    have(227)
    return have


def call(d_k, d_v, masked=0, drops=0):
    """What is read of a Call."""
    q, v = SimpleNamespace(shape=(2, 3, 5, d_k)), SimpleNamespace(shape=(2, 3, 7, d_v))
    return SimpleNamespace(q=q, v=v, device=0, flags={"MASKED": masked, "DROPS": drops})


def tiled(d_k, d_v, length, backward=False):
    width = filled(d_k) + filled(d_v) if backward else d_v
    candidates = cuda_tiled._BACKWARD if backward else cuda_tiled._FORWARD
    needed = cuda_tiled.backward_bytes if backward else cuda_tiled.forward_bytes
    return cuda_tiled.tile(call(d_k, d_v), candidates, width, needed, length)[:2]


@pytest.mark.parametrize(
    ("d_k", "d_v", "length", "forward", "backward"),
    [
        (64, 64, 512, (8, 4), (4, 4)),
        (128, 128, 512, (8, 4), (4, 4)),
        (128, 129, 512, (4, 4), (2, 4)),
        (256, 256, 512, (4, 4), (2, 4)),
        (64, 64, 65, (8, 4), (4, 4)),
        (64, 64, 64, (4, 4), (4, 4)),
        (64, 64, 33, (4, 4), (4, 4)),
        (64, 64, 32, (2, 2), (2, 4)),
        (64, 64, 16, (1, 1), (1, 1)),
        (64, 64, 8, (1, 1), (1, 1)),
        (64, 64, 1, (1, 1), (1, 1)),
    ],
)
def test_tiles_in_shared_memory(memory, d_k, d_v, length, forward, backward):
    assert tiled(d_k, d_v, length) == forward
    assert tiled(d_k, d_v, length, backward=True) == backward


def test_less_shared_memory_smaller_tiles(memory):
    memory(163)
    assert tiled(64, 64, 512) == (8, 4)
    assert tiled(128, 128, 512) == (4, 4)
    memory(99)
    assert tiled(64, 64, 512) == (4, 4)
    memory(84)
    assert tiled(64, 64, 512, backward=True) == (2, 4)


def test_bytes_of_tiles():
    """By hand: rows of W + 4 floats, of 128 queries, 64 keys and values, and as many weights."""
    assert cuda_tiled.forward_bytes(8, 4, 60, 33) == 4 * (128 * 68 + 64 * 68 + 64 * 52 + 128 * 68)
    assert cuda_tiled.backward_bytes(4, 2, 60, 33) == 4 * ((64 + 32) * (68 + 52) + 64 * 36)


@pytest.mark.parametrize(
    ("name", "backward", "bytes_"),
    [
        ("cuda-fp16", False, 2 * (128 * 72 + 64 * 72 + 64 * 56)),
        ("cuda-fp16", True, 2 * (64 + 2 * 64) * (72 + 56) + 2 * 64 * 8),
        ("cuda-3xtf32", False, 4 * (64 * 68 + 32 * 68 + 32 * 52)),
        ("cuda-3xtf32", True, 4 * (64 + 2 * 32) * (68 + 52) + 2 * 32 * 8),
    ],
)
def test_bytes_on_tensor_cores(memory, name, backward, bytes_):
    rung = RUNGS[name]
    tile = rung.tile(call(60, 33), 512, backward)
    assert rung.shared(tile, 60, 33, backward) == bytes_


def test_tiles_on_tensor_cores(memory):
    half, single = RUNGS["cuda-fp16"], RUNGS["cuda"]
    assert half.tile(call(64, 3), 64, False) == Tile(2, 1, 32)
    assert half.tile(call(64, 3), 65, False) == Tile(4, 2, 64)
    assert half.tile(call(65, 3), 512, False) == half.tile(call(3, 128), 512, False) == Tile(4, 2, 32)
    assert half.tile(call(129, 3), 512, False) == Tile(4, 1, 32)
    assert half.tile(call(300, 3), 512, False) == Tile(4, 1, 32)
    assert (
        half.tile(call(64, 64, masked=1), 512, False) == half.tile(call(64, 64, drops=1), 512, False) == Tile(8, 1, 64)
    )
    assert half.tile(call(64, 64), 512, True) == Tile(4, 1, 64, 2)
    assert RUNGS["cuda-bf16"].tile(call(64, 64), 512, True) == Tile(4, 1, 64, 2)
    assert single.tile(call(64, 64), 512, True) == Tile(4, 1, 32, 2)
    assert single.tile(call(128, 128), 512, True) == Tile(4, 1, 16, 2)
    memory(50)
    assert half.tile(call(64, 64), 512, True) == Tile(2, 1, 32)
    assert Tile(4, 2, 64).own == 128
    assert [rung.bytes for rung in cuda_tensor.RUNGS] == [4, 4, 2, 2]


def test_sums_that_do_not_fit_the_registers_are_made_one_after_the_other():
    both, one, other = ({"GIVES_DK": dk, "GIVES_DV": dv} for dk, dv in ((1, 1), (1, 0), (0, 1)))
    half, single = RUNGS["cuda-fp16"], RUNGS["cuda"]
    assert single.parts(64, 64) == single.parts(16, 112) == half.parts(128, 128) == (both,)
    assert single.parts(64, 65) == half.parts(129, 128) == (one, other)


@pytest.mark.parametrize("widest", [64, 128, 256])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", RUNGS)
def test_every_choice_fits_the_smallest_device(name, backward, widest):
    """99 KB: what a block may have on sm_86 and sm_89; the small tiles, which have nothing below them."""
    small = RUNGS[name].tables[backward][widest].small
    assert RUNGS[name].shared(small, widest, widest, backward) <= 99 * KIB


def test_the_tables_of_tiles():
    """Every tile as it stands in the tables: a change of one is to be compiled (test_gate) and measured."""
    tables = [
        [[tuple(tile) for tile in choice] for choice in table.values()]
        for table in (
            cuda_tensor._FORWARD_16,
            cuda_tensor._BACKWARD_16,
            cuda_tensor._FORWARD_32,
            cuda_tensor._BACKWARD_32,
        )
    ]
    assert tables == [
        [
            [(4, 2, 64, 1), (8, 1, 64, 1), (2, 1, 32, 1)],
            [(4, 2, 32, 1), (8, 1, 32, 1), (2, 1, 32, 1)],
            [(4, 1, 32, 1), (4, 1, 32, 1), (2, 1, 16, 1)],
        ],
        [
            [(4, 1, 64, 2), (4, 1, 32, 2), (2, 1, 32, 1)],
            [(4, 1, 32, 2), (4, 1, 32, 2), (2, 1, 32, 1)],
            [(2, 1, 16, 1), (2, 1, 16, 1), (2, 1, 16, 1)],
        ],
        [
            [(4, 1, 32, 1), (4, 1, 32, 1), (2, 1, 32, 1)],
            [(4, 1, 32, 1), (4, 1, 32, 1), (2, 1, 32, 1)],
            [(2, 1, 16, 1), (2, 1, 16, 1), (2, 1, 16, 1)],
        ],
        [
            [(4, 1, 32, 2), (4, 1, 16, 2), (2, 1, 16, 1)],
            [(4, 1, 16, 2), (4, 1, 16, 2), (2, 1, 16, 1)],
            [(2, 1, 16, 1), (2, 1, 16, 1), (2, 1, 16, 1)],
        ],
    ]
    assert cuda_tiled._FORWARD == ((8, 4), (4, 4), (4, 2), (2, 2), (1, 1))
    assert cuda_tiled._BACKWARD == ((4, 4), (2, 4), (2, 2), (1, 1))
    widths = [64, 128, 256]
    assert [list(table) for rung in cuda_tensor.RUNGS for table in rung.tables] == [widths] * 8
