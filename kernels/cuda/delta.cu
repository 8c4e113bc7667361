// delta = dout . out for each row, which is the sum over the keys of weights * dweights: with or without dropout.
//
// Macros: DOUT and OUT, the types of elements, and DOUT_TO_FLOAT and OUT_TO_FLOAT, which make a float of one.

extern "C" __global__ void __launch_bounds__(128) attention_delta(
    const DOUT* __restrict__ dout, const OUT* __restrict__ out, float* __restrict__ delta, long long rows, int d_v,
    int dout_width) {
    const long long row = (blockIdx.x * (long long)blockDim.x + threadIdx.x) / 32;  // a warp for each
    if (row >= rows) return;
    float total = 0;
    for (int d = threadIdx.x % 32; d < d_v; d += 32)
        total += DOUT_TO_FLOAT(dout[row * dout_width + d]) * OUT_TO_FLOAT(out[row * d_v + d]);
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) total += __shfl_xor_sync(0xffffffffu, total, distance);
    if (threadIdx.x % 32 == 0) delta[row] = total;
}
