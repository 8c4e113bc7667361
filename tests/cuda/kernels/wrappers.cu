// Each device wrapper by itself, on numbers and registers that the test hands in.

// Each of the outputs for every number; packs hold it below and its negative above.
extern "C" __global__ void __launch_bounds__(32)
    convert(const float* __restrict__ x, unsigned* __restrict__ f16, unsigned* __restrict__ bf16,
            unsigned* __restrict__ tf32, float* __restrict__ exp2, int count) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        f16[i] = pack_f16(x[i], -x[i]);
        bf16[i] = pack_bf16(x[i], -x[i]);
        tf32[i] = round_tf32(x[i]);
        exp2[i] = exp2_fast(x[i]);
    }
}

extern "C" __global__ void __launch_bounds__(32) widen(const unsigned short* __restrict__ x, float* __restrict__ f16,
                                                       float* __restrict__ bf16, int count) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        f16[i] = f16_to_float(x[i]);
        bf16[i] = bf16_to_float(x[i]);
    }
}

// Four matrices of 8 rows of 16 bytes, one behind the other; out (32, 4), the registers of each lane.
extern "C" __global__ void __launch_bounds__(32) load(const uint4* __restrict__ rows, unsigned* __restrict__ out,
                                                      unsigned* __restrict__ transposed, int shift) {
    extern __shared__ __align__(128) unsigned char shared[];
    reinterpret_cast<uint4*>(shared)[threadIdx.x] = rows[threadIdx.x];
    __syncwarp();
    unsigned r[4];
    ldmatrix_x4(r, shared + 16 * threadIdx.x + shift);
    for (int i = 0; i < 4; ++i) out[4 * threadIdx.x + i] = r[i];
    ldmatrix_x4_transposed(r, shared + 16 * threadIdx.x);
    for (int i = 0; i < 4; ++i) transposed[4 * threadIdx.x + i] = r[i];
}

// a (32, 4), b (32, 2), d (32, 4): the registers of each lane; kind 0: f16, 1: bf16, 2: tf32
extern "C" __global__ void __launch_bounds__(32)
    multiply(const unsigned* __restrict__ a, const unsigned* __restrict__ b, float* __restrict__ d, int kind) {
    unsigned registers[4];
    float sums[4];
    for (int i = 0; i < 4; ++i) registers[i] = a[4 * threadIdx.x + i];
    for (int i = 0; i < 4; ++i) sums[i] = d[4 * threadIdx.x + i];
    const unsigned b0 = b[2 * threadIdx.x], b1 = b[2 * threadIdx.x + 1];
    if (kind == 0) mma_f16(sums, registers, b0, b1);
    if (kind == 1) mma_bf16(sums, registers, b0, b1);
    if (kind == 2) mma_tf32(sums, registers, b0, b1);
    for (int i = 0; i < 4; ++i) d[4 * threadIdx.x + i] = sums[i];
}

// Copies in words and in quarters of words that are valid or zero; out is what landed.
extern "C" __global__ void __launch_bounds__(32) copy(const float* __restrict__ x, float* __restrict__ out, int count) {
    extern __shared__ __align__(128) unsigned char shared[];
    float* landed = reinterpret_cast<float*>(shared);
    copy_async_4(landed + threadIdx.x, x + threadIdx.x, threadIdx.x < count);
    copy_commit();
    copy_async_4(landed + 32 + threadIdx.x, x + threadIdx.x, true);
    copy_commit();
    copy_wait<1>();
    out[threadIdx.x] = landed[threadIdx.x];
    out[32 + threadIdx.x] = landed[32 + threadIdx.x];  // not yet: NaN
    copy_wait<0>();
    out[64 + threadIdx.x] = landed[32 + threadIdx.x];
}
