// The wrappers of Hopper's instructions by themselves, on bytes in shared memory as the test lays them out.

// d (128, 32), of each thread, of products m64n64k16: with `rows`, a (128, 4) in registers and b a tile whose rows are
// contracted; else a and b two tiles whose columns are. `wrong` plants a mistake.
extern "C" __global__ void __launch_bounds__(128)
    multiply(const uint4* __restrict__ tiles, const unsigned* __restrict__ a, float* __restrict__ d,
             const unsigned long long* __restrict__ descriptors, int bytes, int rows, int brain, int wrong) {
    extern __shared__ __align__(1024) unsigned char shared[];
    unsigned long long& here = *(unsigned long long*)(shared + bytes);
    if (threadIdx.x == 0) {
        barrier_init(&here, wrong == 1 ? 2 : 1);
        barrier_publish();
        barrier_expect(&here, bytes);
        if (wrong == 2) barrier_expect(&here, 0);
        copy_bulk(shared + (wrong == 3 ? 8 : 0), tiles, bytes - (wrong == 4 ? 8 : 0), &here);
    }
    __syncthreads();
    if (wrong == 5) return;
    barrier_wait(&here, 0);
    float sums[8][4];
    unsigned registers[4];
    for (int n = 0; n < 32; ++n) sums[n / 4][n % 4] = d[32 * threadIdx.x + n];
    for (int i = 0; i < 4; ++i) registers[i] = a[4 * threadIdx.x + i];
    unsigned long long of_a = descriptors[0] + (wrong == 6 ? threadIdx.x : 0), of_b = descriptors[1];
    if (wrong == 7) of_b += 1 << 12;
    product_fence();
    if (rows && brain) product_rows_bf16(sums, registers, of_b);
    if (rows && !brain) product_rows_f16(sums, registers, of_b);
    if (!rows && brain) product_tiles_bf16(sums, of_a, of_b, true);
    if (!rows && !brain) product_tiles_f16(sums, of_a, of_b, true);
    product_commit();
    const float early = sums[0][0];
    product_wait<0>();
    product_use(sums);
    if (wrong == 8) sums[0][0] = early;
    for (int n = 0; n < 32; ++n) d[32 * threadIdx.x + n] = sums[n / 4][n % 4];
}
