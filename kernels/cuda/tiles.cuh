// What the rungs with tiles in shared memory share.

// Widths of rows in shared memory, filled with zeros.
static constexpr int W_K = (D_K + 15) / 16 * 16, W_V = (D_V + 15) / 16 * 16;

// Set rows first .. first + COUNT - 1 of a matrix (limit, D) on their way to a tile of width W, in rows of STRIDE; what
// there is not is filled with zeros. Rows start at sixteen bytes, or their elements are copied one by one.
template <int THREADS, int D, int W, int STRIDE, int COUNT, class Element>
DEVICE void load(Element* tile, const Element* matrix, int first, int limit) {
    constexpr bool WHOLE = D * sizeof(Element) % 16 == 0;
    constexpr int STEP = WHOLE ? 16 / sizeof(Element) : 1;
    static_assert(WHOLE || sizeof(Element) == 4, "rows of halves are padded to sixteen bytes before");
    for (int i = threadIdx.x; i < COUNT * (W / STEP); i += THREADS) {
        const int row = i / (W / STEP), d = i % (W / STEP) * STEP;
        const bool valid = first + row < limit && d < D;
        const Element* from = matrix + (valid ? (i64)(first + row) * D + d : 0);
        Element* to = tile + row * STRIDE + d;
        if (WHOLE) copy_async_16(to, from, valid);
        else copy_async_4(to, from, valid);
    }
}
