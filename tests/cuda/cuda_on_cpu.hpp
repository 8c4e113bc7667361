// The CUDA C++ that our kernels are written in, for g++: stands before a kernel's source. cuda_on_cpu.cpp runs it.
//
// The blocks of a grid run one after the other. The threads of a block are fibers that take turns: one runs until it
// has to wait for others, at a barrier or in a warp operation, and hands over to the scheduler, which goes through them
// in the order that the seed says. What depends on the order of threads differs between seeds, and repeats with each.
//
// Shared memory is full of NaN when a block starts, and what an asynchronous copy is to fill is NaN until its wait.
// A warp operation exchanges registers and orders no memory.
//
// Built with -fsanitize=thread, the fibers are threads in ThreadSanitizer's eyes, ordered by barriers alone: neither by
// the turns that they happen to take nor by warp operations; nor is a block ordered before the next one.
// Built with -fsanitize=address, arrays and shared memory end where the launch says.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>
#include <utility>

// --- words and types of the language ---------------------------------------------------------------------------------

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)  // emulator.py reads it
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__  // always `extern __shared__ ... unsigned char shared[]`: the array below

struct dim3 {
    unsigned x, y, z;
};

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// Of two types, as CUDA's overloads do: the smaller of an int and an unsigned is unsigned.
template <class A, class B>
constexpr std::common_type_t<A, B> min(A a, B b) {
    using C = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<C>) return fmin(C(a), C(b));
    return C(b) < C(a) ? C(b) : C(a);
}

template <class A, class B>
constexpr std::common_type_t<A, B> max(A a, B b) {
    using C = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<C>) return fmax(C(a), C(b));
    return C(a) < C(b) ? C(b) : C(a);
}

template <class To, class From>
inline To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

inline float __int_as_float(int bits) { return same_bits<float>(bits); }
inline int __float_as_int(float number) { return same_bits<int>(number); }
inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
inline unsigned __float_as_uint(float number) { return same_bits<unsigned>(number); }

namespace emulator {

constexpr size_t SHARED_ROOM = 256 << 10;  // more than any device gives a block
constexpr unsigned LANES = 32;

}  // namespace emulator

extern unsigned char shared[emulator::SHARED_ROOM];

// --- what cuda_on_cpu.cpp does for a thread --------------------------------------------------------------------------

namespace emulator {

struct Thread {
    dim3 index;
    unsigned lane;
};

extern Thread* current;
extern dim3 block_index, block_size, grid_size;

// Ends the launch with an error, from inside a thread; the text as for printf.
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);

void synchronize_block();
void synchronize_warp(unsigned mask);

// Sets `result` to the `value` that another lane gives: all bits 1, NaN or -1, where that lane does not exist.
void read_lane(void* result, const void* value, size_t bytes, unsigned lane, unsigned mask, const char* operation);

// A bit for each lane whose predicate is true.
unsigned ballot(bool predicate, unsigned mask, const char* operation);

// Gathers what the 32 lanes of a warp hold, changes all of it at once, and gives each lane its own part back.
void change_in_warp(void* mine, size_t bytes, void (*change)(void* lanes), const char* operation);

// Sets `rows` to what the lanes give as `row`, each of 16 bytes in shared memory.
void gather_rows(const void* (&rows)[LANES], const void* row, const char* operation);

// `source` is null where zeros are to be written. A copy lands when the thread finishes its group.
void start_copy(void* target, const void* source, size_t bytes);
void commit_copies();
void finish_copies(unsigned groups_pending);

// --- what hopper_on_cpu.hpp does for a thread

// Barriers in shared memory, at `place`; bytes are announced with an arrival.
void init_barrier(void* place, unsigned arrivals);
void publish_barriers();
void arrive(void* place, unsigned bytes);
void wait_for_phase(void* place, unsigned parity);

// It lands at some time, and then counts for the barrier.
void start_bulk_copy(void* target, const void* source, unsigned bytes, void* barrier);

// A product of a warpgroup, m64nNk16: d (N / 8, 4) += a b. The descriptors are those of the PTX ISA.
struct Wgmma {
    unsigned columns;
    bool adds, a_in_registers, rows_of_b;  // rows_of_b: b is MN-major
    uint64_t a, b;
    float (*to_float)(unsigned short);
};

