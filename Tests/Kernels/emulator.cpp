/*
 * The emulator and the harness themselves. Faults that they must find are planted here, and their results are
 * checked.
 */
#include "harness.hpp"

namespace {

using namespace harness;

/* The sum of 256 numbers by warps, with or without the barrier that the last step needs. */
template <bool has_barrier> void sum_by_warps(const float *x, float *y) {
    __shared__ float sums[8];
    float sum = warp_sum(x[threadIdx.x]);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
    if (has_barrier) __syncthreads();
    if (threadIdx.x != 0) return;
    *y = 0;
    for (float each : sums) *y += each;
}

/* The number of schedules, of three, that give another result than the first. */
template <class Kernel> unsigned schedules_that_differ(Kernel kernel, const std::vector<float> &result) {
    unsigned differ = 0;
    std::string first;
    for (unsigned seed : {0u, 1u, 20241u}) {
        simt::schedule_seed = seed;
        kernel();
        std::string bytes = bytes_of(result);
        if (first.empty()) first = bytes;
        differ += bytes != first;
    }
    simt::schedule_seed = 0;
    return differ;
}

TEST(missing_barrier_is_found) {
    Random random(1);
    auto x = normals<float>(random, 256), y = unwritten<float>(1);
    auto sum = [&](void (*kernel)(const float *, float *)) {
        return schedules_that_differ([&] { simt::launch(1, 256, 0, [&] { kernel(x.data(), y.data()); }); }, y);
    };
    expect(sum(sum_by_warps<true>) == 0, "a sum with its barrier depends on the schedule");
    expect(sum(sum_by_warps<false>) > 0, "no schedule finds the missing barrier");
}

/* The message with which a launch fails. */
template <class Kernel> std::string failure_of(unsigned threads, Kernel kernel) {
    try {
        simt::launch(1, threads, 64, kernel);
    } catch (const simt::Failure &failure) {
        return failure.what();
    }
    return "nothing";
}

void expect_failure(const std::string &got, const std::string &expected) {
    expect(got == expected, "failed with '" + got + "', expected '" + expected + "'");
}

TEST(barrier_that_some_threads_never_reach_is_a_failure) {
    expect_failure(failure_of(64, [] { if (threadIdx.x < 40) __syncthreads(); }),
                   "deadlock: of 64 threads 40 wait at __syncthreads, 0 for lanes of their warp, 24 have ended");
}

TEST(shuffle_that_some_lanes_never_reach_is_a_failure) {
    expect_failure(failure_of(32, [] { if (threadIdx.x < 31) warp_sum(1); }),
                   "deadlock: of 32 threads 0 wait at __syncthreads, 31 for lanes of their warp, 1 have ended "
                   "(warp 0: mask ffffffff, arrived 7fffffff)");
}

TEST(lanes_in_different_operations_are_a_failure) {
    expect_failure(failure_of(32, [] { if (threadIdx.x) warp_sum(1); else __ballot_sync(~0u, 1); }),
                   "block (0, 0, 0) thread (1, 0, 0): lanes of one warp wait in different operations or name different "
                   "masks");
}

TEST(lane_outside_its_mask_is_a_failure) {
    expect_failure(failure_of(32, [] { __shfl_sync(0xFFFEu, 1, 1); }),
                   "block (0, 0, 0) thread (0, 0, 0): lane 0 is not in the mask it names");
}

TEST(copies_that_are_never_waited_for_are_a_failure) {
    alignas(16) static float source[4] = {1, 2, 3, 4};
    expect_failure(failure_of(1, [] {
                       DYNAMIC_SHARED(float, shared);
                       copy_async_16(shared, source);
                   }),
                   "block (0, 0, 0) thread (0, 0, 0): ended with asynchronous copies that it never waited for");
}

TEST(emulator_goes_on_after_a_failure) {
    failure_of(64, [] { if (threadIdx.x < 40) __syncthreads(); });
    int count = 0;
    simt::launch(dim3(2, 3), dim3(8, 4, 2), 0, [&] {
        __syncthreads();
        count++;
    });
    expect(count == 6 * 64, std::to_string(count) + " threads ran, expected 384");
}

/* y = x through shared memory. It waits for all copies, or for all except for the last group: one too few. */
template <int groups_left> void copy_through_shared(const float *x, float *y, int valid) {
    DYNAMIC_SHARED(float, shared);
    copy_async_16(shared, x);
    commit_copies();
    copy_async_16(shared + 4, x + 4, valid > 4);
    copy_async_4(shared + 8, x + 8);
    commit_copies();
    wait_for_copies<groups_left>();
    for (int i = 0; i < 9; i++) y[i] = shared[i];
    wait_for_copies<0>();
}

TEST(copies_arrive_with_their_wait) {
    alignas(16) static float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    std::vector<float> y(9), expected(x, x + 9);
    launch(1, 1, 64, [] {}, [&] { copy_through_shared<0>(x, y.data(), 8); }, y);
    same("copied", y, expected);
    std::fill(expected.begin() + 4, expected.begin() + 8, 0.0f);
    launch(1, 1, 64, [] {}, [&] { copy_through_shared<0>(x, y.data(), 4); }, y);
    same("filled with zeros", y, expected);
}

TEST(missing_wait_is_found) {
    alignas(16) static float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    std::vector<float> y(9);
    auto copy = [&] { simt::launch(1, 1, 64, [&] { copy_through_shared<1>(x, y.data(), 8); }); };
    expect(schedules_that_differ(copy, y) > 0, "no schedule finds the missing wait");
    copy();
    expect(y[3] == 4 && std::isnan(y[4]), "the waited-for group did not arrive, or the other did");
}

TEST(dynamic_shared_memory_starts_as_nan) {
    float first = 0;
    simt::launch(1, 1, 4, [&] {
        DYNAMIC_SHARED(float, shared);
        first = shared[0];
    });
    expect(std::isnan(first), "shared memory starts as " + std::to_string(first));
}

TEST(shuffles_and_votes) {
    std::vector<int> got(64), expected(64);
    simt::launch(1, 32, 0, [&] {
        int lane = int(threadIdx.x);
        int up = __shfl_up_sync(~0u, lane, 3), down = __shfl_down_sync(~0u, lane, 3);
        int broadcast = __shfl_sync(~0u, lane, 9, 8), pair = 0;
        if (lane < 16) pair = __shfl_xor_sync(0xFFFFu, lane, 5, 8);
        got[lane] = up + 100 * down + 10000 * broadcast + 1000000 * pair;
        got[32 + lane] = int(__ballot_sync(~0u, lane % 3 == 0)) + __any_sync(~0u, lane == 7) + __all_sync(~0u, lane);
    });
    for (int lane = 0; lane < 32; lane++) {
        int up = lane < 3 ? lane : lane - 3, down = lane > 28 ? lane : lane + 3;
        expected[lane] = up + 100 * down + 10000 * (lane / 8 * 8 + 1) + 1000000 * (lane < 16 ? lane ^ 5 : 0);
        expected[32 + lane] = 0x49249249 + 1;
    }
    same("lanes", got, expected);
}

TEST(block_reductions) {
    std::vector<float> got(2 * 96), expected(2 * 96);
    launch(1, 96, 0, [] {}, [&] {
        __shared__ float scratch[32];
        float x = float(threadIdx.x);
        got[threadIdx.x] = block_sum(x, scratch);
        got[96 + threadIdx.x] = block_maximum(-x - 1, scratch);
    }, got);
    std::fill_n(expected.begin(), 96, 95.0f * 96 / 2);
    std::fill_n(expected.begin() + 96, 96, -1.0f);
    same("reduced", got, expected);
}

/* c[16, 8] = a[16, 16] · b by one warp. b is stored [8, 16] (n first) or, transposed by the load, [16, 8]. */
template <bool is_transposed> void multiply_tile(const bf16 *a, const bf16 *b, float *c) {
    __shared__ __align__(16) bf16 tile_a[16 * 16], tile_b[16 * 8];
    int lane = threadIdx.x;
    for (int i = lane; i < 256; i += 32) tile_a[i] = a[i];
    for (int i = lane; i < 128; i += 32) tile_b[i] = b[i];
    __syncwarp();
    u32 of_a[4], of_b[2], second[1];
    load_matrix_4(of_a, tile_a + lane % 16 * 16 + lane / 16 * 8);
    if (is_transposed) {
        load_matrix_transposed_2(of_b, tile_b + lane % 16 * 8);
        load_matrix_transposed_1(second, tile_b + 8 * 8 + lane % 8 * 8);
    } else {
        load_matrix_2(of_b, tile_b + lane % 8 * 16 + lane / 8 % 2 * 8);
        load_matrix_1(second, tile_b + lane % 8 * 16 + 8);
    }
    if (second[0] != of_b[1]) simt::fail("loads of one and of two tiles differ");
    float sums[4] = {0, 0, 0, 0};
    matrix_multiply_add(sums, of_a, of_b);
    for (int i = 0; i < 4; i++) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

template <bool is_transposed> void test_tile() {
    Random random(3);
    auto a = normals<bf16>(random, 256), b = normals<bf16>(random, 128);
    auto c = unwritten<float>(128);
    launch(1, 32, 0, [&] { c = unwritten<float>(128); },
           [&] { multiply_tile<is_transposed>(a.data(), b.data(), c.data()); }, c);
    std::vector<double> expected(128);
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++)
            for (int k = 0; k < 16; k++)
                expected[m * 8 + n] += number(a[m * 16 + k]) * number(b[is_transposed ? k * 8 + n : n * 16 + k]);
    compare("product", c, expected);
}
TEST(matrix_instructions) { test_tile<false>(); }
TEST(matrix_instructions_transposed) { test_tile<true>(); }

TEST(bfloat16_is_rounded_to_nearest_even) {
    const struct {
        u32 bits;
        u16 expected;
    } cases[] = {{0x3F808000, 0x3F80}, {0x3F818000, 0x3F82}, {0x3F808001, 0x3F81}, {0x7F7FFFFF, 0x7F80},
                 {0xFF800000, 0xFF80}, {0x7F800001, 0x7FFF}, {0x80000000, 0x8000}, {0x00018000, 0x0002}};
    for (auto each : cases)
        expect(to_bf16(__uint_as_float(each.bits)).bits == each.expected, "bits " + std::to_string(each.bits));
}

} // namespace
