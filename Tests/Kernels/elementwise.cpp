/* elementwise.cu against float64. */
#include "harness.hpp"

namespace {
#include "elementwise.cu"

using namespace harness;

/* One, primes, whole vectors, and more than the grid takes at once. */
const i64 sizes[] = {1, 7, 64, 257, 4096, 13001};

std::string size(i64 n) { return "n " + std::to_string(n); }

/*
 * Runs `kernel(x, y, z, result, n)` in all sizes, aligned and not, and in place over x. Compares it with
 * `expected` of an element.
 */
template <class T, class Result, class Kernel, class Expected> void check(Kernel kernel, Expected expected) {
    Random random(1);
    for (i64 n : sizes) {
        auto x = normals<T>(random, n, 2), y = normals<T>(random, n), z = normals<T>(random, n);
        std::vector<double> wanted(n);
        for (i64 i = 0; i < n; i++) wanted[i] = expected(number(x[i]), number(y[i]), number(z[i]), i);
        auto result = unwritten<Result>(n);
        launch(5, 256, 0, [&] { result = unwritten<Result>(n); },
               [&] { kernel(x.data(), y.data(), z.data(), result.data(), n); }, result);
        compare(size(n), result, wanted);

        Shifted<T> shifted(x);
        auto other = unwritten<Result>(n);
        simt::launch(2, 256, 0, [&] { kernel(shifted.data(), y.data(), z.data(), other.data(), n); });
        same("not aligned, " + size(n), other, result);
        if constexpr (std::is_same_v<T, Result>) {
            simt::launch(2, 256, 0, [&] { kernel(x.data(), y.data(), z.data(), x.data(), n); });
            same("in place, " + size(n), x, result);
        }
    }
}

template <class T> void test_add(void (*kernel)(const T *, const T *, T *, i64)) {
    check<T, T>([=](T *x, T *y, T *, T *result, i64 n) { kernel(x, y, result, n); },
                [](double x, double y, double, i64) { return x + y; });
}
TEST(add_f32) { test_add(add_f32); }
TEST(add_bf16) { test_add(add_bf16); }

template <class T> void test_accumulate(void (*kernel)(const T *, float *, i64)) {
    Random random(2);
    for (i64 n : sizes) {
        auto x = normals<T>(random, n);
        auto before = normals<float>(random, n), sum = before;
        std::vector<double> wanted(n);
        for (i64 i = 0; i < n; i++) wanted[i] = number(x[i]) + before[i];
        launch(5, 256, 0, [&] { sum = before; }, [&] { kernel(x.data(), sum.data(), n); }, sum);
        compare(size(n), sum, wanted);
        Shifted<float> shifted(before);
        simt::launch(1, 256, 0, [&] { kernel(x.data(), shifted.data(), n); });
        same("not aligned, " + size(n), shifted.values(), sum);
    }
}
TEST(accumulate_f32) { test_accumulate(accumulate_f32); }
TEST(accumulate_bf16) { test_accumulate(accumulate_bf16); }

template <class Source, class Result>
void test_convert(void (*kernel)(const Source *, Result *, float, i64)) {
    for (float scale : {1.0f, -0.37f})
        check<Source, Result>(
            [=](Source *x, Source *, Source *, Result *result, i64 n) { kernel(x, result, scale, n); },
            [=](double x, double, double, i64) { return scale * x; });
}
TEST(convert_f32_f32) { test_convert(convert_f32_f32); }
TEST(convert_f32_bf16) { test_convert(convert_f32_bf16); }
TEST(convert_bf16_f32) { test_convert(convert_bf16_f32); }
TEST(convert_bf16_bf16) { test_convert(convert_bf16_bf16); }

/* Whether an element is dropped, computed from the definition (SplitMix64, 24 bits). */
bool is_dropped(u64 word, u64 index, float probability) {
    u64 z = word + (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return double(z >> 40) / (1 << 24) < double(probability);
}

template <class T> void test_dropout(void (*kernel)(const T *, T *, float, u64, i64)) {
    for (float probability : {0.0f, 0.1f, 0.75f})
        check<T, T>([=](T *x, T *, T *, T *result, i64 n) { kernel(x, result, probability, 77, n); },
                    [=](double x, double, double, i64 i) {
                        return is_dropped(77, u64(i), probability) ? 0 : x / (1 - double(probability));
                    });
}
TEST(dropout_f32) { test_dropout(dropout_f32); }
TEST(dropout_bf16) { test_dropout(dropout_bf16); }

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double gelu_slope(double x) {
    double u = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + u) + 0.5 * x * (1 - u * u) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

template <class T> void test_geglu_forward(void (*kernel)(const T *, const T *, T *, i64)) {
    check<T, T>([=](T *gate, T *up, T *, T *y, i64 n) { kernel(gate, up, y, n); },
                [](double gate, double up, double, i64) { return gelu(gate) * up; });
}
TEST(geglu_forward_f32) { test_geglu_forward(geglu_forward_f32); }
TEST(geglu_forward_bf16) { test_geglu_forward(geglu_forward_bf16); }

template <class T> void test_geglu_backward(void (*kernel)(const T *, const T *, const T *, T *, T *, i64)) {
    std::vector<T> unused(13001);
    check<T, T>([&](T *gate, T *up, T *dY, T *dGate, i64 n) { kernel(dY, gate, up, dGate, unused.data(), n); },
                [](double gate, double up, double dY, i64) { return dY * up * gelu_slope(gate); });
    check<T, T>([&](T *gate, T *up, T *dY, T *dUp, i64 n) { kernel(dY, gate, up, unused.data(), dUp, n); },
                [](double gate, double, double dY, i64) { return dY * gelu(gate); });
}
TEST(geglu_backward_f32) { test_geglu_backward(geglu_backward_f32); }
TEST(geglu_backward_bf16) { test_geglu_backward(geglu_backward_bf16); }

TEST(geglu_of_large_numbers_is_finite) {
    std::vector<float> gate = {-1e6f, -100, -20, 0, 20, 100, 1e6f}, up(7, 1.0f), y(7), dGate(7), dUp(7);
    simt::launch(1, 256, 0, [&] { geglu_forward_f32(gate.data(), up.data(), y.data(), 7); });
    simt::launch(1, 256, 0, [&] {
        geglu_backward_f32(up.data(), gate.data(), up.data(), dGate.data(), dUp.data(), 7);
    });
    std::vector<double> expected, slopes;
    for (float x : gate) {
        expected.push_back(std::max(x, 0.0f));
        slopes.push_back(x == 0 ? 0.5 : x > 0);
    }
    compare("y", y, expected);
    compare("dGate", dGate, slopes);
    compare("dUp", dUp, expected);
}

} // namespace
