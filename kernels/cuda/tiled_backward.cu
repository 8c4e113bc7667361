// Backward of the rung with tiles in shared memory: one kernel for dq, one for dk and dv, each computes the weights.

// dq = scale sum_s dscore_s k_s with dscore_s = weight_s (keep_s dout . v_s - delta); a block has OWN queries
extern "C" __global__ void __launch_bounds__(THREADS) attention_backward_q(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const float* __restrict__ lse,
    const float* __restrict__ dout, const float* __restrict__ delta, float* __restrict__ dq,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(128) unsigned char shared[];
    float* q_tile = (float*)shared;
    float* dout_tile = q_tile + OWN * (W_K + PAD);
    float* k_tile = dout_tile + OWN * (W_V + PAD);
    float* v_tile = k_tile + OTHER * (W_K + PAD);
    float* dscore_tile = v_tile + OTHER * (W_V + PAD);

    const i64 bh = blockIdx.x / blocks, b = bh / heads, row = bh * targets;
    const int first = (blocks - 1 - blockIdx.x % blocks) * OWN;
    const int r = threadIdx.x / 16, c = threadIdx.x % 16;
    const Sight sight(visible, seen, b, sources, offset);
    const int stop = sight.seen_by(min(first + OWN, targets) - 1);
    k += bh * sources * D_K, v += bh * sources * D_V;

    load<THREADS, D_K, W_K, W_K + PAD, OWN>(q_tile, q + row * D_K, first, targets);
    load<THREADS, D_V, W_V, W_V + PAD, OWN>(dout_tile, dout + row * D_V, first, targets);
    float sum[ROWS][W_K / 16] = {}, factors[ROWS];
    for (int start = 0; start < stop; start += OTHER) {
        float weights[ROWS][COLUMNS], dscores[ROWS][COLUMNS];
        __syncthreads();  // k and v are no longer needed
        load<THREADS, D_K, W_K, W_K + PAD, OTHER>(k_tile, k, start, sources);
        load<THREADS, D_V, W_V, W_V + PAD, OTHER>(v_tile, v, start, sources);
        copy_commit();
        copy_wait<0>();
        __syncthreads();
        multiply<W_K>(weights, q_tile, k_tile, r, c);
        multiply<W_V>(dscores, dout_tile, v_tile, r, c);
        stretch(weights, scale * LOG2_E);
        if (!sight.all_see(first, start + OTHER)) hide<false>(weights, sight, first + r, start + c);
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
            const int t = first + r + 16 * i;
            const float lse_2 = t < targets ? base_2(lse[row + t]) : 0, delta_t = t < targets ? delta[row + t] : 0;
            const unsigned hashed = DROPS ? row_hash(base, row + t) : 0;
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                const int s = start + c + 16 * j;
                const float weight = exp2_fast(at_most_zero(weights[i][j] - lse_2));
                const float dweight = keep_factor(hashed, s, threshold, factor) * dscores[i][j];
                dscores[i][j] = weight * (dweight - delta_t);
            }
        }
        share(dscore_tile, dscores, r, c);
        accumulate<W_K>(sum, dscore_tile, k_tile, r, c);
    }
    copy_commit();
    copy_wait<0>();
#pragma unroll
    for (int i = 0; i < ROWS; ++i) factors[i] = scale;
    store<D_K, W_K>(dq + row * D_K, sum, factors, first, targets, r, c);
}

// dv_s = sum_t keep weight dout_t and dk_s = scale sum_t dscore q_t; a block has OWN keys
extern "C" __global__ void __launch_bounds__(THREADS) attention_backward_kv(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const float* __restrict__ lse,
    const float* __restrict__ dout, const float* __restrict__ delta, float* __restrict__ dk, float* __restrict__ dv,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(128) unsigned char shared[];
    float* k_tile = (float*)shared;
    float* v_tile = k_tile + OWN * (W_K + PAD);
    float* q_tile = v_tile + OWN * (W_V + PAD);
    float* dout_tile = q_tile + OTHER * (W_K + PAD);
    float* weight_tile = dout_tile + OTHER * (W_V + PAD);

    const i64 bh = blockIdx.x / blocks, b = bh / heads, row = bh * targets;
    const int first = blockIdx.x % blocks * OWN;  // the first keys first: the most queries see them
    const int r = threadIdx.x / 16, c = threadIdx.x % 16;
    const Sight sight(visible, seen, b, sources, offset);
    q += row * D_K, dout += row * D_V;

    load<THREADS, D_K, W_K, W_K + PAD, OWN>(k_tile, k + bh * sources * D_K, first, sources);
    load<THREADS, D_V, W_V, W_V + PAD, OWN>(v_tile, v + bh * sources * D_V, first, sources);
    float dk_sum[ROWS][W_K / 16] = {}, dv_sum[ROWS][W_V / 16] = {}, factors[ROWS];
    const int begin = first < sight.stop ? sight.first_to_see(first) / OTHER * OTHER : targets;
    for (int start = begin; start < targets; start += OTHER) {
        float weights[ROWS][COLUMNS], dscores[ROWS][COLUMNS];
        __syncthreads();  // q and dout are no longer needed
        load<THREADS, D_K, W_K, W_K + PAD, OTHER>(q_tile, q, start, targets);
        load<THREADS, D_V, W_V, W_V + PAD, OTHER>(dout_tile, dout, start, targets);
        copy_commit();
        copy_wait<0>();
        __syncthreads();
        multiply<W_K>(weights, k_tile, q_tile, r, c);
        multiply<W_V>(dscores, v_tile, dout_tile, r, c);
        stretch(weights, scale * LOG2_E);
        if (!sight.all_see(start, first + OWN)) hide<true>(weights, sight, first + r, start + c);
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            const int t = start + c + 16 * j;
            const float lse_2 = t < targets ? base_2(lse[row + t]) : 0, delta_t = t < targets ? delta[row + t] : 0;
            const unsigned hashed = DROPS ? row_hash(base, row + t) : 0;
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
                const int s = first + r + 16 * i;
                const float weight = exp2_fast(at_most_zero(weights[i][j] - lse_2));
                const float kept = keep_factor(hashed, s, threshold, factor);
                weights[i][j] = kept * weight;
                dscores[i][j] = weight * (kept * dscores[i][j] - delta_t);
            }
        }
        share(weight_tile, weights, r, c);
        accumulate<W_V>(dv_sum, weight_tile, dout_tile, r, c);
        share(weight_tile, dscores, r, c);
        accumulate<W_K>(dk_sum, weight_tile, q_tile, r, c);
    }
    copy_commit();
    copy_wait<0>();
#pragma unroll
    for (int i = 0; i < ROWS; ++i) factors[i] = 1;
    store<D_V, W_V>(dv + bh * sources * D_V, dv_sum, factors, first, sources, r, c);
#pragma unroll
    for (int i = 0; i < ROWS; ++i) factors[i] = scale;
    store<D_K, W_K>(dk + bh * sources * D_K, dk_sum, factors, first, sources, r, c);
}
