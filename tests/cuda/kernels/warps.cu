// Shuffles, votes, barriers and indices; and the ways to get them wrong.

constexpr unsigned ALL = 0xffffffff;

// out (5, threads): one row an operation; votes (3): any, none, all of the last warp
extern "C" __global__ void shuffles(const float* __restrict__ x, float* __restrict__ out, int* __restrict__ votes) {
    const int thread = threadIdx.x, threads = blockDim.x;
    const float value = x[thread];
    out[thread] = __shfl_sync(ALL, value, 7);
    out[threads + thread] = __shfl_xor_sync(ALL, value, 5);
    out[2 * threads + thread] = __shfl_down_sync(ALL, value, 3);
    out[3 * threads + thread] = __shfl_xor_sync(ALL, value, 2, 4);
    out[4 * threads + thread] = __shfl_sync(ALL, value, 1, 8);
    const int any = __any_sync(ALL, thread % 32 == 3), none = __any_sync(ALL, thread < 0);
    const int all = __all_sync(ALL, thread >= 0) && !__all_sync(ALL, thread % 32 != 3);
    if (thread == threads - 1) {
        votes[0] = any;
        votes[1] = none;
        votes[2] = all;
    }
}

// out[i] = i over a grid and a block of three axes
extern "C" __global__ void indices(long long* __restrict__ out) {
    const dim3 size = blockDim;
    const long long block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const int thread = threadIdx.x + size.x * (threadIdx.y + size.y * threadIdx.z);
    out[block * (size.x * size.y * size.z) + thread] = block * (size.x * size.y * size.z) + thread;
}

// A prefix sum: barriers in a loop, two of which every step needs
extern "C" __global__ void __launch_bounds__(1024) prefix_sums(const int* __restrict__ x, int* __restrict__ out) {
    extern __shared__ __align__(128) unsigned char shared[];
    int* sums = reinterpret_cast<int*>(shared);
    sums[threadIdx.x] = x[threadIdx.x];
    for (int distance = 1; distance < blockDim.x; distance *= 2) {
        __syncthreads();
        const int other = threadIdx.x >= distance ? sums[threadIdx.x - distance] : 0;
        __syncthreads();
        sums[threadIdx.x] += other;
    }
    out[threadIdx.x] = sums[threadIdx.x];
}

extern "C" __global__ void mistakes(float* out, int which) {
    extern __shared__ __align__(128) unsigned char shared[];
    float registers[4] = {1.f, 2.f, 3.f, 4.f};
    if (which == 0 && threadIdx.x < 40) __syncthreads();
    if (which == 1 && threadIdx.x == 3) return;
    if (which == 1) __syncwarp();
    if (which == 2 && threadIdx.x % 2) __syncwarp();
    if (which == 2 && threadIdx.x % 2 == 0) __shfl_sync(ALL, 1, 0);
    if (which == 3) __shfl_sync(0xffffu, 1, 0);
    if (which == 4) out[0] = reinterpret_cast<float4*>(out + 1)->x;
    if (which == 5) out[0] = registers[threadIdx.x];
    if (which == 6) shared[threadIdx.x] = 0;
    float unset;
    if (which == 100) unset = 1.f;
    if (which == 8) out[0] = unset;
    if (which == 7) copy_async_4(out, out, true);
}
