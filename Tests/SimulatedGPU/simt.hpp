#pragma once
/*
 * An emulator of the CUDA execution model: kernels compiled as host C++ run here, thread by thread.
 *
 * Blocks run one after another. Each thread of a block is a fiber that runs until it waits for others.
 * `schedule_seed` chooses which one runs next, so that a missing barrier shows as a difference between two
 * seeds. The emulator exposes what a kernel must not rely on: shared memory starts as NaN, asynchronous
 * copies arrive as late as their wait allows (or at once, by the seed), and a barrier that not all threads
 * reach ends the launch with a Failure.
 *
 * Not emulated: memory order between threads that no barrier separates, blocks that wait for each other, bank
 * conflicts, the rounding of approximate instructions, wgmma, TMA.
 */
#include <math.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace simt {

/* The error of a launch that broke a rule of the execution model. */
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/*
 * 0: warps, lanes and blocks in order, each warp as far as it can; 1: in reverse; others: shuffled by the
 * number.
 */
extern unsigned schedule_seed;

/* Runs `body` as every thread of every block. Throws Failure. Only one launch runs at a time; others wait. */
template <class Body> void launch(dim3 grid, dim3 block, size_t shared_bytes, Body body);

/* --- What the definitions of CUDA's names below need. --- */

constexpr unsigned warp_size = 32;
constexpr unsigned all_lanes = 0xFFFFFFFFu;

/* The operations for which the lanes of a warp wait for each other. */
enum class Collective : uint8_t { sync, shuffle, vote, matrix_load, matrix_product };

/* One meeting of the lanes of `mask`: all leave a value, then all read. */
struct Meeting {
    static constexpr size_t value_size = 32;
    uint32_t mask = 0, arrived = 0, left = 0;
    Collective kind = Collective::sync;
    alignas(16) unsigned char values[warp_size][value_size];
};

/*
 * An asynchronous copy to shared memory that nobody has waited for. `valid` of `size` bytes are read, the
 * rest is zero.
 */
struct Copy {
    void *target;
    const void *source;
    unsigned size, valid;
    bool is_done;
};

struct Thread {
    enum class State : uint8_t { ready, at_barrier, in_meeting, ended };
    dim3 index;
    unsigned warp = 0, lane = 0;
    State state = State::ready;
    void *stack_pointer = nullptr;
    void *fake_stack = nullptr; /* AddressSanitizer's */
    Meeting *meeting = nullptr;
    std::vector<std::vector<Copy>> copy_groups; /* the last one is open */
};

/* The thread that runs, and its block. */
Thread &current();
dim3 block_index();
dim3 block_size();
dim3 grid_size();
void *dynamic_shared();

/* Ends the launch; arguments as for printf. What the thread's functions own is lost, so they own nothing. */
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Waits for all threads of the block. Returns whether any of them passed `vote`. */
bool block_barrier(bool vote);
Meeting *arrive(uint32_t mask, Collective kind, const void *value, size_t size);
void leave(Meeting *meeting);
void issue_copy(void *target, const void *source, unsigned size, unsigned valid);
void commit_copies();
void wait_for_copies(unsigned groups_left);
void run(dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void *), void *context);

template <class Body> void launch(dim3 grid, dim3 block, size_t shared_bytes, Body body) {
    run(grid, block, shared_bytes, [](void *context) { (*static_cast<Body *>(context))(); }, &body);
}

/* The result of `read` on the values of the lanes of `mask`. It gets a function from lane to value. */
template <class Value, class Read>
auto meet(uint32_t mask, Collective kind, const Value &value, Read read) {
    static_assert(sizeof(Value) <= Meeting::value_size);
    Meeting *meeting = arrive(mask, kind, &value, sizeof value);
    auto result = read([meeting](unsigned lane) {
        if (!(meeting->mask >> lane & 1)) fail("reads from lane %u, which takes no part", lane);
        Value other;
        std::memcpy(&other, meeting->values[lane], sizeof other);
        return other;
    });
    leave(meeting);
    return result;
}

template <class Value> Value from_lane(uint32_t mask, const Value &value, unsigned lane) {
    return meet(mask, Collective::shuffle, value, [lane](auto value_of) { return value_of(lane % warp_size); });
}

} // namespace simt

/* --- CUDA's names. --- */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
/*
 * With a sanitizer, a shared array lies between red zones, so that an access past its end is found. Without
 * one, all shared arrays lie in one section, which is filled with NaN before each block.
 */
#if defined(__clang__) && defined(__ELF__)
#if !__has_feature(address_sanitizer)
#define __shared__ static __attribute__((section("simt_shared")))
#endif
#endif
#ifndef __shared__
#define __shared__ static
#endif

#define threadIdx (simt::current().index)
#define blockIdx (simt::block_index())
#define blockDim (simt::block_size())
#define gridDim (simt::grid_size())

inline void __syncthreads() { simt::block_barrier(false); }
inline int __syncthreads_or(int predicate) { return simt::block_barrier(predicate != 0); }
inline void __syncwarp(uint32_t mask = simt::all_lanes) {
    simt::leave(simt::arrive(mask, simt::Collective::sync, nullptr, 0));
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T> T __shfl_sync(uint32_t mask, T value, int lane, int width = 32) {
    unsigned own = simt::current().lane, group = own & ~unsigned(width - 1);
    return simt::from_lane(mask, value, group + (unsigned(lane) & unsigned(width - 1)));
}
template <class T> T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32) {
    unsigned own = simt::current().lane, other = own ^ unsigned(lanes);
    return simt::from_lane(mask, value, other / unsigned(width) == own / unsigned(width) ? other : own);
}
template <class T> T __shfl_down_sync(uint32_t mask, T value, unsigned lanes, int width = 32) {
    unsigned own = simt::current().lane, other = own + lanes;
    return simt::from_lane(mask, value, other / unsigned(width) == own / unsigned(width) ? other : own);
}
template <class T> T __shfl_up_sync(uint32_t mask, T value, unsigned lanes, int width = 32) {
    unsigned own = simt::current().lane;
    return simt::from_lane(mask, value, own % unsigned(width) >= lanes ? own - lanes : own);
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
    return simt::meet(mask, simt::Collective::vote, predicate, [mask](auto value_of) {
        uint32_t votes = 0;
        for (unsigned lane = 0; lane < simt::warp_size; lane++)
            if (mask >> lane & 1) votes |= uint32_t(value_of(lane) != 0) << lane;
        return votes;
    });
}
inline int __any_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

/*
 * Blocks run one after another, and threads change only where they wait. So plain reads and writes are
 * atomic.
 */
template <class T> T atomicAdd(T *address, T value) {
    T old = *address;
    *address = T(old + value);
    return old;
}
template <class T> T atomicMax(T *address, T value) {
    T old = *address;
    *address = old > value ? old : value;
    return old;
}
template <class T> T atomicMin(T *address, T value) {
    T old = *address;
    *address = old < value ? old : value;
    return old;
}
template <class T> T atomicExch(T *address, T value) {
    T old = *address;
    *address = value;
    return old;
}
template <class T> T atomicCAS(T *address, T expected, T value) {
    T old = *address;
    if (old == expected) *address = value;
    return old;
}

inline uint32_t __float_as_uint(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __uint_as_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline int __float_as_int(float value) { return int(__float_as_uint(value)); }
inline float __int_as_float(int bits) { return __uint_as_float(uint32_t(bits)); }
inline long long __double_as_longlong(double value) {
    long long bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits ? __builtin_clz(unsigned(bits)) : 32; }
template <class T> T __ldg(const T *address) { return *address; }
