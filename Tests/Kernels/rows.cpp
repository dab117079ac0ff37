/* rows.cu against plain loops. */
#include "harness.hpp"

namespace {
#include "rows.cu"

using namespace harness;

/* Number of picked rows, number of all rows, and width. */
const std::tuple<i32, i32, i32> shapes[] = {{1, 1, 1}, {5, 9, 13}, {300, 7, 24}, {11, 20, 2056}};

std::string shape(i32 M, i32 D) { return "[" + std::to_string(M) + ", " + std::to_string(D) + "]"; }

template <class T> void test_gather(void (*kernel)(const T *, const i32 *, T *, i32, i32)) {
    Random random(1);
    for (auto [M, count, D] : shapes) {
        auto x = normals<T>(random, count * D), y = unwritten<T>(M * D), expected = y;
        std::vector<i32> rows(M);
        for (i32 &row : rows) row = random.below(count);
        for (i32 i = 0; i < M * D; i++) expected[i] = x[rows[i / D] * D + i % D];
        launch(unsigned(M), 256, 0, [&] { y = unwritten<T>(M * D); },
               [&] { kernel(x.data(), rows.data(), y.data(), M, D); }, y);
        same(shape(M, D), y, expected);
    }
}
TEST(gather_rows_f32) { test_gather(gather_rows_f32); }
TEST(gather_rows_bf16) { test_gather(gather_rows_bf16); }

template <class T> void test_copy(void (*kernel)(const T *, const i32 *, T *, i32, i32)) {
    Random random(2);
    for (auto [M, count, D] : {std::tuple{1, 1, 1}, {3, 7, 13}, {5, 9, 256}}) {
        auto x = normals<T>(random, M * D), before = normals<T>(random, count * D), target = before;
        std::vector<i32> rows(M);
        for (i32 i = 0; i < M; i++) rows[i] = (i * 2 + 1) % count;
        auto expected = before;
        for (i32 i = 0; i < M * D; i++) expected[rows[i / D] * D + i % D] = x[i];
        launch(unsigned(M), 256, 0, [&] { target = before; },
               [&] { kernel(x.data(), rows.data(), target.data(), M, D); }, target);
        same(shape(M, D), target, expected);
    }
}
TEST(copy_rows_f32) { test_copy(copy_rows_f32); }
TEST(copy_rows_bf16) { test_copy(copy_rows_bf16); }

template <class T> void test_scatter(void (*kernel)(const T *, const i32 *, T *, i32, i32, i32)) {
    Random random(3);
    for (auto [M, count, D] : shapes) {
        auto dY = normals<T>(random, M * D), dX = unwritten<T>(count * D), expected = dX;
        std::vector<i32> rows(M);
        for (i32 &row : rows) row = random.below(count);
        /* Summed in float32 and in order, and rounded once. */
        std::vector<float> sums(count * D, 0.0f);
        for (i32 i = 0; i < M * D; i++) sums[rows[i / D] * D + i % D] += widened(dY[i]);
        for (i32 i = 0; i < count * D; i++) expected[i] = rounded<T>(sums[i]);
        launch(unsigned(count), 256, 0, [&] { dX = unwritten<T>(count * D); },
               [&] { kernel(dY.data(), rows.data(), dX.data(), M, count, D); }, dX);
        same(shape(M, D), dX, expected);
        Shifted<T> shifted(dY);
        simt::launch(unsigned(count), 256, 0, [&] { kernel(shifted.data(), rows.data(), dX.data(), M, count, D); });
        same("not aligned " + shape(M, D), dX, expected);
    }
}
TEST(scatter_rows_f32) { test_scatter(scatter_rows_f32); }
TEST(scatter_rows_bf16) { test_scatter(scatter_rows_bf16); }

} // namespace
