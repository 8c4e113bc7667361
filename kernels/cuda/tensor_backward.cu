// Backward on tensor cores: one kernel for dq, one for dk and dv, each computes the weights. Where the sums of dk and dv
// are too many for the registers, they are computed one after the other.
//
// Macros: GIVES_DK, GIVES_DV (0 or 1), what the second kernel computes.

// Weights and dscores as in `differentiate` where the rows are keys, from `key` on, and the columns queries, from `query` on among all of the batch; the
// scores leave as weights, after dropout. Where dscores are not WANTED, nothing is done with them.
template <bool WANTED>
DEVICE void differentiate_turned(float (&weights)[GROUPS][OTHER / 8][4], float (&dscores)[GROUPS][OTHER / 8][4],
                                 const float* lse, const float* delta, i64 query, int key, u64 base,
                                 unsigned threshold, float factor) {
#pragma unroll
    for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
        for (int place = 0; place < 2; ++place) {
            const float lse_2 = base_2(lse[8 * n + place]), delta_t = delta[8 * n + place];
            const unsigned hashed = DROPS ? row_hash(base, query + 8 * n + place) : 0;
#pragma unroll
            for (int m = 0; m < GROUPS; ++m)
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    float &weight = weights[m][n][2 * half + place], &dscore = dscores[m][n][2 * half + place];
                    const float kept = keep_factor(hashed, key + 16 * m + 8 * half, threshold, factor);
                    weight = exp2_fast(at_most_zero(weight - lse_2));
                    if (WANTED) dscore = weight * (kept * dscore - delta_t);
                    weight *= kept;
                }
        }
}

// dq = scale sum_s dscore_s k_s with dscore_s = weight_s (keep_s dout . v_s - delta); a block has OWN queries
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_backward_q(
    const Element* __restrict__ q, const Element* __restrict__ k, const Element* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const float* __restrict__ lse,
    const Element* __restrict__ dout, const float* __restrict__ delta, OUTPUT* __restrict__ dq,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(128) unsigned char shared[];
    Element* q_tile = (Element*)shared;
    Element* dout_tile = q_tile + OWN * ROW_K;
    Element* others = dout_tile + OWN * ROW_V;  // of each stage, k and v

    const i64 bh = blockIdx.x / blocks, b = bh / heads, row = bh * targets;
    const int first = (blocks - 1 - blockIdx.x % blocks) * OWN;
    const Lane at;
    const Sight sight(visible, seen, b, sources, offset);
    const int stop = sight.seen_by(min(first + OWN, targets) - 1);
    k += bh * sources * IN_K, v += bh * sources * IN_V;

    const auto bring = [&](int stage, int start) {
        Element* tile = others + stage * OTHER * (ROW_K + ROW_V);
        load<THREADS, IN_K, W_K, ROW_K, OTHER>(tile, k, start, sources);
        load<THREADS, IN_V, W_V, ROW_V, OTHER>(tile + OTHER * ROW_K, v, start, sources);
    };
    load<THREADS, IN_K, W_K, ROW_K, OWN>(q_tile, q + row * IN_K, first, targets);
    load<THREADS, IN_V, W_V, ROW_V, OWN>(dout_tile, dout + row * IN_V, first, targets);
    bring(0, 0);
    copy_commit();
    float lse_2[GROUPS][2], delta_t[GROUPS][2], factors[GROUPS][2], sum[GROUPS][W_K / 8][4] = {};
#pragma unroll
    for (int m = 0; m < GROUPS; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int t = first + at.row + 16 * m + 8 * half;
            lse_2[m][half] = t < targets ? base_2(lse[row + t]) : 0;
            delta_t[m][half] = t < targets ? delta[row + t] : 0;
            factors[m][half] = scale;
        }
    for (int start = 0, stage = 0; start < stop; start += OTHER, stage = STAGES - 1 - stage) {
        const Element* k_tile = others + stage * OTHER * (ROW_K + ROW_V);
        float weights[GROUPS][OTHER / 8][4], dscores[GROUPS][OTHER / 8][4];
        if (STAGES == 2 && start + OTHER < stop) bring(1 - stage, start + OTHER);
        copy_commit();
        copy_wait<STAGES == 2>();
        __syncthreads();
        multiply<W_K, ROW_K>(weights, q_tile, k_tile, at);
        multiply<W_V, ROW_V>(dscores, dout_tile, k_tile + OTHER * ROW_K, at);
        const bool clear = sight.all_see(first, start + OTHER);
        finish<false>(weights, scale * LOG2_E, sight, clear, first + at.row, start + at.column);
        if (DROPS) drop(dscores, base, row + first + at.row, start + at.column, threshold, factor);
        differentiate(weights, dscores, lse_2, delta_t);
        accumulate<W_K, ROW_K>(sum, dscores, k_tile, at);
        __syncthreads();  // k and v are no longer needed
        if (STAGES == 1 && start + OTHER < stop) bring(0, start + OTHER);
        if (STAGES == 1) copy_commit();
    }
    copy_wait<0>();
    store<D_K, W_K>(dq + row * D_K, sum, factors, first, targets, at);
}

