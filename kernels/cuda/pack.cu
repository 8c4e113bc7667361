// Rows for tensor cores, of 16-bit elements and filled up with zeros to a width, of rows of d floats.
//
// Macros: FORMAT, Fp16 or Bf16.

typedef FORMAT::Element Element;

extern "C" __global__ void __launch_bounds__(256) attention_pack(
    const float* __restrict__ from, Element* __restrict__ to, long long rows, int d, int width) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= rows * width) return;
    const int column = (int)(i % width);
    to[i] = FORMAT::rounded(column < d ? from[i / width * d + column] : 0.f);
}
