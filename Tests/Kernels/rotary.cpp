/* rotary.cu against float64. */
#include "harness.hpp"

namespace {
#include "rotary.cu"

using namespace harness;

template <class T>
void test_rotary(void (*kernel)(const T *, const i32 *, const float *, T *, i32, i32, i32, float)) {
    Random random(1);
    for (auto [rows, heads, H] : {std::tuple{1, 1, 2}, {5, 3, 14}, {3, 8, 64}, {4, 5, 256}, {2, 1, 528}}) {
        const i32 n = rows * heads * H, half = H / 2;
        auto x = normals<T>(random, n), y = unwritten<T>(n);
        std::vector<i32> positions(rows);
        std::vector<float> frequencies(half);
        for (i32 i = 0; i < rows; i++) positions[i] = i == 0 ? 131071 : random.below(8192);
        for (i32 i = 0; i < half; i++) frequencies[i] = float(std::pow(10000.0, -2.0 * i / H));
        for (float sign : {1.0f, -1.0f}) {
            std::vector<double> expected(n);
            for (i32 i = 0; i < n; i++) {
                const i32 row = i / (heads * H), k = i % H % half;
                /* The angle is a float32 product, by definition. From there on everything is exact. */
                const double angle = float(positions[row]) * frequencies[k];
                const bool is_first = i % H < half;
                const double other = number(x[is_first ? i + half : i - half]);
                expected[i] = number(x[i]) * std::cos(angle) + (is_first ? -sign : sign) * other * std::sin(angle);
            }
            auto rotate_to = [&](std::vector<T> &target) {
                return [&] {
                    kernel(x.data(), positions.data(), frequencies.data(), target.data(), rows, heads, H, sign);
                };
            };
            launch(unsigned(rows), 256, size_t(H) * 4, [&] { y = unwritten<T>(n); }, rotate_to(y), y);
            const std::string shape = "[" + std::to_string(rows) + ", " + std::to_string(heads) + ", "
                + std::to_string(H) + "]";
            compare(shape, y, expected);
            auto before = x;
            simt::launch(unsigned(rows), 256, size_t(H) * 4, rotate_to(x));
            same("in place " + shape, x, y);
            x = before;
        }
    }
}
TEST(rotary_f32) { test_rotary(rotary_f32); }
TEST(rotary_bf16) { test_rotary(rotary_bf16); }

} // namespace
