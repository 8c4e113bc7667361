// Runs kernels on the CPU: fibers, the scheduler, and the doors through which emulator.py comes in. cuda_on_cpu.hpp
// tells what it is for. Compiled once for all kernels, which go only through the functions declared there.

#include "cuda_on_cpu.hpp"

#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

#ifdef __SANITIZE_THREAD__
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_set_fiber_name(void* fiber, const char* name);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif
#ifdef __SANITIZE_ADDRESS__
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* bytes);
void __asan_poison_memory_region(const void* start, size_t bytes);
void __asan_unpoison_memory_region(const void* start, size_t bytes);
}
#endif

alignas(4096) unsigned char shared[emulator::SHARED_ROOM];

namespace emulator {

constexpr size_t STACK_BYTES = 256 << 10;
constexpr size_t SLOT_BYTES = 64;  // what a lane can hand to the others of its warp at once

// --- what the sanitizers are told; nothing in the ordinary build -----------------------------------------------------

// While one of these lives, ThreadSanitizer does not look: the emulator's own data are no part of the kernel.
struct Unwatched {
#ifdef __SANITIZE_THREAD__
    Unwatched() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Unwatched() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
#else
    Unwatched() {}  // written out, so that no compiler takes it for an unused variable
#endif
    Unwatched(const Unwatched&) = delete;
};

// Within one, what ThreadSanitizer is to look at all the same.
struct Watched {
#ifdef __SANITIZE_THREAD__
    Watched() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
    ~Watched() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
#else
    Watched() {}
#endif
    Watched(const Watched&) = delete;
};

// Where a fiber, or the scheduler, left off.
struct Context {
    jmp_buf registers;
    const void* stack = nullptr;
    size_t stack_bytes = 0;
    void* sanitizer = nullptr;  // ThreadSanitizer's name for it, or AddressSanitizer's second stack

    void leave_for(Context& next) {
#ifdef __SANITIZE_THREAD__
        __tsan_switch_to_fiber(next.sanitizer, 1);  // 1: no order comes of it
#elif defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&sanitizer, next.stack, next.stack_bytes);
#else
        (void)next;
#endif
    }

    void come_back([[maybe_unused]] Context& previous) {
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(sanitizer, &previous.stack, &previous.stack_bytes);
#endif
    }
};

// --- threads, warps, blocks ------------------------------------------------------------------------------------------

// All members have to arrive; then all go on.
struct Barrier {
    unsigned members = 0, arrived = 0, generation = 0;
    const char* operation = nullptr;  // in which the members wait
};

struct Warp {
    Barrier barrier;
    unsigned lanes = 0;  // that exist, as a mask
    // Two sets in turn: who still reads the last exchange is not disturbed by one who is already in the next.
    alignas(16) unsigned char slots[2][LANES * SLOT_BYTES];
};

// Its generation is the number of the phases that are over.
struct PhaseBarrier {
    Barrier phase;
    unsigned arrivals, pending;
    long long bytes = 0;  // that were announced, and have not arrived
    bool published = false;

    void advance() {
        if (pending > 0 || bytes > 0) return;
        pending = arrivals;
        ++phase.generation;
    }
};

struct BulkCopy {
    void* target;
    const void* source;
    unsigned bytes;
    PhaseBarrier* barrier;
};

constexpr unsigned GROUP_THREADS = 128, ROWS = 64, CONTRACTED = 16;  // of a product of a warpgroup

// One wgmma.mma_async of a warpgroup: what its threads hold, and, when it is done, get.
struct Product {
    Wgmma wgmma;
    std::shared_ptr<Product> before;  // of the same accumulators, still under way
    bool done = false;
    unsigned a[GROUP_THREADS][4];
    std::vector<float> d = std::vector<float>(GROUP_THREADS * ROWS);  // of each thread, N / 2 of ROWS
};

// A thread's part in one.
struct Started {
    std::shared_ptr<Product> product;
    float* d;
    unsigned group;
};

struct Warpgroup {
    Barrier barrier;
    std::shared_ptr<Product> product;  // that its threads are starting
};

// Made anew for each: for ThreadSanitizer, a barrier at the same address would order one block before the next.
struct Block {
    Barrier barrier;
    std::vector<Warp> warps;
    std::vector<Warpgroup> groups;
    std::map<void*, PhaseBarrier> barriers;  // in shared memory
    std::vector<BulkCopy> copies;            // under way
};

// From global to shared memory, between its start and its wait.
struct Copy {
    void* target;
    unsigned char bytes[16];
    size_t size;
    unsigned group;
};

struct Fiber : Thread {
    Warp* warp = nullptr;
    bool started = false, finished = false;
    const Barrier* waits_for = nullptr;
    unsigned generation = 0;  // of the barrier, when the fiber began to wait
    std::vector<Copy> copies;
    unsigned groups = 0;  // of copies, that were committed
    Warpgroup* group = nullptr;
    std::vector<Started> products;
    unsigned product_groups = 0;  // that were committed
    bool fenced = false;          // may products use what registers hold?
    Context context;
    ucontext_t beginning;

