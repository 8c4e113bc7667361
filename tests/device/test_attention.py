"""Attention's rungs on the GPU against the specification: compiled for the CPU by g++, and on a GPU if there is one."""

import numpy as np
import pytest
from emulator import EmulationError

from minisora.kernels import (
    DropoutKey,
    attention_backward,
    attention_forward,
    attention_steps,
    cuda_launch,
    get_backend,
)
from minisora.kernels.numpy_attention import drop

FLOAT32 = ("cuda-naive", "cuda-tiled", "cuda-3xtf32")
SIXTEEN_BITS = {"cuda-fp16": 10, "cuda-bf16": 7, "cuda-hopper-fp16": 10, "cuda-hopper-bf16": 7}  # bits of the mantissa
RUNGS = (*FLOAT32, *SIXTEEN_BITS)
SEEDS = (0, 1, 7)  # of the order in which threads run: forward, backward, shuffled


@pytest.fixture(
    params=[pytest.param("emulated", marks=pytest.mark.cuda_cpu), pytest.param("cupy", marks=pytest.mark.gpu)]
)
def gpu(request):
    """CuPy's stand-in, and CuPy itself where there is a GPU: the same tests for both."""
    if request.param == "emulated":
        return request.getfixturevalue("emulated")
    cupy = pytest.importorskip("cupy", reason="needs CuPy: pip install 'minisora[cuda13]'", exc_type=ImportError)
    if not cupy.is_available():
        pytest.skip("needs an NVIDIA GPU")
    hopper = request.node.callspec.params.get("name", "").startswith("cuda-hopper")
    if hopper and cupy.cuda.Device().compute_capability != "90":
        pytest.skip("needs a Hopper GPU")
    return cupy


def arrays(rng, batch, heads, targets, sources, d_k, d_v):
    """q, k, v and dout in float64, normal."""
    shapes = ((targets, d_k), (sources, d_k), (sources, d_v), (targets, d_v))
    return [rng.normal(size=(batch, heads, *shape)) for shape in shapes]


