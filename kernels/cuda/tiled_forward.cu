// Forward of the rung with tiles in shared memory: scores, softmax and sum, one tile of keys after the other.

// Over the sixteen threads that have a row's columns.
DEVICE float row_max(float x) {
#pragma unroll
    for (int distance = 8; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
    return x;
}

DEVICE float row_sum(float x) {
#pragma unroll
    for (int distance = 8; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
    return x;
}

// One tile of scores, in base 2, enters the softmax: largest, total (of this thread's keys) and sum are those of all tiles so far.
template <int W>
DEVICE void raise(float (&scores)[ROWS][COLUMNS], float (&largest)[ROWS], float (&total)[ROWS],
                  float (&sum)[ROWS][W / 16]) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        float highest = LOWEST;
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) highest = fmaxf(highest, scores[i][j]);
        highest = fmaxf(largest[i], row_max(highest));
        const float shrink = exp2_fast(largest[i] - highest);
        largest[i] = highest;
        total[i] *= shrink;
#pragma unroll
        for (int j = 0; j < W / 16; ++j) sum[i][j] *= shrink;
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            scores[i][j] = exp2_fast(scores[i][j] - highest);
            total[i] += scores[i][j];
        }
    }
}

// out = sum_s keep_s weight_s v_s / total; a block has OWN queries
extern "C" __global__ void __launch_bounds__(THREADS) attention_forward(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, float* __restrict__ out, float* __restrict__ lse,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(128) unsigned char shared[];
    float* q_tile = (float*)shared;
    float* k_tile = q_tile + OWN * (W_K + PAD);
    float* v_tile = k_tile + OTHER * (W_K + PAD);
    float* weight_tile = v_tile + OTHER * (W_V + PAD);

    const i64 bh = blockIdx.x / blocks, b = bh / heads;
    const int first = (blocks - 1 - blockIdx.x % blocks) * OWN;  // the last queries first: they see the most keys
    const int r = threadIdx.x / 16, c = threadIdx.x % 16;
    const Sight sight(visible, seen, b, sources, offset);
    const int stop = sight.seen_by(min(first + OWN, targets) - 1);
    q += bh * targets * D_K, k += bh * sources * D_K, v += bh * sources * D_V;

    load<THREADS, D_K, W_K, W_K + PAD, OWN>(q_tile, q, first, targets);
    load<THREADS, D_K, W_K, W_K + PAD, OTHER>(k_tile, k, 0, sources);
    copy_commit();
    load<THREADS, D_V, W_V, W_V + PAD, OTHER>(v_tile, v, 0, sources);
    copy_commit();
    float largest[ROWS], total[ROWS] = {}, sum[ROWS][W_V / 16] = {};
#pragma unroll
    for (int i = 0; i < ROWS; ++i) largest[i] = LOWEST;
    for (int start = 0; start < stop; start += OTHER) {
        float scores[ROWS][COLUMNS];
        copy_wait<1>();
        __syncthreads();  // k is here
        multiply<W_K>(scores, q_tile, k_tile, r, c);
        __syncthreads();  // k is no longer needed
        if (start + OTHER < stop) load<THREADS, D_K, W_K, W_K + PAD, OTHER>(k_tile, k, start + OTHER, sources);
        copy_commit();
        stretch(scores, scale * LOG2_E);
        if (!sight.all_see(first, start + OTHER)) hide<false>(scores, sight, first + r, start + c);
        raise<W_V>(scores, largest, total, sum);
        if (DROPS)
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
                const unsigned hashed = row_hash(base, bh * targets + first + r + 16 * i);
#pragma unroll
                for (int j = 0; j < COLUMNS; ++j) scores[i][j] *= keep_factor(hashed, start + c + 16 * j, threshold, factor);
            }
        share(weight_tile, scores, r, c);
        copy_wait<1>();
        __syncthreads();  // v is here
        accumulate<W_V>(sum, weight_tile, v_tile, r, c);
        __syncthreads();  // v is no longer needed
        if (start + OTHER < stop) load<THREADS, D_V, W_V, W_V + PAD, OTHER>(v_tile, v, start + OTHER, sources);
        copy_commit();
    }
    copy_wait<0>();
    float part[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        const int t = first + r + 16 * i;
        const bool blind = sight.blind(t);
        total[i] = row_sum(total[i]);
        part[i] = blind ? 0 : 1 / total[i];
        if (c == 0 && t < targets) lse[bh * targets + t] = log_sum(largest[i], total[i], blind);
    }
    store<D_V, W_V>(out + bh * targets * D_V, sum, part, first, targets, r, c);
}
