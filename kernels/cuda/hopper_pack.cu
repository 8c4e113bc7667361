// What the kernels with warpgroups take: operands in chunks, as hopper.cuh describes them, and rows of lse and delta.
//
// Macros: FORMAT, Fp16 or Bf16; INPUT, float or, of halves, unsigned short; INPUT_TO_FLOAT and ELEMENT_TO_FLOAT, which make
// a float of one, and of an element of the format.

typedef FORMAT::Element Element;

static constexpr int CHUNK = 64, FILL = 128;

template <class Type>
struct __align__(16) Eight {
    Type at[8];
};

DEVICE int filled(int length) {
    return (length + FILL - 1) / FILL * FILL;
}

// to (heads, chunks, filled length, 64) of from (heads, length, d); `blocks` for each head, a thread for each eight
// elements of a row.
extern "C" __global__ void __launch_bounds__(256) attention_pack_chunks(
    const INPUT* __restrict__ from, Element* __restrict__ to, int blocks, int length, int d) {
    const long long head = blockIdx.x / blocks;
    const unsigned i = blockIdx.x % blocks * 256 + threadIdx.x, line = i / 8, row = line % filled(length);
    const int first = line / filled(length) * CHUNK + 8 * (i % 8 ^ row % 8);
    from += (head * length + row) * d + first;
    Eight<INPUT> eight = {};
    if (row < length && d % 8 == 0 && first < d) eight = *(const Eight<INPUT>*)from;
    if (row < length && d % 8 != 0)
#pragma unroll
        for (int e = 0; e < 8; ++e)
            if (first + e < d) eight.at[e] = from[e];
    Eight<Element> packed;
#pragma unroll
    for (int e = 0; e < 8; ++e) packed.at[e] = FORMAT::rounded(INPUT_TO_FLOAT(eight.at[e]));
    *(Eight<Element>*)(to + 8 * (head * blocks * 256 + i)) = packed;
}

// delta (heads, filled length) = dout . out for each row, with dout rounded as products take it, and lse in rows as long,
// in base 2, 0 where there is no query; a warp for each.
extern "C" __global__ void __launch_bounds__(128) attention_pack_rows(
    const INPUT* __restrict__ dout, const INPUT* __restrict__ out, const float* __restrict__ lse,
    float* __restrict__ delta, float* __restrict__ lse_row, long long rows, int length, int d) {
    const long long i = (blockIdx.x * (long long)blockDim.x + threadIdx.x) / 32;
    if (i >= rows) return;
    const int t = i % filled(length);
    const long long row = i / filled(length) * length + t;
    float total = 0;
    for (int at = threadIdx.x % 32; at < d && t < length; at += 32)
        total += ELEMENT_TO_FLOAT(FORMAT::rounded(INPUT_TO_FLOAT(dout[row * d + at]))) * INPUT_TO_FLOAT(out[row * d + at]);
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) total += __shfl_xor_sync(0xffffffffu, total, distance);
    if (threadIdx.x % 32) return;
    delta[i] = total;
    lse_row[i] = t < length ? base_2(lse[row]) : 0;
}