void start_product(float* d, const Wgmma& wgmma, const unsigned* a_registers);
void fence_products();
void commit_products();
void finish_products(unsigned groups_pending);

constexpr unsigned SHARED_WINDOW = 1 << 10;  // the address in shared memory at which `shared` stands

template <class Value>
Value of_lane(const Value& value, unsigned lane, unsigned mask, const char* operation) {
    static_assert(std::is_trivially_copyable_v<Value>);
    Value result;
    read_lane(&result, &value, sizeof value, lane, mask, operation);
    return result;
}

// --- kernels and their parameters ------------------------------------------------------------------------------------

struct Parameter {
    const char* kind;
    size_t size, pointee;  // bytes; pointee 0: not a pointer, or one to anything
};

using Body = void (*)(void** arguments);

struct Kernel {
    const char* name;
    unsigned max_threads;
    Body body;
    const Parameter* parameters;
    size_t count;
};

// emulator.py writes these, behind the kernels' source.
extern const Kernel kernels[];
extern const size_t kernel_count;

template <class T>
constexpr Parameter parameter_of_type() {
    using Pointee = std::remove_pointer_t<T>;
    if constexpr (std::is_pointer_v<T> && std::is_arithmetic_v<Pointee>) return {"pointer", sizeof(T), sizeof(Pointee)};
    const char* number = std::is_floating_point_v<T> ? "floating" : std::is_integral_v<T> ? "integer" : "struct";
    return {std::is_pointer_v<T> ? "pointer" : number, sizeof(T), 0};
}

template <class... Types>
constexpr Parameter parameters_of[] = {parameter_of_type<Types>()..., {}};

template <class... Types, size_t... I>
void call(void (*function)(Types...), void** arguments, std::index_sequence<I...>) {
    function(*static_cast<Types*>(arguments[I])...);
}

template <auto FUNCTION, class... Types>
constexpr Kernel describe(const char* name, unsigned max_threads, void (*)(Types...)) {
    Body body = [](void** arguments) { call(FUNCTION, arguments, std::index_sequence_for<Types...>{}); };
    return {name, max_threads, body, parameters_of<Types...>, sizeof...(Types)};
}

// The first of the values in __launch_bounds__(...).
template <class... Rest>
constexpr unsigned first(unsigned value, Rest...) {
    return value;
}

}  // namespace emulator

// --- what kernels call -----------------------------------------------------------------------------------------------

#define threadIdx (emulator::current->index)
#define blockIdx (emulator::block_index)
#define blockDim (emulator::block_size)
#define gridDim (emulator::grid_size)

inline void __syncthreads() { emulator::synchronize_block(); }

inline void __syncwarp(unsigned mask = 0xffffffff) { emulator::synchronize_warp(mask); }

// The lanes are taken in segments of `width`; a lane beyond its own segment is not read, the value stays.

template <class Value>
Value __shfl_sync(unsigned mask, Value value, int source, int width = 32) {
    const unsigned segment = emulator::current->lane & -unsigned(width);
    return emulator::of_lane(value, segment + (source & (width - 1)), mask, "__shfl_sync");
}

template <class Value>
Value __shfl_xor_sync(unsigned mask, Value value, int bits, int width = 32) {
    const unsigned lane = emulator::current->lane, end = (lane & -unsigned(width)) + width, source = lane ^ bits;
    return emulator::of_lane(value, source < end ? source : lane, mask, "__shfl_xor_sync");
}

template <class Value>
Value __shfl_down_sync(unsigned mask, Value value, unsigned distance, int width = 32) {
    const unsigned lane = emulator::current->lane, end = (lane & -unsigned(width)) + width, source = lane + distance;
    return emulator::of_lane(value, source < end ? source : lane, mask, "__shfl_down_sync");
}

inline int __any_sync(unsigned mask, int predicate) { return emulator::ballot(predicate, mask, "__any_sync") != 0; }

inline int __all_sync(unsigned mask, int predicate) { return emulator::ballot(!predicate, mask, "__all_sync") == 0; }
