// Forward on tensor cores: scores, softmax and sum, one tile of keys after the other.

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
    Softmax softmax;
    float sum[GROUPS][W_V / 8][4] = {};
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
        softmax.raise(weights);
        softmax.rescale(sum);
        if (DROPS) drop(weights, base, bh * targets + first + at.row, start + at.column, threshold, factor);
        copy_wait<1>();
        __syncthreads();  // v is here
        accumulate<W_V, ROW_V>(sum, weights, v_tile, at);
        __syncthreads();  // v is no longer needed
        if (start + OTHER < stop) load<THREADS, IN_V, W_V, ROW_V, OTHER>(v_tile, v, start + OTHER, sources);
        copy_commit();
    }
    copy_wait<0>();
    float factors[GROUPS][2];
    softmax.close(factors, lse + bh * targets, first, targets, sight, at);
    store<D_V, W_V>(out + bh * targets * D_V, sum, factors, first, targets, at);
}
