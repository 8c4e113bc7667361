// The wrappers of kernels/cuda/hopper_ptx.cuh for the CPU, each with the meaning that the PTX ISA gives its instruction.
#pragma once

#include "ptx.hpp"

inline unsigned shared_address(const void* pointer) {
    return emulator::SHARED_WINDOW + (static_cast<const unsigned char*>(pointer) - shared);
}

// setmaxnreg: a CPU has its own
template <int N>
inline void registers_leave() {
    static_assert(N >= 24 && N <= 256 && N % 8 == 0);
}

template <int N>
inline void registers_take() {
    static_assert(N >= 24 && N <= 256 && N % 8 == 0);
}

// --- barriers in shared memory ---------------------------------------------------------------------------------------

// mbarrier.init
inline void barrier_init(unsigned long long* barrier, unsigned arrivals) { emulator::init_barrier(barrier, arrivals); }

// fence.mbarrier_init, fence.proxy.async
inline void barrier_publish() { emulator::publish_barriers(); }

// mbarrier.arrive
inline void barrier_arrive(unsigned long long* barrier) { emulator::arrive(barrier, 0); }

// mbarrier.arrive.expect_tx
inline void barrier_expect(unsigned long long* barrier, unsigned bytes) { emulator::arrive(barrier, bytes); }

// mbarrier.try_wait.parity, until it is true
inline void barrier_wait(unsigned long long* barrier, unsigned parity) { emulator::wait_for_phase(barrier, parity); }

// cp.async.bulk.shared.global.mbarrier
inline void copy_bulk(void* shared, const void* global, unsigned bytes, unsigned long long* barrier) {
    emulator::start_bulk_copy(shared, global, bytes, barrier);
}

// --- products of a warpgroup -----------------------------------------------------------------------------------------

// wgmma.fence
inline void product_fence() { emulator::fence_products(); }

// wgmma.commit_group
inline void product_commit() { emulator::commit_products(); }

// wgmma.wait_group
template <int N>
inline void product_wait() {
    emulator::finish_products(N);
}

template <int BLOCKS>
inline void product_use(float (&)[BLOCKS][4]) {}

inline void product_after(float) {}

// wgmma.mma_async.m64nNk16, N = 8 BLOCKS; a and b from shared memory, both K-major
template <int BLOCKS>
inline void product_tiles_f16(float (&d)[BLOCKS][4], unsigned long long a, unsigned long long b, bool adds) {
    emulator::start_product(d[0], {8 * BLOCKS, adds, false, false, a, b, f16_to_float}, nullptr);
}

template <int BLOCKS>
inline void product_tiles_bf16(float (&d)[BLOCKS][4], unsigned long long a, unsigned long long b, bool adds) {
    emulator::start_product(d[0], {8 * BLOCKS, adds, false, false, a, b, bf16_to_float}, nullptr);
}

// The same with a from registers, and b MN-major.
template <int BLOCKS>
inline void product_rows_f16(float (&d)[BLOCKS][4], const unsigned (&a)[4], unsigned long long b) {
    emulator::start_product(d[0], {8 * BLOCKS, true, true, true, 0, b, f16_to_float}, a);
}

template <int BLOCKS>
inline void product_rows_bf16(float (&d)[BLOCKS][4], const unsigned (&a)[4], unsigned long long b) {
    emulator::start_product(d[0], {8 * BLOCKS, true, true, true, 0, b, bf16_to_float}, a);
}
