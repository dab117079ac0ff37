#pragma once
/*
 * The vocabulary of the kernels: number types, 16-byte accesses, reductions, asynchronous copies and matrix
 * instructions. This is the only file with two sides. NVRTC compiles one for a GPU (no CUDA header is
 * needed), and a C++20 compiler compiles the other for the emulator of Tests/SimulatedGPU.
 *
 * Kernels are extern "C" with pointers and scalars. Results never depend on the order in which threads run:
 * sums that reach results have a fixed order. bfloat16 is widened on reading and rounded once, to nearest
 * even, on writing.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

/* The bits of a bfloat16. */
struct bf16 {
    u16 bits;
};

#if defined(__CUDACC__)

#define GPU __device__ __forceinline__
/* The dynamic shared memory of the launch as elements of T, at a multiple of 128 bytes. */
#define DYNAMIC_SHARED(T, name)                                                                                      \
    extern __shared__ __align__(128) unsigned char dynamic_shared_memory[];                                          \
    T *name = reinterpret_cast<T *>(dynamic_shared_memory)

GPU float widened(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }

GPU bf16 to_bf16(float x) {
    bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}

/* Two bfloat16 in one register, `low` in the low half. */
GPU u32 packed_bf16(float low, float high) {
    u32 bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

/* 1 / x and sqrt(x) by the fast instructions, which take subnormal numbers as zero. */
GPU float approximate_reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
GPU float approximate_root(float x) {
    float y;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* e^x by the fast instruction: relative error about 2^-22 · (1 + |x|). */
GPU float approximate_exponential(float x) { return __expf(x); }

GPU u32 shared_address(const void *pointer) { return u32(__cvta_generic_to_shared(pointer)); }

/*
 * Starts to copy 16 bytes to shared memory; zeros if not `valid` (then nothing is read). The bytes arrive
 * with wait_for_copies. Other threads may read them only after a barrier that follows it.
 */
GPU void copy_async_16(void *shared, const void *global, bool valid = true) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid ? 16 : 0)
                 : "memory");
}
/* Starts to copy 4 bytes to shared memory, as copy_async_16 does. */
GPU void copy_async_4(void *shared, const void *global, bool valid = true) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid ? 4 : 0)
                 : "memory");
}
/* Ends a group of copies. */
GPU void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Waits for this thread's copies, except for those of the last `groups` groups. */
template <int groups> GPU void wait_for_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory"); }

/*
 * Loads 8 x 8 tiles of bfloat16 from shared memory. Lane 8 i + r names row r of tile i (16 bytes, aligned).
 * Each lane receives in tiles[i] the elements 2 (lane % 4) and the next of row lane / 4; in the second form,
 * those of the transposed tile. For fewer than four tiles, the addresses of the other lanes are not used.
 */
#define LOAD_MATRIX(name, form)                                                                                      \
    GPU void name##_1(u32 tiles[1], const void *row) {                                                               \
        asm volatile("ldmatrix.sync.aligned.m8n8.x1" form ".shared.b16 {%0}, [%1];"                                  \
                     : "=r"(tiles[0])                                                                                \
                     : "r"(shared_address(row))                                                                      \
                     : "memory");                                                                                    \
    }                                                                                                                \
    GPU void name##_2(u32 tiles[2], const void *row) {                                                               \
        asm volatile("ldmatrix.sync.aligned.m8n8.x2" form ".shared.b16 {%0, %1}, [%2];"                              \
                     : "=r"(tiles[0]), "=r"(tiles[1])                                                                \
                     : "r"(shared_address(row))                                                                      \
                     : "memory");                                                                                    \
    }                                                                                                                \
    GPU void name##_4(u32 tiles[4], const void *row) {                                                               \
        asm volatile("ldmatrix.sync.aligned.m8n8.x4" form ".shared.b16 {%0, %1, %2, %3}, [%4];"                      \
                     : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])                                \
                     : "r"(shared_address(row))                                                                      \
                     : "memory");                                                                                    \
    }
