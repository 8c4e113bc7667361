// Backward with warpgroups: one kernel for dq, one for dk and dv, each computes the weights.
//
// lse, in base 2, and delta (B, H, T filled up to a multiple of 128): 0 where there is no query, as is dout.

struct Barriers {
    u64 own;
    Ring others;
};

DEVICE void init(Barriers& barriers) {
    if (threadIdx.x == 0) {
        barrier_init(&barriers.own, 1);
        barriers.others.init();
        barrier_publish();
    }
    __syncthreads();
}

// dq = scale sum_s dscore_s k_s with dscore_s = weight_s (keep_s dout . v_s - delta); a block has OWN queries
extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_backward_q(
    const Element* __restrict__ q, const Element* __restrict__ k, const Element* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const float* __restrict__ lse,
    const Element* __restrict__ dout, const float* __restrict__ delta, OUTPUT* __restrict__ dq,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(1024) unsigned char shared[];
    Element* q_tile = (Element*)shared;
    Element* dout_tile = q_tile + OWN * W_K;
    Element* k_tiles = dout_tile + OWN * W_V;
    Element* v_tiles = k_tiles + STAGES * OTHER * W_K;
    Barriers& barriers = *(Barriers*)(v_tiles + STAGES * OTHER * W_V);

    const i64 bh = blockIdx.x / blocks, b = bh / heads;
    const int first = (blocks - 1 - blockIdx.x % blocks) * OWN;
    const Sight sight(visible, seen, b, sources, offset);
    const int stop = sight.seen_by(min(first + OWN, targets) - 1);
    init(barriers);

    if (!multiplies()) {
        registers_leave<FEW>();
        if (!brings() || stop <= 0) return;
        barrier_expect(&barriers.own, OWN * (W_K + W_V) * sizeof(Element));
        bring<CHUNKS_K, OWN>(q_tile, q + bh * filled(targets) * W_K, first, targets, &barriers.own);
        bring<CHUNKS_V, OWN>(dout_tile, dout + bh * filled(targets) * W_V, first, targets, &barriers.own);
        k += bh * filled(sources) * W_K, v += bh * filled(sources) * W_V;
        Turn turn;
        for (int start = 0; start < stop; start += OTHER, turn.next()) {
            u64* here = barriers.others.here + turn.stage;
            barriers.others.wait_free(turn);
            barrier_expect(here, OTHER * (W_K + W_V) * sizeof(Element));
            bring<CHUNKS_K, OTHER>(k_tiles + turn.stage * OTHER * W_K, k, start, sources, here);
            bring<CHUNKS_V, OTHER>(v_tiles + turn.stage * OTHER * W_V, v, start, sources, here);
        }
        return;
    }
    registers_take<MANY>();

    const Lane at;
    Turn next, now;  // whose scores are computed, and who is summed
    float scores[GROUPS][OTHER / 8][4], dscores[GROUPS][OTHER / 8][4], sum[GROUPS][W_K / 8][4] = {};
    float lse_2[GROUPS][2], delta_t[GROUPS][2];
    const float factors[GROUPS][2] = {{scale, scale}};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const i64 t = bh * filled(targets) + first + at.row + 8 * half;
        lse_2[0][half] = lse[t], delta_t[0][half] = delta[t];
    }
    Format::A operand[OTHER / 16];
    const auto start_scores = [&] {
        barriers.others.wait_here(next);
        product_fence();
        multiply<CHUNKS_K>(scores, own_rows(q_tile), k_tiles + next.stage * OTHER * W_K);
        multiply<CHUNKS_V>(dscores, own_rows(dout_tile), v_tiles + next.stage * OTHER * W_V);
        product_commit();
    };
    const auto take_dscores = [&](int) { take(operand, dscores); };
    const auto start_sum = [&] {
        product_fence();
        accumulate<CHUNKS_K>(sum, operand, k_tiles + now.stage * OTHER * W_K);
        product_commit();
    };
    const auto take_scores = [&](int start) {
        product_use(scores[0]);
        product_use(dscores[0]);
        next.next();
        const bool clear = sight.all_see(first, start + OTHER);
        finish<false>(scores, scale * LOG2_E, sight, clear, first + at.row, start + at.column);
        if (DROPS) drop(dscores, base, bh * targets + first + at.row, start + at.column, threshold, factor);
        differentiate(scores, dscores, lse_2, delta_t);
        product_after(dscores[0][OTHER / 8 - 1][3]);
    };
    const auto take_sum = [&] {
        product_wait<0>();
        product_use(sum[0]);
        barriers.others.release(now);
        now.next();
    };
    if (stop > 0) barrier_wait(&barriers.own, 0);
    pass_by(stop, start_scores, take_scores, take_dscores, start_sum, take_sum);
    store<D_K, W_K>(dq + bh * targets * D_K, sum, factors, first, targets, at);
}