def padding(rng, batch, sources):
    """The first keys of each sequence, more than half of them."""
    return np.arange(sources) < rng.integers(sources // 2, sources + 1, batch)[:, None]


def holes(rng, batch, sources):
    """Holes; the first half hidden in one sequence, and everything in the last."""
    key_mask = rng.random((batch, sources)) < 0.7
    key_mask[0, : sources // 2] = False
    key_mask[-1] = False
    return key_mask


CASES = {  # sizes and options: several tiles of both sides, odd widths, T < S and T > S
    "plain": ((2, 2, 37, 70, 5, 3), {}),
    "causal": ((1, 2, 139, 67, 16, 16), {"causal": True, "scale": -0.4}),
    "padded": ((3, 2, 37, 139, 16, 20), {"mask": padding}),
    "everything": ((3, 1, 67, 139, 40, 24), {"causal": True, "mask": holes, "dropout": (0.3, DropoutKey(5))}),
    "short": ((2, 3, 5, 7, 16, 16), {"mask": holes}),
}


def results(gpu, name, inputs, options, dtype=np.float32):
    """Return out, lse, dq, dk, dv of a rung, as arrays on the host."""
    q, k, v, dout = (gpu.asarray(array.astype(dtype)) for array in inputs)
    options = {option: gpu.asarray(value) if option == "key_mask" else value for option, value in options.items()}
    backend = get_backend(name)
    out, cache = backend.forward(q, k, v, **options)
    return [array.get() for array in (out, cache.lse, *backend.backward(dout, cache))]


def specified(inputs, options, dtype=np.float64):
    """Return the same of the specification."""
    q, k, v, dout = (array.astype(dtype) for array in inputs)
    out, cache = attention_forward(q, k, v, **options)
    return [out, cache.lse, *attention_backward(dout, cache)]


def prepared(rng, case, heads=None):
    """The arrays and options of a case."""
    (batch, few, *sizes), options = CASES[case]
    inputs = arrays(rng, batch, heads or few, *sizes)
    options = dict(options)
    if mask := options.pop("mask", None):
        options["key_mask"] = mask(rng, batch, sizes[1])
    return inputs, options


def errors(found, exact):
    """The largest error of each array; infinities must be the same."""
    for a, c in zip(found, exact, strict=True):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(c))
    finite = [np.isfinite(c) for c in exact]
    return [np.abs(a[f] - c[f]).max(initial=0) for a, c, f in zip(found, exact, finite, strict=True)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FLOAT32)
def test_float32_is_as_right_as_numpy_in_float32(rng, gpu, name, case):
    """At most twice the error of NumPy's, three times for gradients, and four ulp of the largest; over many heads."""
    inputs, options = prepared(rng, case, heads=8)
    exact = specified(inputs, options)
    plain = errors(specified(inputs, options, np.float32), exact)
    found = results(gpu, name, inputs, options)
    steepest = max(np.abs(gradient).max() for gradient in exact[2:])
    for number, error in enumerate(errors(found, exact)):
        times, largest = (2, np.abs(exact[number][np.isfinite(exact[number])]).max()) if number < 2 else (3, steepest)
        assert error <= times * plain[number] + 4 * np.spacing(np.float32(largest)), number


def rounded(array, bits):
    """The array with so many bits of mantissa left, rounded to the nearest."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 2 ** (bits + 1)) / 2 ** (bits + 1), exponent)


def specified_in_sixteen_bits(inputs, options, bits):
    """The specification where q, k, v, dout, weights and their gradients have so many bits, and all sums are exact."""
    q, k, v, dout = (rounded(array, bits) for array in inputs)
    _, cache = attention_forward(q, k, v, **options)
    steps = attention_steps(cache, dout)
    weights, dscores = rounded(drop(steps.weights, cache.dropout), bits), rounded(steps.dscores, bits)
    dq, dk = dscores @ k * cache.scale, dscores.swapaxes(-1, -2) @ q * cache.scale
    return [weights @ v, cache.lse, dq, dk, weights.swapaxes(-1, -2) @ dout]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SIXTEEN_BITS)
def test_sixteen_bits_lose_no_more_than_their_rounding(rng, gpu, name, case):
    inputs, options = prepared(rng, case, heads=8)
    exact = specified(inputs, options)
    allowed = errors(specified_in_sixteen_bits(inputs, options, SIXTEEN_BITS[name]), exact)
    for number, error in enumerate(errors(results(gpu, name, inputs, options), exact)):
        assert error <= 2 * allowed[number], number


def test_float64_is_the_specification(rng, gpu):
    inputs, options = prepared(rng, "everything")
    for a, b in zip(results(gpu, "cuda-naive", inputs, options, np.float64), specified(inputs, options), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("name", RUNGS)
def test_the_bits_do_not_depend_on_the_order_of_threads(rng, emulated, name):
    inputs, options = prepared(rng, "everything")
    found = []
    for seed in SEEDS:
        emulated.how.seed = seed
        cuda_launch.program.cache_clear()
        found.append(results(emulated, name, inputs, options))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", RUNGS)
def test_a_query_does_not_depend_on_the_future(rng, gpu, name):
    inputs, options = prepared(rng, "causal")
    inputs = [array[:, :, :67] for array in inputs]
    before = results(gpu, name, inputs, options)[0]
    for array in inputs[:3]:
        array[:, :, 50:] *= 100
    after = results(gpu, name, inputs, options)[0]
    np.testing.assert_array_equal(after[:, :, :50], before[:, :, :50])
    assert (after[:, :, 50:] != before[:, :, 50:]).any()


@pytest.mark.parametrize("name", RUNGS)
def test_what_is_not_finite_reaches_its_row(rng, gpu, name):
    """A NaN, and scores that overflow, of which the specification makes NaN."""
    inputs, _ = prepared(rng, "short")
    inputs[0][0, 0, 2, 0] = np.nan
    found = results(gpu, name, inputs, {})
    wrong = np.isnan(found[0]).any(axis=-1)
    assert wrong[0, 0, 2] and wrong.sum() == 1
    assert np.isnan(found[2][0, 0, 2]).any()
    inputs[0][0, 0, 2], inputs[1][0, 0] = [3e38, *[0] * 15], [-16, *[0] * 15]
    found = results(gpu, name, inputs, {})
    assert np.isnan(found[0][0, 0, 2]).all() and np.isnan(found[1][0, 0, 2])
    assert np.isfinite(found[0][0, 0, [0, 1, 3, 4]]).all()


@pytest.mark.parametrize("name", FLOAT32)
def test_no_weight_exceeds_one_however_large_the_scores(rng, gpu, name):
    inputs, _ = prepared(rng, "short")
    inputs[0] *= 1e8
    inputs[3] = np.abs(inputs[3])
    dv = results(gpu, name, inputs, {})[4]
    assert dv.min() >= 0
    assert dv.max() <= inputs[3].sum(axis=2).max() * 1.0001


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("name", RUNGS)
def test_any_forward_may_be_followed_by_any_backward_and_nothing_is_copied(rng, emulated, name):
    inputs, options = prepared(rng, "short")
    q, k, v, dout = (emulated.asarray(array.astype(np.float32)) for array in inputs)
    options["key_mask"] = emulated.asarray(options["key_mask"])
    emulated.transfers.clear()
    backend, plain = get_backend(name), get_backend("numpy")
    _, cache = backend.forward(q, k, v, **options)
    _, plain_cache = plain.forward(q, k, v, **options)
    pairs = [*zip(plain.backward(dout, cache), plain.backward(dout, plain_cache), strict=True)]
    pairs += zip(backend.backward(dout, plain_cache), backend.backward(dout, cache), strict=True)
    assert emulated.transfers == []
    for a, b in pairs:
        np.testing.assert_allclose(a.get(), b.get(), atol=1e-1 if name in SIXTEEN_BITS else 1e-5)


@pytest.mark.parametrize("name", RUNGS)
def test_strided_and_misplaced_inputs(rng, gpu, name):
    """Kernels ignore strides, and take vectors of sixteen bytes for granted."""
    inputs, options = prepared(rng, "short")
    expected = results(gpu, name, inputs, options)
    q, k, v, dout = inputs
    room = gpu.asarray(np.zeros(q.size + 1, np.float32))
    room[1:] = gpu.asarray(q.astype(np.float32).ravel())
    turned = [
        gpu.asarray(np.ascontiguousarray(a.astype(np.float32).swapaxes(1, 2))).swapaxes(1, 2) for a in (k, v, dout)
    ]
    backend = get_backend(name)
    out, cache = backend.forward(room[1:].reshape(*q.shape), *turned[:2], key_mask=gpu.asarray(options["key_mask"]))
    found = [out, cache.lse, *backend.backward(turned[2], cache)]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.get(), b)


@pytest.mark.parametrize(("batch", "targets", "sources"), [(0, 5, 7), (2, 0, 7), (2, 5, 0), (0, 0, 0)])
@pytest.mark.parametrize("name", RUNGS)
def test_nothing_is_taken(gpu, name, batch, targets, sources):
    q, k, v = (gpu.asarray(np.ones((batch, 3, length, 5), np.float32)) for length in (targets, sources, sources))
    out, cache = get_backend(name).forward(q, k, v)
    assert out.shape == (batch, 3, targets, 5) and not out.get().any()
    assert np.isneginf(cache.lse.get()).all()
    gradients = get_backend(name).backward(out, cache)
    assert [gradient.shape for gradient in gradients] == [q.shape, k.shape, v.shape]
    assert not any(gradient.get().any() for gradient in gradients)


@pytest.mark.parametrize("name", ["cuda-fp16", "cuda-hopper-fp16"])
def test_halves_in_halves_out(rng, gpu, name):
    inputs, options = prepared(rng, "short")
    q, k, v, dout = (gpu.asarray(array.astype(np.float16)) for array in inputs)
    _, cache = attention_forward(q, k, v, key_mask=gpu.asarray(options["key_mask"]))
    gradients = get_backend(name).backward(dout, cache)  # after the specification, whose lse has 16 bits
    for a, b in zip(gradients, attention_backward(dout, cache), strict=True):
        np.testing.assert_allclose(a.get(), b.get(), atol=2e-2)
    exact = specified([array.astype(np.float16) for array in inputs], options)
    found = results(gpu, name, inputs, options, np.float16)
    assert [array.dtype for array in found] == [np.float16, np.float32, *[np.float16] * 3]
    for a, b in zip(found, exact, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-3)


def test_cuda_is_the_best_in_float32(rng, gpu):
    inputs, options = prepared(rng, "short")
    for a, b in zip(*(results(gpu, name, inputs, options) for name in ("cuda", "cuda-3xtf32")), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", RUNGS)
def test_what_a_rung_does_not_take_is_refused(gpu, name):
    ones, long = np.ones((1, 1, 2, 3), np.float32), np.ones((1, 1, 2, 3), complex)
    backend = get_backend(name)
    with pytest.raises(ValueError, match=f"attention in {name} expects arrays on the GPU, got ndarray on the host"):
        backend.forward(ones, ones, ones)
    with pytest.raises(ValueError, match=f"attention in {name} expects float32.*, got complex128"):
        backend.forward(*[gpu.asarray(long)] * 3)
    with pytest.raises(ValueError, match="v and q are expected in one place, got v on the host and q on the GPU"):
        backend.forward(*[gpu.asarray(ones)] * 2, ones)
    with pytest.raises(ValueError, match="the same S"):
        backend.forward(*map(gpu.asarray, (ones, ones, ones[:, :, :1])))
    with pytest.raises(ValueError, match=r"key mask is expected .* \(1, 2\), .* got bool \(1, 3\)"):
        backend.forward(*[gpu.asarray(ones)] * 3, key_mask=gpu.asarray(np.ones((1, 3), bool)))
    _, cache = backend.forward(*[gpu.asarray(ones)] * 3)
    with pytest.raises(ValueError, match="expects dout"):
        backend.backward(gpu.asarray(ones[:, :, :1]), cache)
    with pytest.raises(ValueError, match="got dout on the host and q on the GPU"):
        backend.backward(ones, cache)
    with pytest.raises(ValueError, match="dropout probability"):
        backend.forward(*[gpu.asarray(ones)] * 3, dropout=(1.0, DropoutKey(0)))


MISTAKES = {  # what is taken out of a source, and what it costs
    "a barrier": ("cuda-tiled", "        __syncthreads();  // v is here\n", ""),
    "the wait for a copy": ("cuda-tiled", "        copy_wait<1>();\n        __syncthreads();  // k is here\n", ""),
    "a wait on tensor cores": ("cuda-bf16", "        copy_wait<1>();\n        __syncthreads();  // v is here\n", ""),
    "the scale's logarithm": ("cuda-3xtf32", "scale * LOG2_E, sight", "scale, sight"),
}


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(rng, emulated, mistake):
    """Wrong results under some order of threads, or an error: never the right bits under all of them."""
    name, right, wrong = MISTAKES[mistake]
    inputs, options = prepared(rng, "causal")
    expected = results(emulated, name, inputs, options)

    def change(code):
        return code.replace(right, wrong)

    emulated.how.change, seen = change, False
    for emulated.how.seed in SEEDS:
        cuda_launch.program.cache_clear()
        try:
            found = results(emulated, name, inputs, options)
        except EmulationError:
            seen = True
        else:
            seen |= any((a != b).any() for a, b in zip(found, expected, strict=True))
    assert seen


@pytest.mark.cuda_cpu
def test_a_long_sum_within_tensor_cores_would_lose_what_float32_keeps(rng, emulated):
    """What `test_float32_is_as_right_as_numpy_in_float32` allows: cut off at every step, sums are wrong by more."""
    inputs, options = arrays(rng, 1, 4, 16, 1024, 16, 16), {}
    exact = specified(inputs, options)[0]
    plain = np.abs(specified(inputs, options, np.float32)[0] - exact).max()
    allowed = 2 * plain + 4 * np.spacing(np.float32(np.abs(exact).max()))
    right = np.abs(results(emulated, "cuda-3xtf32", inputs, options)[0] - exact).max()
    within = ("        float sum[4] = {};\n", "        float (&sum)[4] = d;\n"), ("d[e] += sum[e];", ";")
    emulated.how.change = lambda code: code.replace(*within[0]).replace(*within[1])
    cuda_launch.program.cache_clear()
    wrong = np.abs(results(emulated, "cuda-3xtf32", inputs, options)[0] - exact).max()
    assert right < allowed < wrong / 2


@pytest.mark.cuda_cpu
@pytest.mark.parametrize("sanitizer", ["thread", "address"])
@pytest.mark.parametrize("name", [name for name in RUNGS if name != "cuda-hopper-bf16"])  # as fp16, and long
def test_under_sanitizers(rng, emulated, name, sanitizer):
    """Neither a race, nor an access beyond an array or beyond the shared memory that was asked for."""
    emulated.how.sanitizer = sanitizer
    inputs, options = prepared(rng, "short")
    inputs = [array[:1, :1] for array in inputs]
    options["key_mask"] = options["key_mask"][:1]
    exact = specified(inputs, options)
    for a, b in zip(results(emulated, name, inputs, options), exact, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-2 if name in SIXTEEN_BITS else 1e-5)


@pytest.mark.cuda_cpu
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("cuda-naive", "t < targets; ++t", "t <= targets; ++t"),
        ("cuda-tiled", "first + row < limit && d < D", "d < D"),
        ("cuda-bf16", "if (row < limit && D % 2 == 0 && d < D)", "if (D % 2 == 0 && d < D)"),
        ("cuda-hopper-bf16", "if (row < length && d % 8 == 0 && first < d)", "if (d % 8 == 0 && first < d)"),
    ],
)
def test_an_access_beyond_an_array_is_seen(rng, emulated, name, right, wrong):
    emulated.how.sanitizer = "address"
    emulated.how.change = lambda code: code.replace(right, wrong)
    inputs, _ = prepared(rng, "short")
    with pytest.raises(EmulationError, match="overflow"):
        results(emulated, name, inputs, {})