LOAD_MATRIX(load_matrix, "")
LOAD_MATRIX(load_matrix_transposed, ".trans")
#undef LOAD_MATRIX

/*
 * c[16, 8] += a[16, 16] · b[16, 8] by one warp, with float32 sums of bfloat16 products. A lane holds, with
 * g = lane / 4 and q = 2 (lane % 4):
 * a: {(g, q..), (g + 8, q..), (g, q + 8..), (g + 8, q + 8..)}; b: {(q.., g), (q + 8.., g)};
 * c: {(g, q), (g, q + 1), (g + 8, q), (g + 8, q + 1)}.
 */
GPU void matrix_multiply_add(float c[4], const u32 a[4], const u32 b[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else /* the emulator's side */

#include "simt.hpp"

#define GPU inline __attribute__((always_inline))
#define DYNAMIC_SHARED(T, name) T *name = static_cast<T *>(simt::dynamic_shared())

GPU float widened(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }

GPU bf16 to_bf16(float x) {
    u32 bits = __float_as_uint(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return bf16{0x7FFF};
    return bf16{u16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}

GPU u32 packed_bf16(float low, float high) { return to_bf16(low).bits | u32(to_bf16(high).bits) << 16; }

GPU float approximate_reciprocal(float x) { return 1.0f / x; }
GPU float approximate_root(float x) { return sqrtf(x); }
GPU float approximate_exponential(float x) { return expf(x); }

GPU void copy_async_16(void *shared, const void *global, bool valid = true) {
    simt::issue_copy(shared, global, 16, valid ? 16 : 0);
}
GPU void copy_async_4(void *shared, const void *global, bool valid = true) {
    simt::issue_copy(shared, global, 4, valid ? 4 : 0);
}
GPU void commit_copies() { simt::commit_copies(); }
template <int groups> GPU void wait_for_copies() { simt::wait_for_copies(groups); }

namespace simt {
template <int tile_count, bool is_transposed> void load_matrix(u32 *tiles, const void *row) {
    unsigned own = current().lane;
    Meeting *meeting = arrive(all_lanes, Collective::matrix_load, &row, sizeof row);
    for (unsigned tile = 0; tile < tile_count; tile++) {
        u16 elements[2];
        for (unsigned i = 0; i < 2; i++) {
            unsigned r = own / 4, c = own % 4 * 2 + i;
            const u16 *address;
            std::memcpy(&address, meeting->values[tile * 8 + (is_transposed ? c : r)], sizeof address);
            if (reinterpret_cast<uintptr_t>(address) % 16) fail("load_matrix from an address that is no multiple of 16");
            elements[i] = address[is_transposed ? r : c];
        }
        tiles[tile] = elements[0] | u32(elements[1]) << 16;
    }
    leave(meeting);
}

inline void multiply_add(float *c, const u32 *a, const u32 *b) {
    struct Fragments {
        u32 a[4], b[2];
    } own;
    std::memcpy(own.a, a, sizeof own.a);
    std::memcpy(own.b, b, sizeof own.b);
    unsigned g = current().lane / 4, q = current().lane % 4 * 2;
    Meeting *meeting = arrive(all_lanes, Collective::matrix_product, &own, sizeof own);
    float rows[2][16], columns[2][16];
    for (unsigned lane = 0; lane < 4; lane++) {
        Fragments of_row, of_column[2];
        std::memcpy(&of_row, meeting->values[g * 4 + lane], sizeof of_row);
        for (unsigned i = 0; i < 2; i++)
            std::memcpy(&of_column[i], meeting->values[(q + i) * 4 + lane], sizeof of_column[i]);
        for (unsigned half = 0; half < 2; half++)
            for (unsigned i = 0; i < 2; i++) {
                unsigned k = half * 8 + lane * 2 + i;
                rows[0][k] = widened(bf16{u16(of_row.a[half * 2] >> 16 * i)});
                rows[1][k] = widened(bf16{u16(of_row.a[half * 2 + 1] >> 16 * i)});
                for (unsigned n = 0; n < 2; n++) columns[n][k] = widened(bf16{u16(of_column[n].b[half] >> 16 * i)});
            }
    }
    leave(meeting);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 16; k++) c[i] += rows[i / 2][k] * columns[i % 2][k];
}
} // namespace simt

inline void load_matrix_1(u32 tiles[1], const void *row) { simt::load_matrix<1, false>(tiles, row); }
inline void load_matrix_2(u32 tiles[2], const void *row) { simt::load_matrix<2, false>(tiles, row); }
inline void load_matrix_4(u32 tiles[4], const void *row) { simt::load_matrix<4, false>(tiles, row); }
inline void load_matrix_transposed_1(u32 tiles[1], const void *row) { simt::load_matrix<1, true>(tiles, row); }
inline void load_matrix_transposed_2(u32 tiles[2], const void *row) { simt::load_matrix<2, true>(tiles, row); }
inline void load_matrix_transposed_4(u32 tiles[4], const void *row) { simt::load_matrix<4, true>(tiles, row); }
inline void matrix_multiply_add(float c[4], const u32 a[4], const u32 b[2]) { simt::multiply_add(c, a, b); }

#endif

/* --- Both sides share the rest. --- */

GPU float widened(float x) { return x; }

/* x rounded to T. */
template <class T> GPU T rounded(float x);
template <> GPU float rounded<float>(float x) { return x; }
template <> GPU bf16 rounded<bf16>(float x) { return to_bf16(x); }

/* e^x and 1 / x, as exact as a result of type T requires. */
template <class T> GPU float exponential(float x);
template <> GPU float exponential<float>(float x) { return expf(x); }
template <> GPU float exponential<bf16>(float x) { return approximate_exponential(x); }
template <class T> GPU float reciprocal(float x);
template <> GPU float reciprocal<float>(float x) { return 1.0f / x; }
template <> GPU float reciprocal<bf16>(float x) { return approximate_reciprocal(x); }

/* 16 bytes of elements, read and written in one access. */
template <class T> struct alignas(16) Vector {
    static constexpr int count = 16 / sizeof(T);
    T at[count];
};
template <class T> GPU Vector<T> load_vector(const T *address) {
    return *reinterpret_cast<const Vector<T> *>(address);
}
template <class T> GPU void store_vector(T *address, const Vector<T> &vector) {
    *reinterpret_cast<Vector<T> *>(address) = vector;
}
/* Whether a 16-byte access may start here. */
GPU bool is_aligned(const void *pointer) { return (reinterpret_cast<u64>(pointer) & 15) == 0; }

/*
 * x[k] = element k of `count` at `address`. It is one access when count is 8; the address must then be
 * aligned.
 */
template <class T, int count> GPU void load(const T *address, float (&x)[count]) {
    if constexpr (count == 8) {
        for (int first = 0; first < count; first += Vector<T>::count) {
            Vector<T> vector = load_vector(address + first);
            for (int k = 0; k < Vector<T>::count; k++) x[first + k] = widened(vector.at[k]);
        }
    } else {
        for (int k = 0; k < count; k++) x[k] = widened(address[k]);
    }
}
/* Element k of `count` at `address` = x[k], rounded. Accesses are those of `load`. */
template <class T, int count> GPU void store(T *address, const float (&x)[count]) {
    if constexpr (count == 8) {
        for (int first = 0; first < count; first += Vector<T>::count) {
            Vector<T> vector;
            for (int k = 0; k < Vector<T>::count; k++) vector.at[k] = rounded<T>(x[first + k]);
            store_vector(address + first, vector);
        }
    } else {
        for (int k = 0; k < count; k++) address[k] = rounded<T>(x[k]);
    }
}

/* Number of elements that a step of a loop takes. */
template <int number> struct Count {
    static constexpr int value = number;
};

/*
 * Calls body(i, Count) for runs of elements that cover 0 ..< n, dealt out to `threads` threads in turn: runs
 * of eight if `has_vectors`, then single elements.
 */
template <class Body> GPU void for_each(bool has_vectors, i64 n, i64 thread, i64 threads, Body body) {
    const i64 vectors = has_vectors ? n / 8 : 0;
    /* Enough threads keep memory busy. Steps that run side by side would only cost registers. */
#pragma unroll 1
    for (i64 i = thread; i < vectors; i += threads) body(i * 8, Count<8>());
    for (i64 i = vectors * 8 + thread; i < n; i += threads) body(i, Count<1>());
}

/* Whether rows of D elements can be read by eights, if the first rows are at `pointers`. */
template <class... Pointers> GPU bool has_vectors(i64 D, Pointers... pointers) {
    return D % 8 == 0 && (is_aligned(pointers) && ...);
}

struct Sum {
    template <class T> GPU T operator()(T a, T b) const { return a + b; }
};
struct Maximum {
    GPU float operator()(float a, float b) const { return fmaxf(a, b); }
};

/*
 * a combined over the 32 lanes of a warp, in a fixed order. Every lane gets the result, and all lanes must
 * call.
 */
template <class T, class Operation> GPU T warp_reduce(T a, Operation operation) {
    for (int lanes = 16; lanes; lanes >>= 1) a = operation(a, __shfl_xor_sync(0xFFFFFFFFu, a, lanes));
    return a;
}
GPU float warp_sum(float a) { return warp_reduce(a, Sum()); }
GPU float warp_maximum(float a) { return warp_reduce(a, Maximum()); }

/*
 * a combined over the threads of a one-dimensional block of whole warps. Every thread gets the result, and
 * all threads must call. scratch: 32 elements of shared memory. Calls may share them, since each waits at a
 * barrier before it writes them.
 */
template <class T, class Operation> GPU T block_reduce(T a, T *scratch, T identity, Operation operation) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
    a = warp_reduce(a, operation);
    __syncthreads();
    if (lane == 0) scratch[warp] = a;
    __syncthreads();
    return warp_reduce(lane < warps ? scratch[lane] : identity, operation);
}
template <class T> GPU T block_sum(T a, T *scratch) { return block_reduce(a, scratch, T(0), Sum()); }
GPU float block_maximum(float a, float *scratch) {
    return block_reduce(a, scratch, __uint_as_float(0xFF800000u), Maximum());
}

/*
 * 64 random bits: SplitMix64's finaliser at word + index · golden ratio, like RandomKey.bits(at:) in
 * Random.swift.
 */
GPU u64 random_bits(u64 word, u64 index) {
    u64 z = word + (index + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

/*
 * Calls body(i) in order for each i of first ..< count with ids[i] == id, in every thread of a block of 256.
 * masks: 8 words of shared memory. All threads must call.
 */
template <class Body> GPU void for_each_match(const i32 *ids, i32 first, i32 count, i32 id, u32 *masks, Body body) {
    const i32 thread = threadIdx.x;
    for (i32 start = first; start < count; start += 256) {
        const u32 mask = __ballot_sync(0xFFFFFFFFu, start + thread < count && ids[start + thread] == id);
        __syncthreads();
        if (thread % 32 == 0) masks[thread / 32] = mask;
        __syncthreads();
        for (i32 warp = 0; warp < 8; warp++)
            for (u32 left = masks[warp]; left; left &= left - 1) body(start + warp * 32 + __ffs(i32(left)) - 1);
    }
    __syncthreads();
}

GPU i64 thread_number() { return i64(blockIdx.x) * blockDim.x + threadIdx.x; }
GPU i64 thread_count() { return i64(gridDim.x) * blockDim.x; }
