/* elementwise.cu against float64. */
#include "harness.hpp"

namespace {
#include "elementwise.cu"

using namespace harness;

/* One, primes, whole vectors, more than one block. */
const i64 sizes[] = {1, 7, 64, 257, 4096, 5003};

template <class T> void test_add(void (*kernel)(const T *, const T *, T *, i64)) {
    Random random(1);
    for (i64 n : sizes) {
        auto a = normals<T>(random, n), b = normals<T>(random, n), y = unwritten<T>(n);
        std::vector<double> expected(n);
        for (i64 i = 0; i < n; i++) expected[i] = number(a[i]) + number(b[i]);
        launch(3, 256, 0, [&] { y = unwritten<T>(n); }, [&] { kernel(a.data(), b.data(), y.data(), n); }, y);
        compare("n " + std::to_string(n), y, expected);

        Shifted<T> shifted(a);
        simt::launch(2, 256, 0, [&] { kernel(shifted.data(), b.data(), shifted.data(), n); });
        compare("in place, not aligned, n " + std::to_string(n), shifted.values(), expected);
    }
}
TEST(add_f32) { test_add(add_f32); }
TEST(add_bf16) { test_add(add_bf16); }

} // namespace