// dv_s = sum_t keep weight dout_t and dk_s = scale sum_t dscore q_t; a block has OWN keys
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_backward_kv(
    const Element* __restrict__ q, const Element* __restrict__ k, const Element* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const float* __restrict__ lse,
    const Element* __restrict__ dout, const float* __restrict__ delta, OUTPUT* __restrict__ dk, OUTPUT* __restrict__ dv,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(128) unsigned char shared[];
    Element* k_tile = (Element*)shared;
    Element* v_tile = k_tile + OWN * ROW_K;
    Element* others = v_tile + OWN * ROW_V;  // of each stage, q and dout
    float* lse_tile = (float*)(others + STAGES * OTHER * (ROW_K + ROW_V));  // of each stage, lse and delta

    const i64 bh = blockIdx.x / blocks, b = bh / heads, row = bh * targets;
    const int first = blockIdx.x % blocks * OWN;  // the first keys first: the most queries see them
    const Lane at;
    const Sight sight(visible, seen, b, sources, offset);
    q += row * IN_K, dout += row * IN_V, lse += row, delta += row;

    const auto bring = [&](int stage, int start) {
        Element* tile = others + stage * OTHER * (ROW_K + ROW_V);
        load<THREADS, IN_K, W_K, ROW_K, OTHER>(tile, q, start, targets);
        load<THREADS, IN_V, W_V, ROW_V, OTHER>(tile + OTHER * ROW_K, dout, start, targets);
        load<THREADS, 1, 1, 1, OTHER>(lse_tile + 2 * stage * OTHER, lse, start, targets);
        load<THREADS, 1, 1, 1, OTHER>(lse_tile + (2 * stage + 1) * OTHER, delta, start, targets);
    };
    const int begin = first < sight.stop ? sight.first_to_see(first) / OTHER * OTHER : targets;
    load<THREADS, IN_K, W_K, ROW_K, OWN>(k_tile, k + bh * sources * IN_K, first, sources);
    load<THREADS, IN_V, W_V, ROW_V, OWN>(v_tile, v + bh * sources * IN_V, first, sources);
    bring(0, begin);
    copy_commit();
    float factors[GROUPS][2], dk_sum[GROUPS][W_K / 8][4] = {}, dv_sum[GROUPS][W_V / 8][4] = {};
    for (int start = begin, stage = 0; start < targets; start += OTHER, stage = STAGES - 1 - stage) {
        const Element* q_tile = others + stage * OTHER * (ROW_K + ROW_V);
        const float* lse_row = lse_tile + 2 * stage * OTHER + at.column;
        float weights[GROUPS][OTHER / 8][4], dscores[GROUPS][OTHER / 8][4];
        if (STAGES == 2 && start + OTHER < targets) bring(1 - stage, start + OTHER);
        copy_commit();
        copy_wait<STAGES == 2>();
        __syncthreads();
        multiply<W_K, ROW_K>(weights, k_tile, q_tile, at);
        if (GIVES_DK) multiply<W_V, ROW_V>(dscores, v_tile, q_tile + OTHER * ROW_K, at);
        const bool clear = sight.all_see(start, first + OWN);
        finish<true>(weights, scale * LOG2_E, sight, clear, first + at.row, start + at.column);
        const i64 query = row + start + at.column;
        differentiate_turned<GIVES_DK>(weights, dscores, lse_row, lse_row + OTHER, query, first + at.row, base, threshold,
                                       factor);
        if (GIVES_DV) accumulate<W_V, ROW_V>(dv_sum, weights, q_tile + OTHER * ROW_K, at);
        if (GIVES_DK) accumulate<W_K, ROW_K>(dk_sum, dscores, q_tile, at);
        __syncthreads();  // q and dout are no longer needed
        if (STAGES == 1 && start + OTHER < targets) bring(0, start + OTHER);
        if (STAGES == 1) copy_commit();
    }
    copy_wait<0>();
#pragma unroll
    for (int m = 0; m < GROUPS; ++m) factors[m][0] = factors[m][1] = 1;
    if (GIVES_DV) store<D_V, W_V>(dv + bh * sources * D_V, dv_sum, factors, first, sources, at);
#pragma unroll
    for (int m = 0; m < GROUPS; ++m) factors[m][0] = factors[m][1] = scale;
    if (GIVES_DK) store<D_K, W_K>(dk + bh * sources * D_K, dk_sum, factors, first, sources, at);
}
