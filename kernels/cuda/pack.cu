// Rows for tensor cores, of 16-bit elements and filled up with zeros to a width, a multiple of 16, of rows of d floats.
//
// Macros: FORMAT, Fp16 or Bf16.

typedef FORMAT::Element Element;

struct __align__(16) Eight {
    Element at[8];
};

// A thread for each eight elements of a row.
extern "C" __global__ void __launch_bounds__(256) attention_pack(
    const float* __restrict__ from, Element* __restrict__ to, long long rows, int d, int width) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    const int eights = width / 8;
    if (i >= rows * eights) return;
    const long long row = i / eights;
    const int first = (int)(i - row * eights) * 8;
    Eight packed;
#pragma unroll
    for (int e = 0; e < 8; ++e) packed.at[e] = FORMAT::rounded(first + e < d ? from[row * d + first + e] : 0.f);
    *(Eight*)(to + 8 * i) = packed;
}
