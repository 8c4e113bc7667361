// The wrappers of kernels/cuda/ptx.cuh for the CPU, each with the meaning that the PTX ISA gives its instruction.
// The figures named below are those of the PTX ISA, "Warp Level Matrix Instructions".
#pragma once

#include "cuda_on_cpu.hpp"
#include "tensor_core.hpp"

#define DEVICE __device__ __forceinline__  // as in ptx.cuh

namespace emulator {

inline bool is_nan(float x) { return x != x; }

inline float flush_subnormal(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

// Rounds away the low bits of a float, to nearest, ties to even. What is too large becomes infinite by the carry.
inline unsigned drop_bits_to_even(unsigned bits, unsigned count) {
    const unsigned odd = bits >> count & 1;
    return (bits + (1u << (count - 1)) - 1 + odd) >> count;
}

inline unsigned short to_f16(float x) {
    if (is_nan(x)) return 0x7fff;
    const unsigned short sign = __float_as_uint(x) >> 16 & 0x8000;
    const float size = fabsf(x);
    if (size >= 65520) return sign | 0x7c00;                             // 65504, the largest, and half a step
    if (size < 0x1p-14f) return sign | unsigned(rintf(size * 0x1p24f));  // subnormal: whole steps of 2^-24
    const unsigned rebias = (127 - 15) << 10;
    return sign | (drop_bits_to_even(__float_as_uint(size), 13) - rebias);
}

inline unsigned short to_bf16(float x) { return is_nan(x) ? 0x7fff : drop_bits_to_even(__float_as_uint(x), 16); }

}  // namespace emulator

// --- numbers ---------------------------------------------------------------------------------------------------------

// ex2.approx.ftz.f32, here without the error of 2^-22 that it may have
inline float exp2_fast(float x) { return emulator::flush_subnormal(exp2f(emulator::flush_subnormal(x))); }

// cvt.rn.f16x2.f32
inline unsigned pack_f16(float low, float high) {
    return emulator::to_f16(low) | unsigned(emulator::to_f16(high)) << 16;
}

// cvt.rn.bf16x2.f32
inline unsigned pack_bf16(float low, float high) {
    return emulator::to_bf16(low) | unsigned(emulator::to_bf16(high)) << 16;
}

// cvt.f32.f16
inline float f16_to_float(unsigned short x) {
    const unsigned sign = (x & 0x8000u) << 16, rest = (x & 0x7fffu) << 13;
    if (rest >= 0x0f800000) return __uint_as_float(sign | 0x7f800000 | rest);         // infinite or NaN
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(rest) * 0x1p112f));  // exponents 127 - 15 apart
}

// the upper half of a float
inline float bf16_to_float(unsigned short x) { return __uint_as_float(unsigned(x) << 16); }

// cvt.rna.tf32.f32: 10 bits of mantissa stay, ties away from zero
inline unsigned round_tf32(float x) {
    if (emulator::is_nan(x)) return 0x7fffffff;
    const unsigned half = 1u << 12;
    return (__float_as_uint(x) + half) & ~(2 * half - 1);
}

namespace emulator {

// --- matrices from shared memory to fragments ------------------------------------------------------------------------

// The rows of four matrices of halves, 8 by 8: lane 8 m + i gives that of row i of matrix m.
struct Rows {
    const void* rows[LANES];

    unsigned pair(int matrix, int i, int j, bool transposed) const {
        return half(matrix, i, j) | half(matrix, i + transposed, j + !transposed) << 16;
    }

    unsigned half(int matrix, int i, int j) const {
        return static_cast<const unsigned short*>(rows[8 * matrix + i])[j];
    }
};

}  // namespace emulator

// ldmatrix.sync.aligned.m8n8.x4.shared.b16: of each matrix, a lane gets two neighbours of row lane / 4
inline void ldmatrix_x4(unsigned (&r)[4], const void* row) {
    emulator::Rows given;
    emulator::gather_rows(given.rows, row, "ldmatrix");
    const unsigned lane = emulator::current->lane;
    for (int matrix = 0; matrix < 4; ++matrix) r[matrix] = given.pair(matrix, lane / 4, lane % 4 * 2, false);
}

// ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16: of each matrix, two neighbours of column lane / 4
inline void ldmatrix_x4_transposed(unsigned (&r)[4], const void* row) {
    emulator::Rows given;
    emulator::gather_rows(given.rows, row, "ldmatrix");
    const unsigned lane = emulator::current->lane;
    for (int matrix = 0; matrix < 4; ++matrix) r[matrix] = given.pair(matrix, lane % 4 * 2, lane / 4, true);
}