    bool can_go_on() const { return !finished && !(waits_for && waits_for->generation == generation); }
};

struct Launch {
    const Kernel* kernel;
    size_t shared_bytes;
    unsigned seed;
    void** arguments;
};

Thread* current;
dim3 block_index, block_size, grid_size;

static const Launch* launched;
static std::unique_ptr<Block> block;
static std::vector<Fiber> fibers;
static Context scheduler;
static std::string error;

static Fiber& fiber() { return *static_cast<Fiber*>(current); }

[[gnu::noinline]] static void hand_over() {
    if (_setjmp(fiber().context.registers) == 0) {
        fiber().context.leave_for(scheduler);
        _longjmp(scheduler.registers, 1);
    }
    fiber().context.come_back(scheduler);
}

static std::string words(dim3 index) {
    return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

void fail(const char* format, ...) {
    Unwatched scope;
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    error = text + (" (block " + words(block_index)) + ", thread " + words(current->index) + ")";
    hand_over();
    abort();  // nobody comes back to a launch that has failed
}

// --- waiting for others ----------------------------------------------------------------------------------------------

// Waits until all members have arrived; the last to arrive does what is to be done once.
template <class Action>
static void meet(Barrier& barrier, const char* operation, Action last) {
    if (barrier.arrived > 0 && barrier.operation != operation)
        fail("a lane is in %s while others of its warp are in %s", operation, barrier.operation);
    barrier.operation = operation;
    fiber().waits_for = &barrier;
    fiber().generation = barrier.generation;
    if (++barrier.arrived < barrier.members) {
        hand_over();
    } else {
        last();
        barrier.arrived = 0;
        ++barrier.generation;
    }
    fiber().waits_for = nullptr;
}

// What the members wrote before, all of them see afterwards.
static void meet_and_order_memory(Barrier& barrier, const char* operation) {
#ifdef __SANITIZE_THREAD__
    // One place for odd and one for even: a fast thread's arrival at the next barrier says nothing about this one.
    char* place = reinterpret_cast<char*>(&barrier) + 8 * (barrier.generation % 2);
    __tsan_release(place);
#endif
    meet(barrier, operation, [] {});
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(place);
#endif
}

static void check_mask(unsigned mask, const char* operation) {
    if (fiber().warp->lanes & ~mask) fail("%s: the mask leaves out lanes of the warp, a case not emulated", operation);
}

static void check_full_warp(const char* operation) {
    if (~fiber().warp->lanes) fail("%s: a warp of fewer than 32 lanes", operation);
}

void synchronize_block() {
    Unwatched scope;
    meet_and_order_memory(block->barrier, "__syncthreads");
}

void synchronize_warp(unsigned mask) {
    Unwatched scope;
    check_mask(mask, "__syncwarp");
    meet_and_order_memory(fiber().warp->barrier, "__syncwarp");
}

// Puts in what a lane gives, waits for the others, and returns what all gave, one behind the other.
template <class Action>
static unsigned char* exchange(const void* mine, size_t bytes, const char* operation, Action last) {
    if (bytes > SLOT_BYTES) fail("%s: more than %zu bytes at once", operation, SLOT_BYTES);
    Warp& warp = *fiber().warp;
    unsigned char* slots = warp.slots[warp.barrier.generation % 2];
    memcpy(slots + current->lane * bytes, mine, bytes);
    meet(warp.barrier, operation, [&] { last(slots); });
    return slots;
}

static void nothing(void*) {}

void read_lane(void* result, const void* value, size_t bytes, unsigned lane, unsigned mask, const char* operation) {
    Unwatched scope;
    check_mask(mask, operation);
    const unsigned char* values = exchange(value, bytes, operation, nothing);
    if (fiber().warp->lanes >> lane & 1)
        memcpy(result, values + lane * bytes, bytes);
    else
        memset(result, 0xff, bytes);
}

unsigned ballot(bool predicate, unsigned mask, const char* operation) {
    Unwatched scope;
    check_mask(mask, operation);
    const unsigned char* predicates = exchange(&predicate, sizeof predicate, operation, nothing);
    unsigned bits = 0;
    for (unsigned lane = 0; lane < LANES; ++lane)
        if (fiber().warp->lanes >> lane & 1) bits |= unsigned(predicates[lane]) << lane;
    return bits;
}

void change_in_warp(void* mine, size_t bytes, void (*change)(void* lanes), const char* operation) {
    Unwatched scope;
    check_full_warp(operation);
    const unsigned char* values = exchange(mine, bytes, operation, change);
    memcpy(mine, values + current->lane * bytes, bytes);
}

// --- shared memory ---------------------------------------------------------------------------------------------------

static void check_aligned(const void* place, size_t bytes, const char* operation) {
    if (reinterpret_cast<uintptr_t>(place) % bytes != 0)
        fail("%s: an address that is not a multiple of %zu bytes", operation, bytes);
}

static void check_shared(const void* place, size_t bytes, const char* operation) {
    const auto at = reinterpret_cast<uintptr_t>(place), start = reinterpret_cast<uintptr_t>(shared);
    if (at < start || at + bytes > start + launched->shared_bytes)
        fail("%s: an address outside of the block's shared memory", operation);
}

void gather_rows(const void* (&rows)[LANES], const void* row, const char* operation) {
    Unwatched scope;
    check_full_warp(operation);
    check_aligned(row, 16, operation);
    check_shared(row, 16, operation);
    memcpy(rows, exchange(&row, sizeof row, operation, nothing), sizeof rows);
}

// Until it has landed nobody may look at the target: it is NaN, and for ThreadSanitizer written already.
void start_copy(void* target, const void* source, size_t bytes) {
    check_aligned(target, bytes, "copy_async");
    check_shared(target, bytes, "copy_async");
    check_aligned(source, bytes, "copy_async");
    Copy copy{target, {}, bytes, fiber().groups};
    if (source) memcpy(copy.bytes, source, bytes);
    memset(target, 0xff, bytes);
    Unwatched scope;
    fiber().copies.push_back(copy);
}

void commit_copies() { ++fiber().groups; }

void finish_copies(unsigned groups_pending) {
    std::vector<Copy>& copies = fiber().copies;
    size_t count = 0;
    for (; count < copies.size() && copies[count].group + groups_pending < fiber().groups; ++count)
        memcpy(copies[count].target, copies[count].bytes, copies[count].size);
    Unwatched scope;
    copies.erase(copies.begin(), copies.begin() + count);
}

// --- the scheduler ---------------------------------------------------------------------------------------------------

// A fiber outlives its block and runs the same thread of the next one: starting one takes system calls.
static void fiber_main() {
    fiber().context.come_back(scheduler);
    for (;;) {
        launched->kernel->body(launched->arguments);
        Unwatched scope;
        fiber().finished = true;
        hand_over();
    }
}

[[gnu::noinline]] static void go_on_with(Fiber& next) {
    current = &next;
    if (_setjmp(scheduler.registers) == 0) {
        scheduler.leave_for(next.context);
        if (next.started) _longjmp(next.context.registers, 1);
        next.started = true;
        setcontext(&next.beginning);
    }
    scheduler.come_back(fiber().context);
}

static void begin(Fiber& fiber, unsigned char* stack) {
    fiber.started = false;
    getcontext(&fiber.beginning);
    fiber.beginning.uc_stack.ss_sp = stack;
    fiber.beginning.uc_stack.ss_size = STACK_BYTES;
    fiber.beginning.uc_link = nullptr;
    makecontext(&fiber.beginning, fiber_main, 0);
    fiber.context.stack = stack;
    fiber.context.stack_bytes = STACK_BYTES;
    fiber.context.sanitizer = nullptr;
#ifdef __SANITIZE_THREAD__
    fiber.context.sanitizer = __tsan_create_fiber(0);
#endif
}

static unsigned char* map_stacks(void* place, size_t count) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (place ? MAP_FIXED : 0);
    void* stacks = mmap(place, count * STACK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (stacks == MAP_FAILED) abort();
    return static_cast<unsigned char*>(stacks);
}

static unsigned threads_of_block() { return block_size.x * block_size.y * block_size.z; }

// New fibers where their number has changed, after an error, and for ThreadSanitizer, which is to tell blocks apart.
static void prepare_fibers(unsigned count, bool renew) {
    static unsigned char* stacks = nullptr;
    static size_t room = 0;
    if (room < count) {
        stacks = map_stacks(nullptr, count);
        room = count;
    }
#ifdef __SANITIZE_THREAD__
    map_stacks(stacks, count);  // memory that is mapped anew has no history
    mmap(shared, SHARED_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    scheduler.sanitizer = __tsan_get_current_fiber();
    renew = true;
#endif
    if (fibers.size() == count && !renew) return;
#ifdef __SANITIZE_THREAD__
    static std::vector<std::vector<Fiber>> past;  // may still be reading their index, as no order says otherwise
    past.push_back(std::move(fibers));
#endif
    fibers = std::vector<Fiber>(count);
    for (unsigned i = 0; i < count; ++i) begin(fibers[i], stacks + i * STACK_BYTES);
}

// Makes a fiber the thread of this number in the block.
static void enlist(Fiber& fiber, unsigned number) {
    const dim3 size = block_size;
    fiber.index = {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
    fiber.lane = number % LANES;
    fiber.warp = &block->warps[number / LANES];
    fiber.warp->lanes |= 1u << fiber.lane;
    ++fiber.warp->barrier.members;
    fiber.group = &block->groups[number / GROUP_THREADS];
    ++fiber.group->barrier.members;
    fiber.products.clear();
    fiber.product_groups = 0;
    fiber.fenced = false;
    fiber.finished = false;
    fiber.waits_for = nullptr;
    fiber.copies.clear();
    fiber.groups = 0;
#ifdef __SANITIZE_THREAD__
    const std::string name = "thread " + words(fiber.index) + " of block " + words(block_index);
    __tsan_set_fiber_name(fiber.context.sanitizer, name.c_str());
#endif
}

// The bytes that the launch asked for are NaN; so are those behind, which must still be so when the block is done.
static void prepare_shared() {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(shared, SHARED_ROOM);
#endif
    memset(shared, 0xff, SHARED_ROOM);
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region(shared + launched->shared_bytes, SHARED_ROOM - launched->shared_bytes);
#endif
}

static void prepare_block(bool renew) {
    const unsigned count = threads_of_block();
    block = std::make_unique<Block>();
    block->barrier.members = count;
    block->warps.resize((count + LANES - 1) / LANES);
    block->groups.resize((count + GROUP_THREADS - 1) / GROUP_THREADS);
    prepare_fibers(count, renew);
    for (unsigned i = 0; i < count; ++i) enlist(fibers[i], i);
    prepare_shared();
}

// The order in which fibers take turns.
struct Order {
    std::vector<unsigned> fibers;
    unsigned seed;
    uint64_t state;

    Order(unsigned count, unsigned seed) : fibers(count), seed(seed), state(seed * 0x9e3779b97f4a7c15u + 1) {
        for (unsigned i = 0; i < count; ++i) fibers[i] = seed == 1 ? count - 1 - i : i;
    }

    unsigned random(unsigned below) {  // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return (state * 0x2545f4914f6cdd1du >> 32) % below;
    }

    void next_round() {
        if (seed < 2) return;
        for (unsigned i = fibers.size() - 1; i > 0; --i) std::swap(fibers[i], fibers[random(i + 1)]);
    }
};

}  // namespace emulator

#include "hopper_on_cpu.hpp"

namespace emulator {

// Says who waits where, when nobody can go on.
static std::string describe_deadlock() {
    std::map<std::string, unsigned> states;
    for (const Fiber& fiber : fibers)
        ++states[fiber.finished ? "have left the kernel" : std::string("wait in ") + fiber.waits_for->operation];
    std::string text = "deadlock in block " + words(block_index) + ": of its threads";
    for (const auto& [state, count] : states) text += " " + std::to_string(count) + " " + state + ",";
    text.back() = '.';
    return text;
}

static bool all_finished() {
    for (const Fiber& fiber : fibers)
        if (!fiber.finished) return false;
    return true;
}

static bool run_round(const Order& order) {
    bool progress = false;
    for (unsigned i : order.fibers) {
        if (!fibers[i].can_go_on()) continue;
        go_on_with(fibers[i]);
        progress = true;
        if (!error.empty()) break;
    }
    return progress;
}

static void check_end_of_shared() {
#ifndef __SANITIZE_ADDRESS__
    const size_t end = launched->shared_bytes;
    // All equal to the first, which is what it was: no loop is faster than memcmp.
    if (shared[end] == 0xff && memcmp(shared + end, shared + end + 1, SHARED_ROOM - end - 1) == 0) return;
    size_t i = end;
    while (shared[i] == 0xff) ++i;
    error = "shared memory was written at byte " + std::to_string(i) + ", the launch asked for " + std::to_string(end) +
            " bytes (block " + words(block_index) + ")";
#endif
}

static void run_block(Order& order) {
    while (error.empty() && !all_finished()) {
        order.next_round();
        const bool progress = run_round(order);
        if (!land_copies(order, progress) && !progress) error = describe_deadlock();
    }
    if (error.empty()) error = describe_rest();
    if (error.empty()) check_end_of_shared();
}

// Runs a grid; the error, or an empty string.
static std::string run(const Launch& launch) {
    Unwatched scope;
    bool renew = !error.empty();  // fibers that an error has stopped half-way
    error.clear();
    launched = &launch;
    Order order(threads_of_block(), launch.seed);
    for (unsigned z = 0; z < grid_size.z; ++z)
        for (unsigned y = 0; y < grid_size.y; ++y)
            for (unsigned x = 0; x < grid_size.x && error.empty(); ++x) {
                block_index = {x, y, z};
                prepare_block(renew);
                renew = false;
                run_block(order);
            }
    return error;
}

// --- doors: functions for ctypes, or a program of its own ------------------------------------------------------------

static std::string describe_kernels() {
    std::string text;
    for (size_t i = 0; i < kernel_count; ++i) {
        text += kernels[i].name + ("," + std::to_string(kernels[i].max_threads));
        for (size_t j = 0; j < kernels[i].count; ++j) {
            const Parameter& parameter = kernels[i].parameters[j];
            text += std::string(",") + parameter.kind + " " + std::to_string(parameter.size) + " " +
                    std::to_string(parameter.pointee);
        }
        text += "\n";
    }
    return text;
}

// What emulator.py sends, beside the arguments.
struct Request {
    uint64_t kernel, grid[3], block[3], shared_bytes, seed;
};

static dim3 three(const uint64_t (&sizes)[3]) { return {unsigned(sizes[0]), unsigned(sizes[1]), unsigned(sizes[2])}; }

static std::string answer(const Request& request, void** arguments) {
    grid_size = three(request.grid);
    block_size = three(request.block);
    return run({&kernels[request.kernel], size_t(request.shared_bytes), unsigned(request.seed), arguments});
}

}  // namespace emulator

#ifndef EMULATOR_PROGRAM

#define EMULATOR_EXPORT extern "C" __attribute__((visibility("default")))

EMULATOR_EXPORT const char* emulator_describe() {
    static const std::string text = emulator::describe_kernels();
    return text.c_str();
}

EMULATOR_EXPORT const char* emulator_launch(const emulator::Request* request, void** arguments) {
    static std::string text;
    text = emulator::answer(*request, arguments);
    return text.c_str();
}

// With -fsanitize=alignment,bounds,null g++ calls these where a device would trap or read nonsense, and a CPU might end
// the whole process. The layout is that of libubsan, which is not used.

struct UbsanPlace {
    const char* file;
    unsigned line, column;
};

extern "C" void __ubsan_handle_type_mismatch_v1(const UbsanPlace* place, uintptr_t address) {
    emulator::fail("line %u uses %s", place->line, address == 0 ? "a null pointer" : "a misaligned address");
}

extern "C" void __ubsan_handle_out_of_bounds(const UbsanPlace* place, uintptr_t index) {
    emulator::fail("line %u goes beyond an array, by index %zd", place->line, ssize_t(index));
}

#else

namespace emulator {

static void read_exactly(void* target, size_t bytes) {
    if (fread(target, 1, bytes, stdin) != bytes) abort();
}

static uint64_t read_number() {
    uint64_t number;
    read_exactly(&number, sizeof number);
    return number;
}

// A value, or an array, which is then given back.
struct Argument {
    bool is_array;
    size_t bytes;
    void* data;
};

static Argument read_argument() {
    const bool is_array = read_number();
    const size_t bytes = read_number();
    void* data = malloc(bytes);  // each for itself: AddressSanitizer watches both ends
    read_exactly(data, bytes);
    return {is_array, bytes, data};
}

// Destructors would free what, in ThreadSanitizer's eyes, a fiber may still be reading.
[[noreturn]] static void leave(int status) {
    fflush(stdout);
    _Exit(status);
}

[[noreturn]] static void answer_request() {
    Unwatched scope;
    Request request;
    read_exactly(&request, sizeof request);
    std::vector<Argument> arguments(read_number());
    std::vector<void*> places;
    for (Argument& argument : arguments) {
        argument = read_argument();
        places.push_back(argument.is_array ? &argument.data : argument.data);
    }
    const std::string failure = answer(request, places.data());
    if (!failure.empty()) {
        fputs(failure.c_str(), stderr);
        leave(3);
    }
    for (const Argument& argument : arguments)
        if (argument.is_array) fwrite(argument.data, 1, argument.bytes, stdout);
    leave(0);
}

}  // namespace emulator

int main(int count, char**) {
    if (count == 1) emulator::answer_request();
    fputs(emulator::describe_kernels().c_str(), stdout);
}

#endif
