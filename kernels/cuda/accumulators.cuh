// What a block on tensor cores does with its accumulators, before they are an operand again and when they are results.
//
// Macros: FORMAT; OUTPUT, float or, of halves, unsigned short; GROUPS, of 16 rows, that a warp has; OTHER, the rows of a
// tile of the other side.

typedef FORMAT Format;
typedef Format::Element Element;

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

struct __align__(2 * sizeof(OUTPUT)) Pair {
    OUTPUT at[2];
};

// Write factor * sum as rows of a matrix (limit, D); neighbours together, where their place allows it.
template <int D, int W>
DEVICE void store(OUTPUT* matrix, const float (&sum)[GROUPS][W / 8][4], const float (&factor)[GROUPS][2], int first,
                  int limit, Lane at) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int n = 0; n < W / 8; ++n)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int row = first + at.row + 16 * m + 8 * half, d = at.column + 8 * n;
                const float *pair = sum[m][n] + 2 * half, times = factor[m][half];
                OUTPUT* to = matrix + (i64)row * D + d;
                if (row < limit && D % 2 == 0 && d < D)
                    *(Pair*)to = {rounded<OUTPUT>(times * pair[0]), rounded<OUTPUT>(times * pair[1])};
                if (row < limit && D % 2 == 1)
#pragma unroll
                    for (int place = 0; place < 2; ++place)
                        if (d + place < D) to[place] = rounded<OUTPUT>(times * pair[place]);
            }
}
