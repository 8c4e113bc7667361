// The softmax over scores in accumulators, one tile of keys after the other, and what backward makes of its weights.
// Scores are in base 2.

// Over the four lanes that have a row's columns.
DEVICE float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

DEVICE float row_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// The softmax so far of the rows that a lane has: the largest score, the sum of the exponentials of this lane's keys, and
// what the last tile has shrunk earlier sums by.
struct Softmax {
    float largest[GROUPS][2], total[GROUPS][2], shrink[GROUPS][2];

    DEVICE Softmax() {
#pragma unroll
        for (int m = 0; m < GROUPS; ++m)
#pragma unroll
            for (int half = 0; half < 2; ++half) largest[m][half] = LOWEST, total[m][half] = 0;
    }

    // One tile of scores enters, and leaves as exponentials.
    DEVICE void raise(float (&scores)[GROUPS][OTHER / 8][4]) {
#pragma unroll
        for (int m = 0; m < GROUPS; ++m)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float highest = LOWEST;
#pragma unroll
                for (int n = 0; n < OTHER / 8; ++n)
                    highest = fmaxf(highest, fmaxf(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
                highest = fmaxf(largest[m][half], row_max(highest));
                shrink[m][half] = exp2_fast(largest[m][half] - highest);
                largest[m][half] = highest;
                total[m][half] *= shrink[m][half];
#pragma unroll
                for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
                    for (int place = 0; place < 2; ++place) {
                        float& score = scores[m][n][2 * half + place];
                        score = exp2_fast(score - highest);
                        total[m][half] += score;
                    }
            }
    }

    // Sums of earlier tiles, after `raise`.
    template <int BLOCKS>
    DEVICE void rescale(float (&sum)[GROUPS][BLOCKS][4]) const {
#pragma unroll
        for (int m = 0; m < GROUPS; ++m)
#pragma unroll
            for (int n = 0; n < BLOCKS; ++n)
#pragma unroll
                for (int e = 0; e < 4; ++e) sum[m][n][e] *= shrink[m][e / 2];
    }

    // When all tiles are in: lse (targets) is written, from query `first` on, and the factors that sums still need.
    DEVICE void close(float (&factors)[GROUPS][2], float* lse, int first, int targets, Sight sight, Lane at) const {
#pragma unroll
        for (int m = 0; m < GROUPS; ++m)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int t = first + at.row + 16 * m + 8 * half;
                const bool blind = sight.blind(t);
                const float whole = row_sum(total[m][half]);
                factors[m][half] = blind ? 0 : 1 / whole;
                if (at.column == 0 && t < targets) lse[t] = log_sum(largest[m][half], whole, blind);
            }
    }
};

// dscores = weights * (dweights - delta), of which the dweights come in, and scores: the rows are queries
DEVICE void differentiate(const float (&scores)[GROUPS][OTHER / 8][4], float (&dscores)[GROUPS][OTHER / 8][4],
                          const float (&lse_2)[GROUPS][2], const float (&delta)[GROUPS][2]) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float weight = exp2_fast(at_most_zero(scores[m][n][e] - lse_2[m][e / 2]));
                dscores[m][n][e] = weight * (dscores[m][n][e] - delta[m][e / 2]);
            }
}
