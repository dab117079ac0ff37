/* embedding.cu against float64. */
#include "harness.hpp"

namespace {
#include "embedding.cu"

using namespace harness;

/* Tokens, vocabulary and width. There are few ids, so most come several times, also 256 tokens apart. */
const std::tuple<i32, i32, i32> shapes[] = {{1, 1, 1}, {7, 5, 13}, {300, 11, 40}, {600, 3, 9}, {9, 4, 2056}};

std::vector<i32> ids_of(Random &random, i32 rows, i32 vocabulary) {
    std::vector<i32> ids(rows);
    for (i32 &id : ids) id = random.below(vocabulary);
    return ids;
}

std::string shape(i32 rows, i32 D) { return "[" + std::to_string(rows) + ", " + std::to_string(D) + "]"; }

template <class T> void test_forward(void (*kernel)(const i32 *, const T *, T *, i32, i32, float)) {
    Random random(1);
    for (auto [rows, vocabulary, D] : shapes) {
        auto table = normals<T>(random, vocabulary * D), y = unwritten<T>(rows * D);
        auto ids = ids_of(random, rows, vocabulary);
        const float scale = 6.75f;
        std::vector<double> expected(rows * D);
        for (i32 i = 0; i < rows * D; i++) expected[i] = scale * number(table[ids[i / D] * D + i % D]);
        launch(unsigned(rows), 256, 0, [&] { y = unwritten<T>(rows * D); },
               [&] { kernel(ids.data(), table.data(), y.data(), rows, D, scale); }, y);
        compare(shape(rows, D), y, expected);
    }
}
TEST(embedding_forward_f32) { test_forward(embedding_forward_f32); }
TEST(embedding_forward_bf16) { test_forward(embedding_forward_bf16); }

template <class T> void test_backward(void (*kernel)(const T *, const i32 *, float, float *, i32, i32)) {
    Random random(2);
    for (auto [rows, vocabulary, D] : shapes) {
        auto dY = normals<T>(random, rows * D);
        auto before = normals<float>(random, vocabulary * D), dTable = before;
        auto ids = ids_of(random, rows, vocabulary);
        const float scale = 6.75f;
        /* The sums have the order of the tokens: in float32 they are equal to the last bit. */
        auto expected = before;
        for (i32 i = 0; i < rows * D; i++) expected[ids[i / D] * D + i % D] += scale * widened(dY[i]);
        launch(unsigned(rows), 256, 0, [&] { dTable = before; },
               [&] { kernel(dY.data(), ids.data(), scale, dTable.data(), rows, D); }, dTable);
        same(shape(rows, D), dTable, expected);
        Shifted<float> shifted(before);
        simt::launch(unsigned(rows), 256, 0, [&] { kernel(dY.data(), ids.data(), scale, shifted.data(), rows, D); });
        same("not aligned " + shape(rows, D), shifted.values(), expected);
    }
}
TEST(embedding_backward_f32) { test_backward(embedding_backward_f32); }
TEST(embedding_backward_bf16) { test_backward(embedding_backward_bf16); }

} // namespace
