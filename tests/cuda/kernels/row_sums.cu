// A small kernel with what the real ones have: asynchronous copies in two buffers, barriers, an exchange within warps.
// The macros plant one mistake each.

constexpr int THREADS = 64, TILE = 64, SOURCES = TILE / 4;

// Starts to copy a tile; beyond the row's end it is filled with zeros.
__device__ __forceinline__ void load_tile(float* tile, const float* row, int start, int columns) {
    if (threadIdx.x >= SOURCES) return;
    const int column = start + 4 * threadIdx.x;
#ifdef UNALIGNED
    copy_async_16(tile + 4 * threadIdx.x, row + column + 1, column + 4 < columns);
#else
    copy_async_16(tile + 4 * threadIdx.x, row + column, column < columns);
#endif
}

// Of a warp, each lane holding a part; lane 0 gets the sum.
__device__ __forceinline__ float sum_of_warp(float* parts, float part) {
    parts[threadIdx.x] = part;
#ifndef NO_WARP_BARRIER
    __syncwarp();
#endif
    float sum = 0.f;
    if (threadIdx.x % 32 == 0)
        for (int i = 0; i < 32; ++i) sum += parts[threadIdx.x + i];
    return sum;
}

// out[r] = scale * sum of x[r], for a row a block; columns a multiple of 4
extern "C" __global__ void __launch_bounds__(THREADS) row_sums(const float* __restrict__ x, float* __restrict__ out,
                                                               int columns, float scale) {
    extern __shared__ __align__(128) unsigned char shared[];
    float* tiles = reinterpret_cast<float*>(shared);  // two
    float* parts = tiles + 2 * TILE;                  // one a thread
    const float* row = x + static_cast<long long>(blockIdx.x) * columns;
#ifdef BEYOND_THE_END
    row += 4;
#endif
    const int tile_count = (columns + TILE - 1) / TILE;
    float part = 0.f;
    load_tile(tiles, row, 0, columns);
    copy_commit();
    for (int i = 0; i < tile_count; ++i) {
        // The barrier says of tile i that it is there, and of tile i - 1 that nobody reads it any more.
#ifdef EARLY_COPY
        load_tile(tiles + (i + 1) % 2 * TILE, row, (i + 1) * TILE, columns);
        copy_commit();
        copy_wait<1>();
        __syncthreads();
#else
#ifndef NO_WAIT
        copy_wait<0>();
#endif
#ifdef DIVERGENT
        if (threadIdx.x < 32) __syncthreads();
#elif !defined(NO_BARRIER)
        __syncthreads();
#endif
        load_tile(tiles + (i + 1) % 2 * TILE, row, (i + 1) * TILE, columns);
        copy_commit();
#endif
        part += tiles[i % 2 * TILE + (threadIdx.x + 5) % TILE];
    }
    const float sum = sum_of_warp(parts, part);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x] = sum;
    __syncthreads();
#ifdef SAME_PLACE
    out += -static_cast<int>(blockIdx.x);
#endif
    if (threadIdx.x == 0) out[blockIdx.x] = scale * (parts[0] + parts[32]);
}
