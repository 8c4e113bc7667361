// What tensor cores multiply: operands of three formats, each with the same six functions, so that one kernel serves all.
//
// A is a block of 16 x 16 (rows, contracted), B one of 16 x 16 (contracted, columns). Lane 4 g + t has the rows g and
// g + 8 of A, the columns g and g + 8 of B, and of a product the rows g and g + 8 and the columns 2 t, 2 t + 1 of two
// blocks, 16 x 8, of float accumulators.

// Sixteen bits: halves or bfloat16. What is contracted stands in the order that ldmatrix brings.
template <class Format>
struct SixteenBits {
    typedef unsigned short Element;
    static constexpr int PAD = 8;  // of rows in shared memory: eight rows at the same place lie in different banks
    struct A {
        unsigned pairs[4];
    };
    struct B {
        unsigned pairs[4];
    };

    DEVICE static void load_rows(A& a, const Element* tile, int stride, int lane) {
        ldmatrix_x4(a.pairs, tile + lane % 16 * stride + lane / 16 * 8);
    }

    // Columns of B are rows of the tile.
    DEVICE static void load_turned(B& b, const Element* tile, int stride, int lane) {
        ldmatrix_x4(b.pairs, tile + (lane / 16 * 8 + lane % 8) * stride + lane / 8 % 2 * 8);
    }

    DEVICE static void load_upright(B& b, const Element* tile, int stride, int lane) {
        ldmatrix_x4_transposed(b.pairs, tile + lane % 16 * stride + lane / 16 * 8);
    }

    // Accumulators are an operand of the next product without leaving their registers.
    DEVICE static void take(A& a, const float (&left)[4], const float (&right)[4]) {
        a.pairs[0] = Format::pack(left[0], left[1]);
        a.pairs[1] = Format::pack(left[2], left[3]);
        a.pairs[2] = Format::pack(right[0], right[1]);
        a.pairs[3] = Format::pack(right[2], right[3]);
    }

    DEVICE static void multiply_add(float (&left)[4], float (&right)[4], const A& a, const B& b) {
        Format::multiply_add(left, a.pairs, b.pairs[0], b.pairs[1]);
        Format::multiply_add(right, a.pairs, b.pairs[2], b.pairs[3]);
    }

    DEVICE static Element rounded(float x) { return (Element)Format::pack(x, 0.f); }
};

struct Half {
    DEVICE static unsigned pack(float low, float high) { return pack_f16(low, high); }
    DEVICE static void multiply_add(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
        mma_f16(d, a, b0, b1);
    }
};

struct Brain {
    DEVICE static unsigned pack(float low, float high) { return pack_bf16(low, high); }
    DEVICE static void multiply_add(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
        mma_bf16(d, a, b0, b1);
    }
};

typedef SixteenBits<Half> Fp16;
typedef SixteenBits<Brain> Bf16;

// Float32 by three products of TF32: x = big + small, each of 11 bits, and of x y only small small is left out [1].
//
// Tensor cores cut off what a sum has too much, always towards zero, and over a long row that adds up to more than
// float32's error: so each sixteen places get a sum of their own, and sums are added outside, where they are rounded [1].
//
// An instruction contracts eight. Where an operand was a product's accumulators, slot t of a lane stands for place 2 t and
// slot t + 4 for place 2 t + 1, so that they stay in their lane; elsewhere for places t and t + 4, so that a warp reads
// from all banks.
//
// [1] Ootomo, Yokota, "Recovering single precision accuracy from Tensor Cores", 2022.
struct Tf32x3 {
    typedef float Element;
    static constexpr int PAD = 4;
    struct A {
        unsigned big[2][4], small[2][4];  // of each half of what is contracted
    };
    struct B {
        unsigned big[2][2][2], small[2][2][2];  // of each eight columns, of each half
    };

    DEVICE static float rounded(float x) { return x; }

    DEVICE static void split(float x, unsigned& big, unsigned& small) {
        big = round_tf32(x);
        small = round_tf32(x - __uint_as_float(big));
    }

    DEVICE static void load_rows(A& a, const float* tile, int stride, int lane) {
        const float* row = tile + lane / 4 * stride + lane % 4;
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
            for (int slot = 0; slot < 4; ++slot)
                split(row[slot % 2 * 8 * stride + half * 8 + slot / 2 * 4], a.big[half][slot], a.small[half][slot]);
    }

    DEVICE static void load_turned(B& b, const float* tile, int stride, int lane) {
        const float* row = tile + lane / 4 * stride + lane % 4;
#pragma unroll
        for (int side = 0; side < 2; ++side)
#pragma unroll
            for (int half = 0; half < 2; ++half)
#pragma unroll
                for (int slot = 0; slot < 2; ++slot)
                    split(row[side * 8 * stride + half * 8 + slot * 4], b.big[side][half][slot], b.small[side][half][slot]);
    }

    DEVICE static void load_upright(B& b, const float* tile, int stride, int lane) {
        const float* column = tile + lane % 4 * 2 * stride + lane / 4;
#pragma unroll
        for (int side = 0; side < 2; ++side)
#pragma unroll
            for (int half = 0; half < 2; ++half)
#pragma unroll
                for (int slot = 0; slot < 2; ++slot)
                    split(column[(half * 8 + slot) * stride + side * 8], b.big[side][half][slot], b.small[side][half][slot]);
    }

    DEVICE static void take(A& a, const float (&left)[4], const float (&right)[4]) {
#pragma unroll
        for (int slot = 0; slot < 4; ++slot) {
            const int from = slot % 2 * 2 + slot / 2;
            split(left[from], a.big[0][slot], a.small[0][slot]);
            split(right[from], a.big[1][slot], a.small[1][slot]);
        }
    }

    DEVICE static void multiply_add(float (&left)[4], float (&right)[4], const A& a, const B& b) {
        add_product(left, a, b.big[0], b.small[0]);
        add_product(right, a, b.big[1], b.small[1]);
    }

    DEVICE static void add_product(float (&d)[4], const A& a, const unsigned (&big)[2][2], const unsigned (&small)[2][2]) {
        float sum[4] = {};
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            mma_tf32(sum, a.small[half], big[half][0], big[half][1]);
            mma_tf32(sum, a.big[half], small[half][0], small[half][1]);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) mma_tf32(sum, a.big[half], big[half][0], big[half][1]);
#pragma unroll
        for (int e = 0; e < 4; ++e) d[e] += sum[e];
    }
};
