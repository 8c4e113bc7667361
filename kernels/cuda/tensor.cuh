// Attention on tensor cores: the upper rungs of the GPU's ladder, in halves, bfloat16, or float32 by three products.
//
// A block owns a tile of OWN rows (queries, or keys for dk and dv), of which each warp has 16 GROUPS, and lets the other
// side pass by in tiles of OTHER rows. Scores are accumulated in registers, become weights there, and enter the second
// product from there: no (T, S) matrix is ever in shared memory. The softmax is that of FlashAttention-2 [1]; backward
// is two kernels, one for dq and one for dk and dv, which compute the weights twice, but add nothing atomically: its
// results are the same bits from run to run.
//
// Macros: those of accumulators.cuh, FORMAT being Fp16, Bf16 or Tf32x3; D_K, D_V; WARPS; STAGES, 1 or 2: of the other
// side's tiles in backward.
//
// [1] Dao, "FlashAttention-2", 2023, algorithms 1 and 2.

static constexpr int THREADS = 32 * WARPS, OWN = 16 * GROUPS * WARPS;
static constexpr int BLOCKS = 256 / THREADS;  // that a multiprocessor is to hold: 255 registers for each thread
static constexpr int IN_K = sizeof(Element) == 2 ? W_K : D_K;  // of q, k: attention_pack has filled up rows of 16 bits
static constexpr int IN_V = sizeof(Element) == 2 ? W_V : D_V;  // of v, dout
static constexpr int ROW_K = W_K + Format::PAD, ROW_V = W_V + Format::PAD;

// scores = own other^T
template <int W, int STRIDE>
DEVICE void multiply(float (&scores)[GROUPS][OTHER / 8][4], const Element* own, const Element* other, Lane at) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) scores[m][n][e] = 0;
    own += threadIdx.x / 32 * 16 * GROUPS * STRIDE;
#pragma unroll
    for (int d = 0; d < W; d += 16) {
        Format::A a[GROUPS];
#pragma unroll
        for (int m = 0; m < GROUPS; ++m) Format::load_rows(a[m], own + 16 * m * STRIDE + d, STRIDE, at.lane);
#pragma unroll
        for (int n = 0; n < OTHER / 16; ++n) {
            Format::B b;
            Format::load_turned(b, other + 16 * n * STRIDE + d, STRIDE, at.lane);
#pragma unroll
            for (int m = 0; m < GROUPS; ++m) Format::multiply_add(scores[m][2 * n], scores[m][2 * n + 1], a[m], b);
        }
    }
}

// sum += weights other
template <int W, int STRIDE>
DEVICE void accumulate(float (&sum)[GROUPS][W / 8][4], const float (&weights)[GROUPS][OTHER / 8][4],
                       const Element* other, Lane at) {
#pragma unroll
    for (int k = 0; k < OTHER / 16; ++k) {
        Format::A a[GROUPS];
#pragma unroll
        for (int m = 0; m < GROUPS; ++m) Format::take(a[m], weights[m][2 * k], weights[m][2 * k + 1]);
#pragma unroll
        for (int n = 0; n < W / 16; ++n) {
            Format::B b;
            Format::load_upright(b, other + 16 * k * STRIDE + 16 * n, STRIDE, at.lane);
#pragma unroll
            for (int m = 0; m < GROUPS; ++m) Format::multiply_add(sum[m][2 * n], sum[m][2 * n + 1], a[m], b);
        }
    }
}