// What dropout makes of the accumulators that a thread has in a tile: value e of block n is kept where bit 4 n + e is 1.
struct Kept {
    unsigned bits;
    float factor;
    DEVICE float operator()(float x, int n, int e) const {
        return !DROPS ? x : bits >> (4 * n + e) & 1 ? factor * x : 0;
    }
};

// The rows are keys, from `key` on, the columns queries, from `query` on among all of the batch.
DEVICE Kept keep(i64 query, int key, u64 base, unsigned threshold, float factor) {
    static_assert(OTHER <= 64, "a bit for each");
    Kept kept = {0, factor};
#pragma unroll
    for (int n = 0; n < OTHER / 8 * DROPS; ++n)
#pragma unroll
        for (int place = 0; place < 2; ++place) {
            const unsigned hashed = row_hash(base, query + 8 * n + place);
#pragma unroll
            for (int half = 0; half < 2; ++half)
                kept.bits |= (unsigned)keeps(hashed, key + 8 * half, threshold) << (4 * n + 2 * half + place);
        }
    return kept;
}

// weights = exp(scores - lse), before dropout
DEVICE void weigh(float (&scores)[GROUPS][OTHER / 8][4], const float* lse_2) {
#pragma unroll
    for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) scores[0][n][e] = exp2_fast(at_most_zero(scores[0][n][e] - lse_2[8 * n + e % 2]));
}

// Weights after dropout, as an operand.
DEVICE void take(Format::A (&operand)[OTHER / 16], Kept kept, const float (&weights)[GROUPS][OTHER / 8][4]) {
#pragma unroll
    for (int k = 0; k < OTHER / 16; ++k) {
        float both[2][4];
#pragma unroll
        for (int e = 0; e < 8; ++e) both[e / 4][e % 4] = kept(weights[0][2 * k + e / 4][e % 4], 2 * k + e / 4, e % 4);
        Format::take(operand[k], both[0], both[1]);
    }
}

// dscores = weights * (keep dweights - delta), of which the dweights come in
DEVICE void differentiate(const float (&weights)[GROUPS][OTHER / 8][4], float (&dscores)[GROUPS][OTHER / 8][4], Kept kept,
                          const float* delta) {
#pragma unroll
    for (int n = 0; n < OTHER / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e)
            dscores[0][n][e] = weights[0][n][e] * (kept(dscores[0][n][e], n, e) - delta[8 * n + e % 2]);
}