namespace emulator {

// --- products of fragments -------------------------------------------------------------------------------------------

// What a lane holds of a (16, K), b (K, 8) and the sums d (16, 8); registers of two halves are taken apart.
template <int K>
struct Fragments {
    float a[K / 2], b[K / 4], d[4];
};

struct Element {
    int row, column;
};

// Figures "m16n8k16 A/B/C fragment": a lane holds pairs of neighbours along k; element i and i + 1 of such a pair.
template <int K>
inline Element place_of_a(int lane, int i) {
    if (K == 16) return {lane / 4 + (i / 2 % 2) * 8, lane % 4 * 2 + i % 2 + i / 4 * 8};
    return {lane / 4 + i % 2 * 8, lane % 4 + i / 2 * 4};  // "m16n8k8 for .tf32": single elements
}

template <int K>
inline Element place_of_b(int lane, int i) {
    if (K == 16) return {lane % 4 * 2 + i % 2 + i / 2 * 8, lane / 4};
    return {lane % 4 + i * 4, lane / 4};
}

inline Element place_of_d(int lane, int i) { return {lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2}; }

// d += a b for the whole warp
template <int K>
void multiply(void* fragments) {
    auto* lanes = static_cast<Fragments<K>*>(fragments);
    float a[16][K], b[K][8], d[16][8];
    for (int lane = 0; lane < int(LANES); ++lane) {
        for (int i = 0; i < K / 2; ++i) a[place_of_a<K>(lane, i).row][place_of_a<K>(lane, i).column] = lanes[lane].a[i];
        for (int i = 0; i < K / 4; ++i) b[place_of_b<K>(lane, i).row][place_of_b<K>(lane, i).column] = lanes[lane].b[i];
        for (int i = 0; i < 4; ++i) d[place_of_d(lane, i).row][place_of_d(lane, i).column] = lanes[lane].d[i];
    }
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column) {
            double terms[K + 1];
            for (int k = 0; k < K; ++k) terms[k] = double(a[row][k]) * b[k][column];
            terms[K] = d[row][column];
            d[row][column] = truncated_sum(terms);
        }
    for (int lane = 0; lane < int(LANES); ++lane)
        for (int i = 0; i < 4; ++i) lanes[lane].d[i] = d[place_of_d(lane, i).row][place_of_d(lane, i).column];
}

template <int K>
void multiply_in_warp(float (&d)[4], Fragments<K>& mine, const char* operation) {
    memcpy(mine.d, d, sizeof d);
    change_in_warp(&mine, sizeof mine, multiply<K>, operation);
    memcpy(d, mine.d, sizeof d);
}

template <class Convert>
void multiply_halves(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, Convert to_float,
                     const char* operation) {
    Fragments<16> mine;
    const unsigned b[2] = {b0, b1};
    for (int i = 0; i < 8; ++i) mine.a[i] = to_float(a[i / 2] >> i % 2 * 16);
    for (int i = 0; i < 4; ++i) mine.b[i] = to_float(b[i / 2] >> i % 2 * 16);
    multiply_in_warp(d, mine, operation);
}

}  // namespace emulator

// mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
inline void mma_f16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    emulator::multiply_halves(d, a, b0, b1, f16_to_float, "mma_f16");
}

// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    emulator::multiply_halves(d, a, b0, b1, bf16_to_float, "mma_bf16");
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: the low 13 bits of a and b are not looked at
inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    auto to_float = [](unsigned bits) { return __uint_as_float(bits & ~0x1fffu); };
    emulator::Fragments<8> mine = {{}, {to_float(b0), to_float(b1)}, {}};
    for (int i = 0; i < 4; ++i) mine.a[i] = to_float(a[i]);
    emulator::multiply_in_warp(d, mine, "mma_tf32");
}

// --- asynchronous copies ---------------------------------------------------------------------------------------------

// cp.async.cg.shared.global, 16 bytes; zeros where not valid, then global is not read
inline void copy_async_16(void* shared, const void* global, bool valid) {
    emulator::start_copy(shared, valid ? global : nullptr, 16);
}

// cp.async.ca.shared.global, 4 bytes
inline void copy_async_4(void* shared, const void* global, bool valid) {
    emulator::start_copy(shared, valid ? global : nullptr, 4);
}

// cp.async.commit_group
inline void copy_commit() { emulator::commit_copies(); }

// cp.async.wait_group: of the groups committed, the N latest may still be under way
template <int N>
inline void copy_wait() {
    emulator::finish_copies(N);
}
