// Forward on tensor cores: scores, softmax and sum, one tile of keys after the other.

// Over the four lanes that have a row's columns.
DEVICE float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

DEVICE float row_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// One tile of scores enters the softmax: largest, total (of this lane's keys) and sum are those of all tiles so far.
DEVICE void raise(float (&scores)[GROUPS][OTHER / 8][4], float (&largest)[GROUPS][2], float (&total)[GROUPS][2],
                  float (&sum)[GROUPS][W_V / 8][4]) {
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float highest = LOWEST;
#pragma unroll
            for (int n = 0; n < OTHER / 8; ++n)
                highest = fmaxf(highest, fmaxf(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
            highest = fmaxf(largest[m][half], row_max(highest));
            const float shrink = exp2_fast(largest[m][half] - highest);
            largest[m][half] = highest;
            total[m][half] *= shrink;
#pragma unroll
            for (int n = 0; n < W_V / 8; ++n) {
                sum[m][n][2 * half] *= shrink;
                sum[m][n][2 * half + 1] *= shrink;
            }
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

// out = sum_s keep_s weight_s v_s / total; a block has OWN queries
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_forward(
    const Element* __restrict__ q, const Element* __restrict__ k, const Element* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, OUTPUT* __restrict__ out, float* __restrict__ lse,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(128) unsigned char shared[];
    Element* q_tile = (Element*)shared;
    Element* k_tile = q_tile + OWN * ROW_K;
    Element* v_tile = k_tile + OTHER * ROW_K;

    const i64 bh = blockIdx.x / blocks, b = bh / heads;
    const int first = (blocks - 1 - blockIdx.x % blocks) * OWN;  // the last queries first: they see the most keys
    const Lane at;
    const Sight sight(visible, seen, b, sources, offset);
    const int stop = sight.seen_by(min(first + OWN, targets) - 1);
    q += bh * targets * IN_K, k += bh * sources * IN_K, v += bh * sources * IN_V;

    load<THREADS, IN_K, W_K, ROW_K, OWN>(q_tile, q, first, targets);
    load<THREADS, IN_K, W_K, ROW_K, OTHER>(k_tile, k, 0, sources);
    copy_commit();
    load<THREADS, IN_V, W_V, ROW_V, OTHER>(v_tile, v, 0, sources);
    copy_commit();
    float largest[GROUPS][2], total[GROUPS][2] = {}, sum[GROUPS][W_V / 8][4] = {};
#pragma unroll
    for (int m = 0; m < GROUPS; ++m) largest[m][0] = largest[m][1] = LOWEST;
    for (int start = 0; start < stop; start += OTHER) {
        float weights[GROUPS][OTHER / 8][4];
        copy_wait<1>();
        __syncthreads();  // k is here, and v of the last tile no longer needed
        multiply<W_K, ROW_K>(weights, q_tile, k_tile, at);
        __syncthreads();  // k is no longer needed
        if (start + OTHER < stop) load<THREADS, IN_K, W_K, ROW_K, OTHER>(k_tile, k, start + OTHER, sources);
        copy_commit();
        const bool clear = sight.all_see(first, start + OTHER);
        finish<false>(weights, scale * LOG2_E, sight, clear, first + at.row, start + at.column);
        raise(weights, largest, total, sum);
        if (DROPS) drop(weights, base, bh * targets + first + at.row, start + at.column, threshold, factor);
        copy_wait<1>();
        __syncthreads();  // v is here
        accumulate<W_V, ROW_V>(sum, weights, v_tile, at);
        __syncthreads();  // v is no longer needed
        if (start + OTHER < stop) load<THREADS, IN_V, W_V, ROW_V, OTHER>(v_tile, v, start + OTHER, sources);
        copy_commit();
    }
    copy_wait<0>();
    float part[GROUPS][2];
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int t = first + at.row + 16 * m + 8 * half;
            const bool blind = sight.blind(t);
            const float whole = row_sum(total[m][half]);
            part[m][half] = blind ? 0 : 1 / whole;
            if (at.column == 0 && t < targets) lse[bh * targets + t] = log_sum(largest[m][half], whole, blind);
        }
    store<D_V, W_V>(out + bh * targets * D_V, sum, part, first, targets, at);
}