// dv_s = sum_t keep weight dout_t and dk_s = scale sum_t dscore q_t; a block has OWN keys
extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_backward_kv(
    const Element* __restrict__ q, const Element* __restrict__ k, const Element* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const float* __restrict__ lse,
    const Element* __restrict__ dout, const float* __restrict__ delta, OUTPUT* __restrict__ dk, OUTPUT* __restrict__ dv,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(1024) unsigned char shared[];
    Element* k_tile = (Element*)shared;
    Element* v_tile = k_tile + OWN * W_K;
    Element* q_tiles = v_tile + OWN * W_V;
    Element* dout_tiles = q_tiles + STAGES * OTHER * W_K;
    float* lse_tiles = (float*)(dout_tiles + STAGES * OTHER * W_V);
    float* delta_tiles = lse_tiles + STAGES * OTHER;
    Barriers& barriers = *(Barriers*)(delta_tiles + STAGES * OTHER);

    const i64 bh = blockIdx.x / blocks, b = bh / heads;
    const int first = blockIdx.x % blocks * OWN;  // the first keys first: the most queries see them
    const Sight sight(visible, seen, b, sources, offset);
    const int begin = first < sight.stop ? sight.first_to_see(first) / OTHER * OTHER : targets;
    init(barriers);

    if (!multiplies()) {
        registers_leave<FEW>();
        if (!brings() || begin >= targets) return;
        barrier_expect(&barriers.own, OWN * (W_K + W_V) * sizeof(Element));
        bring<CHUNKS_K, OWN>(k_tile, k + bh * filled(sources) * W_K, first, sources, &barriers.own);
        bring<CHUNKS_V, OWN>(v_tile, v + bh * filled(sources) * W_V, first, sources, &barriers.own);
        q += bh * filled(targets) * W_K, dout += bh * filled(targets) * W_V;
        lse += bh * filled(targets), delta += bh * filled(targets);
        Turn turn;
        for (int start = begin; start < targets; start += OTHER, turn.next()) {
            u64* here = barriers.others.here + turn.stage;
            barriers.others.wait_free(turn);
            barrier_expect(here, OTHER * ((W_K + W_V) * sizeof(Element) + 2 * sizeof(float)));
            bring<CHUNKS_K, OTHER>(q_tiles + turn.stage * OTHER * W_K, q, start, targets, here);
            bring<CHUNKS_V, OTHER>(dout_tiles + turn.stage * OTHER * W_V, dout, start, targets, here);
            copy_bulk(lse_tiles + turn.stage * OTHER, lse + start, OTHER * sizeof(float), here);
            copy_bulk(delta_tiles + turn.stage * OTHER, delta + start, OTHER * sizeof(float), here);
        }
        return;
    }
    registers_take<MANY>();

    const Lane at;
    Turn turn;
    float weights[GROUPS][OTHER / 8][4], dscores[GROUPS][OTHER / 8][4];
    float dk_sum[GROUPS][W_K / 8][4] = {}, dv_sum[GROUPS][W_V / 8][4] = {};
    if (begin < targets) barrier_wait(&barriers.own, 0);
    for (int start = begin; start < targets; start += OTHER, turn.next()) {
        const Element *q_tile = q_tiles + turn.stage * OTHER * W_K, *dout_tile = dout_tiles + turn.stage * OTHER * W_V;
        const float* lse_tile = lse_tiles + turn.stage * OTHER + at.column;
        const float* delta_tile = delta_tiles + turn.stage * OTHER + at.column;
        const Kept kept = keep(bh * targets + start + at.column, first + at.row, base, threshold, factor);
        barriers.others.wait_here(turn);
        const auto start_dscores = [&] {
            product_fence();
            multiply<CHUNKS_V>(dscores, own_rows(v_tile), dout_tile);
            product_commit();
        };
        product_fence();
        multiply<CHUNKS_K>(weights, own_rows(k_tile), q_tile);
        product_commit();
        if (!DROPS) start_dscores();  // with dropout, registers lack for what is beside them
        product_wait<!DROPS>();
        product_use(weights[0]);
        const bool clear = sight.all_see(start, first + OWN);
        finish<true>(weights, scale * LOG2_E, sight, clear, first + at.row, start + at.column);
        weigh(weights, lse_tile);
        if (DROPS) start_dscores();
        Format::A operand[OTHER / 16];
        const auto start_dv = [&] {
            take(operand, kept, weights);
            product_fence();
            accumulate<CHUNKS_V>(dv_sum, operand, dout_tile);
            product_commit();
        };
        if (!DROPS) start_dv();
        product_wait<!DROPS>();
        product_use(dscores[0]);
        differentiate(weights, dscores, kept, delta_tile);
        if (DROPS) start_dv();
        Format::A doperand[OTHER / 16];
        take(doperand, dscores);
        product_fence();
        accumulate<CHUNKS_K>(dk_sum, doperand, q_tile);
        product_commit();
        product_wait<0>();
        product_use(dv_sum[0]);
        product_use(dk_sum[0]);
        barriers.others.release(turn);
    }
    const float ones[GROUPS][2] = {{1, 1}}, factors[GROUPS][2] = {{scale, scale}};
    store<D_V, W_V>(dv + bh * sources * D_V, dv_sum, ones, first, sources, at);
    store<D_K, W_K>(dk + bh * sources * D_K, dk_sum, factors, first, sources, at);
}
