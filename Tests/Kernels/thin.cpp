/* thin.cu against float64. */
#include "harness.hpp"

namespace {
#include "thin.cu"

using namespace harness;

unsigned tiles(i32 size, i32 tile) { return unsigned((size + tile - 1) / tile); }

/* A float32 sum of `count` products of normal numbers is of size sqrt(count). */
Tolerance sum_tolerance(bool is_f32, i32 count) {
    return {is_f32 ? 4e-6 : bf16_tolerance.relative, is_f32 ? std::sqrt(double(count)) : 0.01};
}

/* a[rows, depth] · b[columns, depth]ᵀ */
template <class A, class B>
std::vector<double> product(const std::vector<A> &a, const std::vector<B> &b, i32 rows, i32 columns, i32 depth) {
    std::vector<double> result(size_t(rows) * columns);
    for (i32 i = 0; i < rows; i++)
        for (i32 j = 0; j < columns; j++)
            for (i32 k = 0; k < depth; k++)
                result[i * columns + j] += number(a[i * depth + k]) * number(b[j * depth + k]);
    return result;
}

template <class T> std::vector<T> transposed(const std::vector<T> &x, i32 rows, i32 columns) {
    std::vector<T> result(x.size());
    for (i32 i = 0; i < rows; i++)
        for (i32 j = 0; j < columns; j++) result[j * rows + i] = x[i * columns + j];
    return result;
}

template <class T> void check_thin(i32 M, i32 N, i32 K, float alpha, float beta) {
    Random random(M + N + K);
    auto x = normals<bf16>(random, M * K), weight = normals<bf16>(random, N * K);
    auto old = normals<T>(random, M * N), y = old;
    launch(
        tiles(N, 16), 256, 0, [&] { y = beta == 0 ? unwritten<T>(M * N) : old; },
        [&] { product_thin(x.data(), weight.data(), y.data(), M, N, K, sizeof(T) == 4, alpha, beta); }, y);
    auto expected = product(x, weight, M, N, K);
    for (i32 i = 0; i < M * N; i++) expected[i] = alpha * expected[i] + (beta == 0 ? 0 : beta * number(old[i]));
    compare(std::to_string(M) + " x " + std::to_string(N) + " x " + std::to_string(K), y, expected,
            sum_tolerance(sizeof(T) == 4, K));
}

TEST(product_thin_f32) {
    check_thin<float>(1, 1, 8, 1, 0);
    check_thin<float>(1, 37, 1032, 1, 0);
    check_thin<float>(9, 17, 2056, 0.5f, 1);
    check_thin<float>(16, 16, 128, 1, 0);
}
TEST(product_thin_bf16) {
    check_thin<bf16>(7, 31, 264, 1, 0);
    check_thin<bf16>(16, 5, 1024, 2, -1);
}

std::vector<bf16> split(std::vector<float> x, i32 lines, i32 depth, i32 padded, bool is_transposed) {
    auto parts = unwritten<bf16>(size_t(3) * lines * padded);
    simt::launch(2, 256, 0, [&] { low_rank_split(x.data(), parts.data(), lines, depth, padded, is_transposed); });
    return parts;
}

TEST(low_rank_split) {
    const i32 lines = 5, depth = 13, padded = 16;
    Random random(3);
    auto x = normals<float>(random, lines * depth, 1e-3);
    x[0] = 3.4028235e38f, x[1] = -0.0f, x[2] = INFINITY, x[3] = NAN, x[4] = 1e-30f;
    for (bool is_transposed : {false, true}) {
        auto parts = split(is_transposed ? transposed(x, lines, depth) : x, lines, depth, padded, is_transposed);
        std::vector<double> sums(lines * depth);
        for (i32 line = 0; line < lines; line++)
            for (i32 k = 0; k < padded; k++) {
                i32 at = line * padded + k, count = lines * padded;
                double sum = number(parts[at]) + number(parts[count + at]) + number(parts[2 * count + at]);
                if (k < depth)
                    sums[line * depth + k] = sum;
                else
                    expect(sum == 0, "padding is zero");
            }
        compare("sum of parts", sums, numbers(x), {0, 0});
    }
}

void check_project(i32 T, i32 D, i32 R, i32 splits, i32 depth_per_split) {
    Random random(T + D + R);
    auto x = normals<bf16>(random, T * D);
    auto factor = normals<float>(random, R * D);
    auto parts = split(factor, R, D, D, false);
    auto inner = unwritten<float>(splits * T * R);
    launch(
        dim3(tiles(T, 64), tiles(R, 16), splits), 256, 0, [&] { inner = unwritten<float>(splits * T * R); },
        [&] { low_rank_project(x.data(), parts.data(), inner.data(), T, D, R, depth_per_split, 0.5f); }, inner);
    auto expected = product(x, factor, T, R, D);
    std::vector<double> got(T * R);
    for (i32 i = 0; i < splits * T * R; i++) got[i % (T * R)] += 2 * number(inner[i]);
    compare(std::to_string(T) + " x " + std::to_string(D) + " x " + std::to_string(R), got, expected,
            sum_tolerance(true, D));
}

TEST(low_rank_project) {
    check_project(1, 8, 1, 1, 8);
    check_project(65, 264, 16, 1, 264);
    check_project(61, 520, 17, 3, 200);
}

template <class T> void check_update(i32 rows, i32 D, i32 R, bool by_column, i32 rows_per_block) {
    Random random(rows + D + R);
    auto old = normals<T>(random, rows * D), y = old;
    auto inner = normals<float>(random, rows * R), factor = normals<float>(random, D * R);
    auto stored = by_column ? factor : transposed(factor, D, R);
    launch(
        dim3(2, tiles(rows, rows_per_block)), 128, 0, [&] { y = old; },
        [&] {
            if constexpr (sizeof(T) == 4)
                low_rank_update_f32(y.data(), inner.data(), stored.data(), rows, D, R, by_column, rows_per_block, 0.5f);
            else
                low_rank_update_bf16(y.data(), inner.data(), stored.data(), rows, D, R, by_column, rows_per_block,
                                     0.5f);
        },
        y);
    auto expected = product(inner, factor, rows, D, R);
    for (i32 i = 0; i < rows * D; i++) expected[i] = number(old[i]) + 0.5 * expected[i];
    compare(std::to_string(rows) + " x " + std::to_string(D) + " x " + std::to_string(R), y, expected,
            sum_tolerance(sizeof(T) == 4, R));
}

TEST(low_rank_update_f32) {
    check_update<float>(1, 1, 1, true, 64);
    check_update<float>(67, 516, 16, true, 64);
    check_update<float>(5, 262, 31, false, 2);
    check_update<float>(6, 131, 64, true, 64);
}
TEST(low_rank_update_bf16) {
    check_update<bf16>(33, 1028, 13, false, 32);
    check_update<bf16>(9, 134, 32, true, 4);
    check_update<bf16>(3, 67, 3, false, 64);
}

void check_gradient(i32 T, i32 D, i32 R, i32 splits, i32 rows_per_split) {
    Random random(T + D + R);
    auto x = normals<bf16>(random, T * D);
    auto inner = normals<float>(random, T * R);
    const i32 padded = (T + 15) / 16 * 16;
    auto parts = split(inner, R, T, padded, true);
    auto partials = unwritten<float>(splits * R * D);
    launch(
        dim3(tiles(D, 64), tiles(R, 16), splits), 256, 32768, [&] { partials = unwritten<float>(splits * R * D); },
        [&] { low_rank_gradient(x.data(), parts.data(), partials.data(), T, D, R, padded, rows_per_split); }, partials);
    auto expected = product(transposed(inner, T, R), transposed(x, T, D), R, D, T);
    std::vector<double> got(R * D);
    for (i32 i = 0; i < splits * R * D; i++) got[i % (R * D)] += number(partials[i]);
    compare(std::to_string(T) + " x " + std::to_string(D) + " x " + std::to_string(R), got, expected,
            sum_tolerance(true, T));
}

TEST(low_rank_gradient) {
    check_gradient(1, 8, 1, 1, 16);
    check_gradient(131, 72, 16, 1, 144);
    check_gradient(300, 136, 17, 3, 112);
}

} // namespace
