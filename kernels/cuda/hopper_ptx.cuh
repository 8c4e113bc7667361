// Hopper's own instructions (sm_90a), one function each, beside those of ptx.cuh.
//
// A warpgroup is four warps, of which the first has a number divisible by four; all its 128 threads call the functions of
// products together. Fragments are those of the PTX ISA, "Register Fragments for wgmma.mma_async.m64nNk16": warp w of
// the group has the rows from 16 w on, and its lanes hold of these what they hold with mma.m16n8k16.

// Registers of a thread change hands: a warpgroup leaves itself N of those that the kernel was launched with, or takes as
// many as N from what others have left.
template <int N>
DEVICE void registers_leave() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

template <int N>
DEVICE void registers_take() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

// --- barriers in shared memory -----------------------------------------------------------------------------------------

// A phase is over when so many have arrived, and all bytes that were announced. Its parity is that of its number.
DEVICE void barrier_init(unsigned long long* barrier, unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

// What one thread has initialized becomes visible to copies in bulk; before __syncthreads().
DEVICE void barrier_publish() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

DEVICE void barrier_arrive(unsigned long long* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// Announce bytes, and arrive.
DEVICE void barrier_expect(unsigned long long* barrier, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                 : "memory");
}

// Wait until the phase of this parity is over; the one before the first has parity 1.
DEVICE void barrier_wait(unsigned long long* barrier, unsigned parity) {
    unsigned over = 0;
    while (!over)
        asm volatile(
            "{\n"
            ".reg .pred over;\n"
            "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n"
            "selp.u32 %0, 1, 0, over;\n"
            "}"
            : "=r"(over)
            : "r"(shared_address(barrier)), "r"(parity)
            : "memory");
}

// Bytes, a multiple of 16, on their way from global to shared memory, both at multiples of 16; they count for the barrier
// when they have arrived.
DEVICE void copy_bulk(void* shared, const void* global, unsigned bytes, unsigned long long* barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                     shared_address(shared)),
                 "l"(global), "r"(bytes), "r"(shared_address(barrier))
                 : "memory");
}

// --- products of a warpgroup -------------------------------------------------------------------------------------------

// Registers that were written before may be used by the products that follow.
DEVICE void product_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

// Close a group of products; wait until at most N groups are under way.
DEVICE void product_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <int N>
DEVICE void product_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

// The compiler may use these accumulators only from here on: it does not know what `product_wait` waits for.
template <int BLOCKS>
DEVICE void product_use(float (&d)[BLOCKS][4]) {
#pragma unroll
    for (int n = 0; n < BLOCKS; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) asm volatile("" : "+f"(d[n][e])::"memory");
}

// What follows is not begun before x is known. The compiler knows no order between a wait and what is computed beside it,
// and would rather wait first; so here is an instruction that it can neither leave out nor move, and that never runs.
DEVICE void product_after(float x) {
    asm volatile("{\n.reg .pred never;\nsetp.eq.f32 never, %0, 0f7F7FFFFF;\n@never nanosleep.u32 20;\n}" ::"f"(x));
}

#define PLACES_32                                                                                                       \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                            \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define PLACES_64                                                                                                       \
    PLACES_32                                                                                                           \
    ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                                \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define BLOCK(d, n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
#define BLOCKS_8(d, n)                                                                                                  \
    BLOCK(d, n), BLOCK(d, n + 1), BLOCK(d, n + 2), BLOCK(d, n + 3), BLOCK(d, n + 4), BLOCK(d, n + 5), BLOCK(d, n + 6),  \
        BLOCK(d, n + 7)
#define BLOCKS_16(d, n) BLOCKS_8(d, n), BLOCKS_8(d, n + 8)

// product_tiles: d = a b, or d += a b where `adds`, with a (64, 16) of which rows stand in shared memory, and b (16, N) of
// which columns do. product_rows: d += a b, with a in registers and b (16, N) of which rows stand in shared memory.
#define PRODUCTS(TYPE, N, PLACES, A, B, C, D, E, BLOCKS, COUNT)                                                      \
    DEVICE void product_tiles_##TYPE(float (&d)[COUNT][4], unsigned long long a, unsigned long long b, bool adds) {     \
        asm volatile("{\n.reg .pred adds;\nsetp.ne.b32 adds, " C ", 0;\n"                                               \
                     "wgmma.mma_async.sync.aligned.m64n" N "k16.f32." #TYPE "." #TYPE " {" PLACES "}, " A ", " B        \
                     ", adds, 1, 1, 0, 0;\n}"                                                                           \
                     : BLOCKS(d, 0)                                                                                     \
                     : "l"(a), "l"(b), "r"(int(adds)));                                                                 \
    }                                                                                                                   \
    DEVICE void product_rows_##TYPE(float (&d)[COUNT][4], const unsigned (&a)[4], unsigned long long b) {               \
        asm volatile("{\n.reg .pred adds;\nsetp.eq.b32 adds, 0, 0;\n"                                                   \
                     "wgmma.mma_async.sync.aligned.m64n" N "k16.f32." #TYPE "." #TYPE " {" PLACES "}, {" A ", " B       \
                     ", " C ", " D "}, " E ", adds, 1, 1, 1;\n}"                                                        \
                     : BLOCKS(d, 0)                                                                                     \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                             \
    }
PRODUCTS(f16, "64", PLACES_32, "%32", "%33", "%34", "%35", "%36", BLOCKS_8, 8)
PRODUCTS(bf16, "64", PLACES_32, "%32", "%33", "%34", "%35", "%36", BLOCKS_8, 8)
PRODUCTS(f16, "128", PLACES_64, "%64", "%65", "%66", "%67", "%68", BLOCKS_16, 16)
PRODUCTS(bf16, "128", PLACES_64, "%64", "%65", "%66", "%67", "%68", BLOCKS_16, 16)
