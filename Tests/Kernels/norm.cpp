/* norm.cu against float64. */
#include "harness.hpp"

namespace {
#include "norm.cu"

using namespace harness;

const float epsilon = 1e-6f;

/*
 * Rows of one warp (one, prime, the widest), and rows of one block (odd, vectors, more than one step for each
 * thread).
 */
const struct {
    i32 rows, D;
} shapes[] = {{1, 1}, {9, 7}, {17, 64}, {3, 512}, {4, 520}, {3, 1021}, {2, 4104}};

unsigned blocks(i32 rows, i32 D) { return unsigned(D <= 512 ? (rows + 7) / 8 : rows); }

std::string shape(i32 rows, i32 D) { return " [" + std::to_string(rows) + ", " + std::to_string(D) + "]"; }

double reciprocal_root(const std::vector<double> &x, i32 row, i32 D) {
    double squares = 0;
    for (i32 i = 0; i < D; i++) squares += x[row * D + i] * x[row * D + i];
    return 1 / std::sqrt(squares / D + epsilon);
}

std::vector<double> normed(const std::vector<double> &x, const std::vector<double> &weight, i32 rows, i32 D) {
    std::vector<double> y(x.size());
    for (i32 row = 0; row < rows; row++)
        for (i32 i = 0; i < D; i++)
            y[row * D + i] = x[row * D + i] * reciprocal_root(x, row, D) * (1 + weight[i]);
    return y;
}

std::vector<double> reciprocal_roots(const std::vector<double> &x, i32 rows, i32 D) {
    std::vector<double> result;
    for (i32 row = 0; row < rows; row++) result.push_back(reciprocal_root(x, row, D));
    return result;
}

template <class T> void test_forward(void (*kernel)(const T *, const T *, T *, float *, i32, i32, float)) {
    Random random(1);
    for (auto [rows, D] : shapes) {
        auto x = normals<T>(random, rows * D), weight = normals<T>(random, D, 0.3), y = unwritten<T>(rows * D);
        auto rstd = unwritten<float>(rows);
        launch(blocks(rows, D), 256, 0, [&] { y = unwritten<T>(rows * D); },
               [&] { kernel(x.data(), weight.data(), y.data(), rstd.data(), rows, D, epsilon); }, y, rstd);
        compare("y" + shape(rows, D), y, normed(numbers(x), numbers(weight), rows, D));
        compare("rstd" + shape(rows, D), rstd, reciprocal_roots(numbers(x), rows, D));
        simt::launch(blocks(rows, D), 256, 0,
                     [&] { kernel(x.data(), weight.data(), x.data(), rstd.data(), rows, D, epsilon); });
        same("in place" + shape(rows, D), x, y);
    }
}
TEST(rms_norm_forward_f32) { test_forward(rms_norm_forward_f32); }
TEST(rms_norm_forward_bf16) { test_forward(rms_norm_forward_bf16); }

TEST(rms_norm_forward_not_aligned) {
    Random random(2);
    const i32 rows = 3, D = 1024;
    auto x = normals<bf16>(random, rows * D), weight = normals<bf16>(random, D), y = unwritten<bf16>(rows * D);
    auto rstd = unwritten<float>(rows);
    Shifted<bf16> shifted(x);
    simt::launch(rows, 256, 0, [&] {
        rms_norm_forward_bf16(shifted.data(), weight.data(), y.data(), rstd.data(), rows, D, epsilon);
    });
    compare("y", y, normed(numbers(x), numbers(weight), rows, D));
}

template <class T>
void test_add_forward(void (*kernel)(const T *, const T *, const T *, T *, T *, float *, i32, i32, float)) {
    Random random(3);
    for (auto [rows, D] : shapes) {
        const i32 n = rows * D;
        auto a = normals<T>(random, n), b = normals<T>(random, n), weight = normals<T>(random, D, 0.3);
        auto sum = unwritten<T>(n), y = unwritten<T>(n);
        auto rstd = unwritten<float>(rows);
        launch(blocks(rows, D), 256, 0, [&] { sum = y = unwritten<T>(n); },
               [&] {
                   kernel(a.data(), b.data(), weight.data(), sum.data(), y.data(), rstd.data(), rows, D, epsilon);
               },
               sum, y, rstd);
        std::vector<T> expected(n);
        for (i32 i = 0; i < n; i++) expected[i] = rounded<T>(widened(a[i]) + widened(b[i]));
        same("sum" + shape(rows, D), sum, expected);
        compare("y" + shape(rows, D), y, normed(numbers(expected), numbers(weight), rows, D));
        compare("rstd" + shape(rows, D), rstd, reciprocal_roots(numbers(expected), rows, D));
        simt::launch(blocks(rows, D), 256, 0, [&] {
            kernel(a.data(), b.data(), weight.data(), a.data(), b.data(), rstd.data(), rows, D, epsilon);
        });
        same("sum in place" + shape(rows, D), a, sum);
        same("y in place" + shape(rows, D), b, y);
    }
}
TEST(add_rms_norm_forward_f32) { test_add_forward(add_rms_norm_forward_f32); }
TEST(add_rms_norm_forward_bf16) { test_add_forward(add_rms_norm_forward_bf16); }

template <class T>
void test_backward(void (*kernel)(const T *, const T *, const T *, const float *, const T *, T *, i32, i32)) {
    Random random(4);
    for (auto [rows, D] : shapes)
        for (bool has_sum : {false, true}) {
            const i32 n = rows * D;
            auto dY = normals<T>(random, n), x = normals<T>(random, n), weight = normals<T>(random, D, 0.3);
            auto dSum = normals<T>(random, n), dX = unwritten<T>(n);
            std::vector<float> rstd;
            for (double each : reciprocal_roots(numbers(x), rows, D)) rstd.push_back(float(each));
            const T *added = has_sum ? dSum.data() : nullptr;
            launch(blocks(rows, D), 256, 0, [&] { dX = unwritten<T>(n); },
                   [&] { kernel(dY.data(), x.data(), weight.data(), rstd.data(), added, dX.data(), rows, D); }, dX);
            std::vector<double> expected(n);
            for (i32 row = 0; row < rows; row++) {
                double projection = 0, r = rstd[row];
                for (i32 i = row * D; i < row * D + D; i++)
                    projection += number(dY[i]) * (1 + number(weight[i - row * D])) * number(x[i]);
                for (i32 i = row * D; i < row * D + D; i++)
                    expected[i] = r * (number(dY[i]) * (1 + number(weight[i - row * D]))
                                       - number(x[i]) * r * r * projection / D)
                        + (has_sum ? number(dSum[i]) : 0);
            }
            compare("dX" + shape(rows, D), dX, expected);
            simt::launch(blocks(rows, D), 256, 0, [&] {
                kernel(dY.data(), x.data(), weight.data(), rstd.data(), added, dY.data(), rows, D);
            });
            same("in place" + shape(rows, D), dY, dX);
        }
}
TEST(rms_norm_backward_f32) { test_backward(rms_norm_backward_f32); }
TEST(rms_norm_backward_bf16) { test_backward(rms_norm_backward_bf16); }

template <class T>
void test_weight_gradient(void (*kernel)(const T *, const T *, const float *, float *, i32, i32, i32)) {
    Random random(5);
    for (auto [rows, D, parts] : {std::tuple{1, 1, 1}, {37, 7, 3}, {50, 264, 4}, {19, 1021, 2}, {24, 2048, 3}}) {
        const i32 n = rows * D, rowsPerPart = (rows + parts - 1) / parts;
        auto dY = normals<T>(random, n), x = normals<T>(random, n);
        auto rstd = normals<float>(random, rows), before = normals<float>(random, D), dWeight = before;
        auto partials = unwritten<float>(parts * D);
        const unsigned columns = unsigned(D + 255) / 256;
        launch(dim3(columns, unsigned(parts)), 256, 0, [&] { partials = unwritten<float>(parts * D); },
               [&] { kernel(dY.data(), x.data(), rstd.data(), partials.data(), rows, D, rowsPerPart); }, partials);
        launch(columns, 256, 0, [&] { dWeight = before; },
               [&] { add_partials(partials.data(), dWeight.data(), parts, D); }, dWeight);
        std::vector<double> expected(before.begin(), before.end());
        for (i32 i = 0; i < n; i++) expected[i % D] += number(dY[i]) * number(x[i]) * rstd[i / D];
        /* Terms of about 1 cancel, so the error is that of the terms. */
        compare("dWeight" + shape(rows, D), dWeight, expected, {4e-6, 1});
    }
}
TEST(rms_norm_weight_gradient_f32) { test_weight_gradient(rms_norm_weight_gradient_f32); }
TEST(rms_norm_weight_gradient_bf16) { test_weight_gradient(rms_norm_weight_gradient_bf16); }

} // namespace
