// Attention with Hopper's warpgroups: the last rung of the GPU's ladder, in halves or bfloat16.
//
// The same tiles, softmax and two backward kernels as in tensor.cuh; what differs is how operands come and who
// multiplies them. Each four warps multiply 64 own rows with a whole tile of the other side at once (wgmma), straight
// from shared memory and while they do something else. Four more warps leave them their registers, and one thread of these
// does nothing but bring tiles (copies in bulk), STAGES of them ahead; barriers in shared memory say which are here and
// which are free again. So a warpgroup's softmax runs beside the other's products, and beside its own [1].
//
// Operands have been packed by attention_pack_chunks: of each head, columns in chunks of 64, which is a line of 128 bytes,
// and of each chunk, all rows. A line's eight parts of sixteen bytes stand in the order part ^ (row % 8), so that a column
// lies in all banks; shared memory gets the lines as they are, eight rows of them from a multiple of 1024 bytes on, which
// is what wgmma calls 128-byte swizzling: no tensor map is needed.
//
// Macros: those of accumulators.cuh, FORMAT being Fp16 or Bf16 and GROUPS 1; D_K, D_V, up to 128; WARPS, that multiply, a
// multiple of 4; STAGES.
//
// [1] Shah, Bikshandi, Zhang, Thakkar, Ramani, Dao, "FlashAttention-3", 2024, algorithms 1 and 2.

static constexpr int CHUNK = 64, LINE = 128;  // elements, and bytes
static constexpr int FILL = 128;              // of which the packed lengths are multiples
static constexpr int CHUNKS_K = (D_K + CHUNK - 1) / CHUNK, CHUNKS_V = (D_V + CHUNK - 1) / CHUNK;
static constexpr int W_K = CHUNK * CHUNKS_K, W_V = CHUNK * CHUNKS_V;
static constexpr int OWN = 16 * WARPS, THREADS = 32 * WARPS + 128;
static constexpr int FEW = 24, MANY = 240;  // registers of a thread that brings tiles, and of one that multiplies

DEVICE int filled(int length) {
    return (length + FILL - 1) / FILL * FILL;
}

// Does this warpgroup multiply, or bring tiles? And if so, is this the one of its threads that does?
DEVICE bool multiplies() {
    return threadIdx.x < 32 * WARPS;
}

DEVICE bool brings() {
    return threadIdx.x == 32 * WARPS;
}

// The own rows of this warpgroup in a tile's first chunk; the compiler is told that its threads agree.
DEVICE const Element* own_rows(const Element* tile) {
    return tile + __shfl_sync(0xffffffffu, (int)threadIdx.x / 128, 0) * 64 * CHUNK;
}

// Which stage is next, and the parity of its barriers' phase.
struct Turn {
    int stage = 0;
    unsigned parity = 0;
    DEVICE void next() {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        parity ^= stage == 0;
    }
};

// Of every stage, a barrier for "it is here", and one for "all warps are done with it".
struct Ring {
    u64 here[STAGES], free[STAGES];
    DEVICE void init() {
        for (int stage = 0; stage < STAGES; ++stage) {
            barrier_init(here + stage, 1);
            barrier_init(free + stage, WARPS);
        }
    }
    DEVICE void wait_here(Turn turn) { barrier_wait(here + turn.stage, turn.parity); }
    DEVICE void wait_free(Turn turn) { barrier_wait(free + turn.stage, turn.parity ^ 1); }
    DEVICE void release(Turn turn) {
        __syncwarp();
        if (threadIdx.x % 32 == 0) barrier_arrive(free + turn.stage);
    }
};

// Set rows first .. first + ROWS - 1 of a packed matrix, of `length` rows, on their way to a tile.
template <int CHUNKS, int ROWS>
DEVICE void bring(Element* tile, const Element* matrix, int first, int length, u64* here) {
    for (int c = 0; c < CHUNKS; ++c)
        copy_bulk(tile + c * ROWS * CHUNK, matrix + ((i64)c * filled(length) + first) * CHUNK, ROWS * LINE, here);
}

// What wgmma needs to know of a matrix in shared memory: where it starts, the distance of two chunks where rows are
// contracted, the distance of eight rows, and "128-byte swizzling", each in units of 16 bytes.
DEVICE u64 matrix_at(const Element* start, int chunk_bytes) {
    return (shared_address(start) & 0x3ffff) >> 4 | (u64)(chunk_bytes >> 4) << 16 | (u64)(8 * LINE >> 4) << 32 | 1ull << 62;
}

// The matrix that starts so many elements further.
DEVICE u64 further(u64 matrix, int elements) {
    return matrix + (elements * sizeof(Element) >> 4);
}

template <int N>
DEVICE void product_tiles(Fp16, float (&d)[N][4], u64 a, u64 b, bool adds) {
    product_tiles_f16(d, a, b, adds);
}

template <int N>
DEVICE void product_tiles(Bf16, float (&d)[N][4], u64 a, u64 b, bool adds) {
    product_tiles_bf16(d, a, b, adds);
}

template <int N>
DEVICE void product_rows(Fp16, float (&d)[N][4], const Format::A& a, u64 b) {
    product_rows_f16(d, a.pairs, b);
}

template <int N>
DEVICE void product_rows(Bf16, float (&d)[N][4], const Format::A& a, u64 b) {
    product_rows_bf16(d, a.pairs, b);
}

// scores = own other^T, under way; own are a warpgroup's rows
template <int CHUNKS>
DEVICE void multiply(float (&scores)[GROUPS][OTHER / 8][4], const Element* own, const Element* other) {
    const u64 a = matrix_at(own, 0), b = matrix_at(other, 0);
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c)
#pragma unroll
        for (int d = 0; d < CHUNK; d += 16)
            product_tiles(Format(), scores[0], further(a, c * OWN * CHUNK + d), further(b, c * OTHER * CHUNK + d), c + d > 0);
}

// sum += weights other, under way
template <int CHUNKS>
DEVICE void accumulate(float (&sum)[GROUPS][8 * CHUNKS][4], const Format::A (&weights)[OTHER / 16], const Element* other) {
    const u64 b = matrix_at(other, OTHER * LINE);
#pragma unroll
    for (int k = 0; k < OTHER / 16; ++k) product_rows(Format(), sum[0], weights[k], further(b, 16 * k * CHUNK));
}

// Accumulators as an operand of the next product.
DEVICE void take(Format::A (&operand)[OTHER / 16], const float (&weights)[GROUPS][OTHER / 8][4]) {
#pragma unroll
    for (int k = 0; k < OTHER / 16; ++k) Format::take(operand[k], weights[0][2 * k], weights[0][2 * k + 1]);
}

// Let the other side pass by, up to row `stop`: while a tile's product into the sum is under way, the scores of the next
// one are computed, and what is computed from them. Each tile is told by its first row.
template <class StartScores, class TakeScores, class TakeWeights, class StartSum, class TakeSum>
DEVICE void pass_by(int stop, StartScores start_scores, TakeScores take_scores, TakeWeights take_weights,
                    StartSum start_sum, TakeSum take_sum) {
    if (stop <= 0) return;
    start_scores();
    product_wait<0>();
    take_scores(0);
    take_weights(0);
    for (int start = OTHER; start < stop; start += OTHER) {
        start_scores();
        start_sum();
        product_wait<1>();
        take_scores(start);
        take_sum();
        take_weights(start);
    }
    start_sum();
    take_sum();
}
