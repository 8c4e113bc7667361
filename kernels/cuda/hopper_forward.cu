// Forward with warpgroups: the products of one tile are under way while the softmax of the next is computed.

struct Barriers {
    u64 own;
    Ring k, v;
};

// out = sum_s keep_s weight_s v_s / total; a block has OWN queries
extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_forward(
    const Element* __restrict__ q, const Element* __restrict__ k, const Element* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, OUTPUT* __restrict__ out, float* __restrict__ lse,
    int blocks, int heads, int targets, int sources, int offset, float scale,
    u64 base, unsigned threshold, float factor) {
    extern __shared__ __align__(1024) unsigned char shared[];
    Element* q_tile = (Element*)shared;
    Element* k_tiles = q_tile + OWN * W_K;
    Element* v_tiles = k_tiles + STAGES * OTHER * W_K;
    Barriers& barriers = *(Barriers*)(v_tiles + STAGES * OTHER * W_V);

    const i64 bh = blockIdx.x / blocks, b = bh / heads;
    const int first = (blocks - 1 - blockIdx.x % blocks) * OWN;  // the last queries first: they see the most keys
    const Sight sight(visible, seen, b, sources, offset);
    const int stop = sight.seen_by(min(first + OWN, targets) - 1);
    if (threadIdx.x == 0) {
        barrier_init(&barriers.own, 1);
        barriers.k.init();
        barriers.v.init();
        barrier_publish();
    }
    __syncthreads();

    if (!multiplies()) {
        registers_leave<FEW>();
        if (!brings() || stop <= 0) return;
        barrier_expect(&barriers.own, OWN * W_K * sizeof(Element));
        bring<CHUNKS_K, OWN>(q_tile, q + bh * filled(targets) * W_K, first, targets, &barriers.own);
        k += bh * filled(sources) * W_K, v += bh * filled(sources) * W_V;
        Turn turn;
        for (int start = 0; start < stop; start += OTHER, turn.next()) {
            barriers.k.wait_free(turn);
            barrier_expect(barriers.k.here + turn.stage, OTHER * W_K * sizeof(Element));
            bring<CHUNKS_K, OTHER>(k_tiles + turn.stage * OTHER * W_K, k, start, sources, barriers.k.here + turn.stage);
            barriers.v.wait_free(turn);
            barrier_expect(barriers.v.here + turn.stage, OTHER * W_V * sizeof(Element));
            bring<CHUNKS_V, OTHER>(v_tiles + turn.stage * OTHER * W_V, v, start, sources, barriers.v.here + turn.stage);
        }
        return;
    }
    registers_take<MANY>();

    const Lane at;
    Softmax softmax;
    Turn of_k, of_v;
    float scores[GROUPS][OTHER / 8][4], sum[GROUPS][W_V / 8][4] = {};
    Format::A weights[OTHER / 16];
    const auto start_scores = [&] {
        barriers.k.wait_here(of_k);
        product_fence();
        multiply<CHUNKS_K>(scores, own_rows(q_tile), k_tiles + of_k.stage * OTHER * W_K);
        product_commit();
    };
    const auto start_sum = [&] {
        barriers.v.wait_here(of_v);
        product_fence();
        accumulate<CHUNKS_V>(sum, weights, v_tiles + of_v.stage * OTHER * W_V);
        product_commit();
    };
    const auto take_scores = [&](int start) {
        product_use(scores[0]);
        barriers.k.release(of_k);
        of_k.next();
        const bool clear = sight.all_see(first, start + OTHER);
        finish<false>(scores, scale * LOG2_E, sight, clear, first + at.row, start + at.column);
        softmax.raise(scores);
        product_after(softmax.total[0][0] + softmax.total[0][1]);
    };
    const auto take_weights = [&](int start) {
        softmax.rescale(sum);
        if (DROPS) drop(scores, base, bh * targets + first + at.row, start + at.column, threshold, factor);
        take(weights, scores);
    };
    const auto take_sum = [&] {
        product_wait<0>();
        product_use(sum[0]);
        barriers.v.release(of_v);
        of_v.next();
    };
    if (stop > 0) barrier_wait(&barriers.own, 0);
    pass_by(stop, start_scores, take_scores, take_weights, start_sum, take_sum);
    float factors[GROUPS][2];
    softmax.close(factors, lse + bh * targets, first, targets, sight, at);
    store<D_V, W_V>(out + bh * targets * D_V, sum, factors, first, targets, at);
}
