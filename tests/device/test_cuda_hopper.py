"""Attention with warpgroups: its tiles, the ring in which they come, and mistakes planted there that must be seen."""

import re

import numpy as np
import pytest
from emulator import EmulationError

from minisora.kernels import DropoutKey, attention_backward, attention_forward, cuda_launch, get_backend
from minisora.kernels.cuda_hopper import _BACKWARD, _FORWARD, Tile, filled, shared_bytes

SEEDS = (0, 1, 2, 7)  # of the order of threads, and of when copies land and products read
LONG = (1, 2, 283, 787, 20, 72)  # B, H, T, S, d_k, d_v: more tiles of either side than there are stages


def run(emulated, seed, inputs, options):
    """Return out, lse, dq, dk, dv of cuda-hopper-fp16."""
    emulated.how.seed = seed
    cuda_launch.program.cache_clear()
    q, k, v, dout = map(emulated.asarray, inputs)
    backend = get_backend("cuda-hopper-fp16")
    out, cache = backend.forward(q, k, v, **options)
    return [array.get() for array in (out, cache.lse, *backend.backward(dout, cache))]


def arrays(rng, batch, heads, targets, sources, d_k, d_v):
    shapes = ((targets, d_k), (sources, d_k), (sources, d_v), (targets, d_v))
    return [rng.normal(size=(batch, heads, *shape)).astype(np.float32) for shape in shapes]


def test_tiles():
    """As they stand there: a change of one is to be compiled (test_gate) and measured."""
    assert (_FORWARD, _BACKWARD) == ((128, 2, 8, 1), (64, 2, 8, 1))
    assert _FORWARD.own == _BACKWARD.own == 128


def test_bytes():
    """By hand: lines of 128 bytes, of two chunks for 72 columns; a barrier for the own tiles, two for each stage."""
    tile = Tile(64)
    assert shared_bytes(tile, 20, 72, False) == 128 * 128 + 2 * 64 * (128 + 256) + 8 * (1 + 8)
    assert shared_bytes(tile, 20, 72, True) == (128 + 2 * 64) * (128 + 256) + 2 * 64 * 8 + 8 * (1 + 4)
    assert shared_bytes(Tile(128), 128, 128, False) <= 227 << 10
    assert [filled(length) for length in (1, 128, 129)] == [128, 128, 256]


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("options", [{}, {"causal": True, "dropout": (0.3, DropoutKey(5))}])
def test_the_ring_of_tiles_turns(rng, emulated, options):
    """Nearly the specification, and the same bits whoever comes first."""
    inputs = arrays(rng, *LONG)
    q, k, v, dout = (array.astype(np.float16).astype(float) for array in inputs)
    out, cache = attention_forward(q, k, v, **options)
    exact = [out, cache.lse, *attention_backward(dout, cache)]
    found = [run(emulated, seed, inputs, options) for seed in SEEDS]
    for a, b in zip(found[0], exact, strict=True):
        np.testing.assert_allclose(a, b, atol=4e-3)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("widths", [(129, 8), (8, 129)])
def test_wider_heads_are_refused(emulated, widths):
    q, v = (emulated.asarray(np.ones((1, 1, 2, width), np.float32)) for width in widths)
    with pytest.raises(ValueError, match="cuda-hopper-fp16 takes heads up to 128 wide, got 129: cuda-fp16 takes wider"):
        get_backend("cuda-hopper-fp16").forward(q, q, v)
    q = emulated.asarray(np.ones((1, 1, 2, 128), np.float32))
    np.testing.assert_array_equal(get_backend("cuda-hopper-fp16").forward(q, q, q)[0].get(), q.get())


MISTAKES = {  # what is put in the place of what, and how it is told where the numbers do not tell
    "a tile is read before it is here": ("barrier_wait(here + turn.stage, turn.parity);", "", ""),
    "a tile is overwritten while it is read": ("barriers.v.wait_free(turn);", "", ""),
    "keys are overwritten while they are read": ("barriers.k.wait_free(turn);", "", ""),
    "tiles of backward are overwritten": ("barriers.others.wait_free(turn);", "", ""),
    "a tile is released before its product is done": ("product_wait<1>();", "product_wait<2>();", ""),
    "weights are taken before they are done": ("product_wait<!DROPS>();\n        product_use(weights[0]);", "", ""),
    "dscores are taken before they are done": ("product_wait<!DROPS>();\n        product_use(dscores[0]);", "", ""),
    "a sum is taken before it is done": (
        "product_wait<0>();\n        product_use(sum[0]);", "product_use(sum[0]);", "ended with products under way"
    ),
    "a tile is never released": ("barriers.v.release(of_v);", "", "deadlock"),
    "the parity does not turn": ("parity ^= stage == 0;", "", ""),
    "too many bytes are announced": ("OWN * W_K * sizeof(Element));", "OWN * W_K * sizeof(Element) + 16);", "deadlock"),
    "too few bytes are announced": ("OTHER * W_K * sizeof(Element));", "16);", ""),
    "registers are used without a fence": ("product_fence();", "", r"product_fence\(\) is missing"),
    "a barrier is not published": ("barrier_publish();", "", "a barrier that was not published"),
    "a barrier is not initialized": ("barriers.v.init();", "", "a barrier .* that nobody has initialized"),
    "all warpgroups have the first one's rows": ("(int)threadIdx.x / 128", "0", ""),
    "lines are not swizzled": ("(i % 8 ^ row % 8)", "(i % 8)", ""),
    "no swizzling is asked for": ("| 1ull << 62", "", "a layout that is not emulated"),
    "chunks are too near": ("matrix_at(other, OTHER * LINE)", "matrix_at(other, LINE)", ""),
    "lengths are not filled up": ("(i64)c * filled(length)", "(i64)c * length", ""),
}  # fmt: skip


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(rng, emulated, mistake):
    """Other bits under some order, or an error; never the right ones under all."""
    right, wrong, message = MISTAKES[mistake]
    inputs, options = arrays(rng, 1, 1, 283, 387, 72, 72), {"causal": True}
    expected = run(emulated, 0, inputs, options)
    found = 0

    def change(code):
        nonlocal found
        found += right in code
        return code.replace(right, wrong)

    emulated.how.change, seen = change, []
    for seed in SEEDS:
        try:
            results = run(emulated, seed, inputs, options)
        except EmulationError as error:
            seen.append(str(error))
        else:
            seen += ["numbers"] * any((a != b).any() for a, b in zip(results, expected, strict=True))
        if any(re.search(message, text) for text in seen):
            break
    else:
        raise AssertionError(f"expected {message or 'other numbers, or an error'}, got {seen}")
    assert found and "does not compile" not in "".join(seen)
