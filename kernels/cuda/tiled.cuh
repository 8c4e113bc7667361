// Attention in float32 with tiles in shared memory: the second rung of the GPU's ladder.
//
// A block of 16 x 16 threads owns a tile of OWN rows (queries, or keys for dk and dv) and lets the other side pass by in
// tiles of OTHER rows. Thread (r, c) computes, in registers, the scores of its own rows r, r + 16, ... with the other rows
// c, c + 16, ...; the weights go through shared memory into the second product, of which it has the same rows, and the
// columns c VEC .. c VEC + VEC - 1, and every 16 VEC further. Rows in shared memory are four floats longer than they must
// be, so that sixteen of them, read at the same place, lie in different banks.
//
// Macros: D_K, D_V; ROWS and COLUMNS, of scores, of a thread.

static constexpr int THREADS = 256, PAD = 4;
static constexpr int OWN = 16 * ROWS, OTHER = 16 * COLUMNS;

template <int N>
struct __align__(4 * N) Vector {
    float at[N];
};

// sum[i][j] = own row (r + 16 i) . other row (c + 16 j)
template <int W>
DEVICE void multiply(float (&sum)[ROWS][COLUMNS], const float* own, const float* other, int r, int c) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) sum[i][j] = 0;
#pragma unroll 1  // more takes more registers than there are
    for (int d = 0; d < W; d += 4) {
        Vector<4> x[ROWS], y[COLUMNS];
#pragma unroll
        for (int i = 0; i < ROWS; ++i) x[i] = *(const Vector<4>*)(own + (r + 16 * i) * (W + PAD) + d);
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) y[j] = *(const Vector<4>*)(other + (c + 16 * j) * (W + PAD) + d);
#pragma unroll
        for (int e = 0; e < 4; ++e)
#pragma unroll
            for (int i = 0; i < ROWS; ++i)
#pragma unroll
                for (int j = 0; j < COLUMNS; ++j) sum[i][j] += x[i].at[e] * y[j].at[e];
    }
}

// The columns of a product of width W that a thread has, as vectors.
template <int W>
struct Columns {
    static constexpr int VEC = W % 64 == 0 ? 4 : W % 32 == 0 ? 2 : 1, COUNT = W / 16;
    DEVICE static int place(int c, int n) { return c * VEC + n / VEC * 16 * VEC + n % VEC; }
};

// sum[i] += sum_n weights[r + 16 i][n] other[n]
template <int W>
DEVICE void accumulate(float (&sum)[ROWS][W / 16], const float* weights, const float* other, int r, int c) {
    constexpr int VEC = Columns<W>::VEC;
    for (int n = 0; n < OTHER; n += 4) {
        Vector<4> x[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; ++i) x[i] = *(const Vector<4>*)(weights + (r + 16 * i) * (OTHER + PAD) + n);
#pragma unroll
        for (int e = 0; e < 4; ++e)
#pragma unroll
            for (int j = 0; j < W / 16; j += VEC) {
                const Vector<VEC> y = *(const Vector<VEC>*)(other + (n + e) * (W + PAD) + Columns<W>::place(c, j));
#pragma unroll
                for (int i = 0; i < ROWS; ++i)
#pragma unroll
                    for (int lane = 0; lane < VEC; ++lane) sum[i][j + lane] += x[i].at[e] * y.at[lane];
            }
    }
}

// Write factor[i] * sum[i] as the rows first + r + 16 i of a matrix (limit, D).
template <int D, int W>
DEVICE void store(float* matrix, const float (&sum)[ROWS][W / 16], const float (&factor)[ROWS], int first, int limit,
                  int r, int c) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        const int row = first + r + 16 * i;
#pragma unroll
        for (int j = 0; j < W / 16; ++j) {
            const int d = Columns<W>::place(c, j);
            if (row < limit && d < D) matrix[(i64)row * D + d] = factor[i] * sum[i][j];
        }
    }
}

// Write a tile of weights, or of scores' gradients: only the warp that has its rows reads them.
DEVICE void share(float* tile, const float (&values)[ROWS][COLUMNS], int r, int c) {
    __syncwarp();
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) tile[(r + 16 * i) * (OTHER + PAD) + c + 16 * j] = values[i][j];
    __syncwarp();
}

DEVICE void stretch(float (&scores)[ROWS][COLUMNS], float factor) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) scores[i][j] *= factor;
}

// Give the scores that do not count -infinity; the own rows are queries, or keys.
template <bool KEYS_OWN>
DEVICE void hide(float (&scores)[ROWS][COLUMNS], Sight sight, int own, int other) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            const int row = own + 16 * i, column = other + 16 * j;
            if (!sight.sees(KEYS_OWN ? column : row, KEYS_OWN ? row : column)) scores[i][j] = MINUS_INFINITY;
        }
}
