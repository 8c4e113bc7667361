// A part of cuda_on_cpu.cpp: barriers in shared memory, copies in bulk, and products of warpgroups.
//
// When a copy lands, and whether a product reads shared memory at its start or at its wait, depends on the seed. Until
// then the target of a copy, and the accumulators of a product, are NaN.
#pragma once

#include "tensor_core.hpp"

namespace emulator {

// --- barriers and copies in bulk -------------------------------------------------------------------------------------

static PhaseBarrier& barrier_at(void* place) {
    const auto found = block->barriers.find(place);
    if (found == block->barriers.end()) fail("a barrier in shared memory that nobody has initialized");
    return found->second;
}

// For ThreadSanitizer: what comes before an arrival comes before what follows the wait for its phase.
static void* order_of(PhaseBarrier& barrier, unsigned parity) {
    return reinterpret_cast<char*>(&barrier) + 8 * (parity % 2);
}

static void release(PhaseBarrier& barrier) {
#ifdef __SANITIZE_THREAD__
    __tsan_release(order_of(barrier, barrier.phase.generation));
#else
    (void)barrier;
#endif
}

void init_barrier(void* place, unsigned arrivals) {
    check_aligned(place, 8, "barrier_init");
    check_shared(place, 8, "barrier_init");
    Unwatched scope;
    PhaseBarrier barrier;
    barrier.phase.operation = "a wait for a barrier in shared memory";
    barrier.arrivals = barrier.pending = arrivals;
    block->barriers[place] = barrier;
}

void publish_barriers() {
    Unwatched scope;
    for (auto& [place, barrier] : block->barriers) barrier.published = true;
}

void arrive(void* place, unsigned bytes) {
    Unwatched scope;
    PhaseBarrier& barrier = barrier_at(place);
    release(barrier);
    barrier.bytes += bytes;
    if (barrier.pending == 0) fail("more have arrived at a barrier in shared memory than it waits for");
    --barrier.pending;
    barrier.advance();
}

void wait_for_phase(void* place, unsigned parity) {
    Unwatched scope;
    PhaseBarrier& barrier = barrier_at(place);
    while (barrier.phase.generation % 2 == parity % 2) {
        fiber().waits_for = &barrier.phase;
        fiber().generation = barrier.phase.generation;
        hand_over();
        fiber().waits_for = nullptr;
    }
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(order_of(barrier, parity));
#endif
}

void start_bulk_copy(void* target, const void* source, unsigned bytes, void* place) {
    for (const void* address : {(const void*)target, source}) check_aligned(address, 16, "copy_bulk");
    if (bytes % 16 != 0) fail("copy_bulk: %u bytes, not a multiple of 16", bytes);
    check_shared(target, bytes, "copy_bulk");
    memset(target, 0xff, bytes);
    Unwatched scope;
    PhaseBarrier& barrier = barrier_at(place);
    if (!barrier.published) fail("copy_bulk: a barrier that was not published");
    release(barrier);
    block->copies.push_back({target, source, bytes, &barrier});
}

static void land(const BulkCopy& copy) {
    memcpy(copy.target, copy.source, copy.bytes);
    copy.barrier->bytes -= copy.bytes;
    copy.barrier->advance();
}

// Some of the copies land: all with seed 0, with others only a few, or none while threads can go on.
static bool land_copies(Order& order, bool progress) {
    std::vector<BulkCopy> rest;
    for (const BulkCopy& copy : block->copies) {
        const bool now = order.seed == 0 || !progress || (order.seed > 1 && order.random(4) == 0);
        if (now) land(copy);
        else rest.push_back(copy);
    }
    const bool landed = rest.size() < block->copies.size();
    block->copies = std::move(rest);
    return landed;
}

// --- products --------------------------------------------------------------------------------------------------------

static unsigned number_in_group() { return current->index.x % GROUP_THREADS; }

// An element in shared memory, 128-byte swizzling; `line` counts along the stride, `column` within a line.
static const unsigned char* element_at(uint64_t descriptor, unsigned line, unsigned column, unsigned chunk) {
    const unsigned start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4;
    const unsigned stride = (descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0) fail("wgmma: a layout that is not emulated");
    unsigned address = start + chunk * leading + line / 8 * stride + line % 8 * 128 + column * 2;
    address ^= (address >> 7 & 7) << 4;
    const unsigned char* place = shared + (address - SHARED_WINDOW);
    check_shared(place, 2, "wgmma");
    return place;
}

static float load(const Wgmma& wgmma, uint64_t descriptor, unsigned line, unsigned column, unsigned chunk) {
    unsigned short bits;
    {
        Watched shared_memory;
        memcpy(&bits, element_at(descriptor, line, column, chunk), 2);
    }
    return wgmma.to_float(bits);
}

// "Register Fragments for wgmma.mma_async.m64nNk16": of each warp's sixteen rows as for mma.m16n8k16.
static float a_in_registers(const Product& product, unsigned row, unsigned k) {
    const unsigned thread = row / 16 * 32 + row % 8 * 4 + k % 8 / 2, pair = row % 16 / 8 + k / 8 * 2;
    return product.wgmma.to_float(product.a[thread][pair] >> k % 2 * 16);
}

static float& accumulator(Product& product, unsigned row, unsigned column) {
    const unsigned thread = row / 16 * 32 + row % 8 * 4 + column % 8 / 2;
    return product.d[thread * ROWS + column / 8 * 4 + row % 16 / 8 * 2 + column % 2];
}

static void compute(Product& product) {
    if (product.done) return;
    product.done = true;
    const Wgmma& wgmma = product.wgmma;
    if (product.before) {
        compute(*product.before);
        product.d = product.before->d;
        product.before.reset();
    }
    float a[ROWS][CONTRACTED];
    std::vector<float> b(wgmma.columns * CONTRACTED);
    std::vector<bool> empty(ROWS, true);
    for (unsigned row = 0; row < ROWS; ++row)
        for (unsigned k = 0; k < CONTRACTED; ++k) {
            a[row][k] = wgmma.a_in_registers ? a_in_registers(product, row, k) : load(wgmma, wgmma.a, row, k, 0);
            if (a[row][k] != 0) empty[row] = false;
        }
    bool finite = true;
    for (unsigned column = 0; column < wgmma.columns; ++column)
        for (unsigned k = 0; k < CONTRACTED; ++k) {
            float& value = b[column * CONTRACTED + k];
            value = wgmma.rows_of_b ? load(wgmma, wgmma.b, k, column % 64, column / 64) : load(wgmma, wgmma.b, column, k, 0);
            finite = finite && isfinite(value);
        }
    for (unsigned row = 0; row < ROWS; ++row)
        for (unsigned column = 0; column < wgmma.columns; ++column) {
            float& d = accumulator(product, row, column);
            if (!wgmma.adds) d = 0;
            if (empty[row] && finite) continue;  // nothing is added
            double terms[CONTRACTED + 1];
            for (unsigned k = 0; k < CONTRACTED; ++k) terms[k] = double(a[row][k]) * b[column * CONTRACTED + k];
            terms[CONTRACTED] = d;
            d = truncated_sum(terms);
        }
}

static bool same(const Wgmma& x, const Wgmma& y) {
    return x.columns == y.columns && x.adds == y.adds && x.a == y.a && x.b == y.b && x.rows_of_b == y.rows_of_b;
}

void start_product(float* d, const Wgmma& wgmma, const unsigned* a_registers) {
    Unwatched scope;
    if (!fiber().fenced) fail("wgmma: product_fence() is missing, since registers may have been written");
    Warpgroup& group = *fiber().group;
    if (group.barrier.members != GROUP_THREADS) fail("wgmma: a warpgroup of fewer than 128 threads");
    if (group.barrier.arrived == 0) {
        group.product = std::make_shared<Product>();
        group.product->wgmma = wgmma;
    }
    const std::shared_ptr<Product> product = group.product;
    if (!same(product->wgmma, wgmma)) fail("wgmma: the threads of a warpgroup do not agree");
    const unsigned thread = number_in_group();
    if (a_registers) memcpy(product->a[thread], a_registers, sizeof product->a[thread]);
    for (const Started& earlier : fiber().products)
        if (earlier.d == d) product->before = earlier.product;
    if (!product->before) memcpy(&product->d[thread * ROWS], d, wgmma.columns / 2 * sizeof(float));
    memset(d, 0xff, wgmma.columns / 2 * sizeof(float));
    fiber().products.push_back({product, d, fiber().product_groups});
    const bool at_once = launched->seed % 2 == 0;
    meet_and_order_memory(group.barrier, "wgmma");
    if (at_once && thread % LANES == 0) compute(*product);
}

void fence_products() { fiber().fenced = true; }

void commit_products() { ++fiber().product_groups; }

// Of the groups committed, the latest may still be under way. A warp waits as one.
void finish_products(unsigned groups_pending) {
    Unwatched scope;
    check_full_warp("wgmma.wait_group");
    meet_and_order_memory(fiber().warp->barrier, "wgmma.wait_group");
    std::vector<Started>& started = fiber().products;
    size_t count = 0;
    while (count < started.size() && started[count].group + groups_pending < fiber().product_groups) ++count;
    for (size_t i = 0; i < count; ++i) {
        Product& product = *started[i].product;
        compute(product);
        bool last = true;
        for (size_t j = i + 1; j < started.size(); ++j) last = last && started[j].d != started[i].d;
        if (last) memcpy(started[i].d, &product.d[number_in_group() * ROWS], product.wgmma.columns / 2 * sizeof(float));
    }
    started.erase(started.begin(), started.begin() + count);
    fiber().fenced = false;
    meet_and_order_memory(fiber().warp->barrier, "wgmma.wait_group");
}

// What is still under way when all threads have left.
static std::string describe_rest() {
    if (!block->copies.empty()) return "the block has ended with copies in bulk under way";
    for (const Fiber& fiber : fibers)
        if (!fiber.products.empty()) return "a thread has ended with products under way";
    return "";
}

}  // namespace emulator
