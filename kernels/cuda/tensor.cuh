// Attention on tensor cores: the upper rungs of the GPU's ladder, in halves, bfloat16, or float32 by three products.
//
// A block owns a tile of OWN rows (queries, or keys for dk and dv), of which each warp has 16 GROUPS, and lets the other
// side pass by in tiles of OTHER rows. Scores are accumulated in registers, become weights there, and enter the second
// product from there: no (T, S) matrix is ever in shared memory. The softmax is that of FlashAttention-2 [1]; backward
// is two kernels, one for dq and one for dk and dv, which compute the weights twice, but add nothing atomically: its
// results are the same bits from run to run.
//
// Macros: FORMAT (Fp16, Bf16 or Tf32x3); D_K, D_V; OUTPUT, float or, of halves, unsigned short; WARPS, GROUPS, OTHER;
// STAGES, 1 or 2: of the other side's tiles in backward.
//
// [1] Dao, "FlashAttention-2", 2023, algorithms 1 and 2.

typedef FORMAT Format;
typedef Format::Element Element;

static constexpr int THREADS = 32 * WARPS, OWN = 16 * GROUPS * WARPS;
static constexpr int BLOCKS = 256 / THREADS;  // that a multiprocessor is to hold: 255 registers for each thread
static constexpr int IN_K = sizeof(Element) == 2 ? W_K : D_K;  // of q, k: attention_pack has filled up rows of 16 bits
static constexpr int IN_V = sizeof(Element) == 2 ? W_V : D_V;  // of v, dout
static constexpr int ROW_K = W_K + Format::PAD, ROW_V = W_V + Format::PAD;

// Where a lane's accumulators stand in the block's tiles: value 2 half + place of block n is in row
// (row + 16 group + 8 half) and column (column + 8 n + place).
struct Lane {
    int lane, row, column;
    DEVICE Lane() : lane(threadIdx.x % 32), row(threadIdx.x / 32 * 16 * GROUPS + lane / 4), column(lane % 4 * 2) {}
};

// A float as an element of a result.
template <class Type>
DEVICE Type rounded(float x) {
    return sizeof(Type) == sizeof(float) ? (Type)x : (Type)Format::rounded(x);
}

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

// Bring the scores to base 2, and give those that do not count -infinity; the own rows are queries, or keys.
template <bool KEYS_OWN>
DEVICE void finish(float (&scores)[GROUPS][OTHER / 8][4], float factor, Sight sight, bool clear, int own, int other) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) scores[m][n][e] *= factor;
    if (clear) return;
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int row = own + 16 * m + 8 * (e / 2), column = other + 8 * n + e % 2;
                if (!sight.sees(KEYS_OWN ? column : row, KEYS_OWN ? row : column)) scores[m][n][e] = MINUS_INFINITY;
            }
}

// Multiply weights with dropout's factors; the rows are the queries row + 16 m + 8 half.
DEVICE void drop(float (&weights)[GROUPS][OTHER / 8][4], u64 base, i64 row, int key, unsigned threshold, float factor) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const unsigned hashed = row_hash(base, row + 16 * m + 8 * half);
#pragma unroll
            for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
                for (int place = 0; place < 2; ++place)
                    weights[m][n][2 * half + place] *= keep_factor(hashed, key + 8 * n + place, threshold, factor);
        }
}

// Write factor * sum as rows of a matrix (limit, D).
template <int D, int W>
DEVICE void store(OUTPUT* matrix, const float (&sum)[GROUPS][W / 8][4], const float (&factor)[GROUPS][2], int first,
                  int limit, Lane at) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int n = 0; n < W / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int row = first + at.row + 16 * m + 8 * (e / 2), d = at.column + 8 * n + e % 2;
                if (row < limit && d < D) matrix[(i64)row * D + d] = rounded<OUTPUT>(factor[m][e / 2] * sum[m][n][e]);
            }
}
