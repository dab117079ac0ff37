/* product.cu against float64. */
#include "harness.hpp"

namespace {
#include "product.cu"

using namespace harness;

struct Shape {
    i32 M, N, K;
    std::string text() const {
        return std::to_string(M) + " x " + std::to_string(N) + " x " + std::to_string(K) + " ";
    }
};

/* A float32 sum of K products of normal numbers is of size sqrt(K), and off by 2^-24 of that at each step. */
Tolerance sum_tolerance(bool is_f32, i32 K) {
    return {is_f32 ? 4e-6 : bf16_tolerance.relative, is_f32 ? std::sqrt(double(K)) : 0.01};
}

/* alpha · op(a) · op(b) + beta · c */
template <class A, class B, class C>
std::vector<double> product(const std::vector<A> &a, const std::vector<B> &b, const std::vector<C> &c, Shape shape,
                            bool trans_a, bool trans_b, double alpha, double beta) {
    auto [M, N, K] = shape;
    std::vector<double> result(size_t(M) * N);
    for (i32 m = 0; m < M; m++)
        for (i32 n = 0; n < N; n++) {
            double sum = 0;
            for (i32 k = 0; k < K; k++)
                sum += number(a[trans_a ? k * M + m : m * K + k]) * number(b[trans_b ? n * K + k : k * N + n]);
            result[m * N + n] = alpha * sum + (beta == 0 ? 0 : beta * number(c[m * N + n]));
        }
    return result;
}

unsigned tiles(i32 size, i32 tile) { return unsigned((size + tile - 1) / tile); }

/* The content of c before the product: NaN if beta is 0, because then c must not be read. */
template <class C> std::vector<C> before(const std::vector<C> &values, float beta) {
    return beta == 0 ? unwritten<C>(values.size()) : values;
}

template <class A, class B, class C>
void check_any(Shape shape, bool trans_a, bool trans_b, float alpha, float beta) {
    auto [M, N, K] = shape;
    Random random(M * 7 + N * 3 + K);
    auto a = normals<A>(random, M * K);
    auto b = normals<B>(random, K * N);
    auto old = normals<C>(random, M * N), c = old;
    i32 types = (sizeof(A) == 2) | (sizeof(B) == 2) << 1 | (sizeof(C) == 2) << 2;
    launch(
        dim3(tiles(N, 64), tiles(M, 64)), 256, 0, [&] { c = before(old, beta); },
        [&] { product_any(a.data(), b.data(), c.data(), M, N, K, types, trans_a, trans_b, alpha, beta); }, c);
    compare(shape.text() + std::to_string(types) + (trans_a ? "T" : "N") + (trans_b ? "T" : "N"), c,
            product(a, b, old, shape, trans_a, trans_b, alpha, beta), sum_tolerance(sizeof(C) == 4, K));
}

const Shape any_shapes[] = {{1, 1, 1}, {7, 13, 17}, {63, 65, 16}, {65, 64, 31}, {2, 130, 5}};

TEST(product_any_transposes) {
    for (Shape shape : any_shapes)
        for (int transposes = 0; transposes < 4; transposes++)
            check_any<float, float, float>(shape, transposes & 1, transposes & 2, 1, 0);
}
TEST(product_any_types) {
    for (Shape shape : {Shape{5, 67, 19}, Shape{70, 3, 33}}) {
        check_any<bf16, float, float>(shape, false, true, 0.5f, 1);
        check_any<float, bf16, float>(shape, true, false, 2, -1);
        check_any<bf16, bf16, float>(shape, false, false, 1, 0);
        check_any<float, float, bf16>(shape, true, true, 0.25f, 1);
        check_any<bf16, bf16, bf16>(shape, true, false, 1, 0);
    }
}
TEST(product_any_without_inner_size) { check_any<float, float, float>({3, 5, 0}, false, false, 1, 0.5f); }

const size_t ring_bytes = PRODUCT_STAGES * STAGE_BYTES;

template <class C> void check_tensor_cores(Shape shape, bool trans_a, bool trans_b, float alpha, float beta) {
    auto [M, N, K] = shape;
    Random random(M * 7 + N * 3 + K);
    auto a = normals<bf16>(random, M * K), b = normals<bf16>(random, K * N);
    auto old = normals<C>(random, M * N), c = old;
    launch(
        tiles(M, 128) * tiles(N, 128), 128, ring_bytes, [&] { c = before(old, beta); },
        [&] { product_bf16(a.data(), b.data(), c.data(), M, N, K, trans_a, trans_b, sizeof(C) == 4, alpha, beta, K); },
        c);
    compare(shape.text() + (trans_a ? "T" : "N") + (trans_b ? "T" : "N"), c,
            product(a, b, old, shape, trans_a, trans_b, alpha, beta), sum_tolerance(sizeof(C) == 4, K));
}

/*
 * Lines that must be a multiple of 8 are such multiples. The others are one, primes, a tile and its
 * neighbours.
 */
TEST(product_bf16_as_stored) {
    for (Shape shape : {Shape{1, 8, 8}, Shape{127, 136, 40}, Shape{129, 24, 168}})
        check_tensor_cores<float>(shape, false, false, 1, 0);
}
TEST(product_bf16_b_transposed) {
    for (Shape shape : {Shape{1, 1, 8}, Shape{131, 127, 136}, Shape{128, 128, 32}, Shape{13, 129, 64}})
        check_tensor_cores<float>(shape, false, true, 1, 0);
}
TEST(product_bf16_a_transposed) {
    for (Shape shape : {Shape{8, 8, 1}, Shape{136, 128, 37}, Shape{24, 136, 131}})
        check_tensor_cores<float>(shape, true, false, 1, 0);
}
TEST(product_bf16_both_transposed) {
    for (Shape shape : {Shape{8, 1, 8}, Shape{136, 131, 104}}) check_tensor_cores<float>(shape, true, true, 1, 0);
}
TEST(product_bf16_to_bf16) {
    check_tensor_cores<bf16>({33, 72, 48}, false, true, 0.5f, 0);
    check_tensor_cores<bf16>({9, 131, 24}, false, true, 2, 1);
}
TEST(product_bf16_adds) {
    check_tensor_cores<float>({40, 131, 24}, true, true, 0.5f, 1);
    check_tensor_cores<float>({40, 24, 19}, true, false, 1, -0.5f);
}

/* Bands: more rows of tiles than one band has. */
TEST(product_bf16_covers_every_tile) {
    i32 M = 128 * 9 + 1, N = 128 + 8, K = 8;
    std::vector<bf16> a(M * K), b(N * K);
    for (i32 m = 0; m < M; m++) a[m * K] = to_bf16(float(m % 61));
    for (i32 n = 0; n < N; n++) b[n * K] = to_bf16(float(n % 7 + 1));
    auto c = unwritten<float>(M * N);
    simt::launch(tiles(M, 128) * tiles(N, 128), 128, ring_bytes,
                 [&] { product_bf16(a.data(), b.data(), c.data(), M, N, K, 0, 1, 1, 1, 0, K); });
    std::vector<double> expected(size_t(M) * N);
    for (i32 i = 0; i < M * N; i++) expected[i] = i / N % 61 * (i % N % 7 + 1);
    compare("tiles", c, expected);
}

TEST(product_bf16_of_parts_is_merged) {
    for (bool transposed : {false, true}) {
        Shape shape{37, 72, 200};
        auto [M, N, K] = shape;
        const i32 splits = 4, depth = 64;
        Random random(9);
        auto a = normals<bf16>(random, M * K), b = normals<bf16>(random, K * N), old = normals<bf16>(random, M * N);
        auto partials = unwritten<float>(splits * M * N);
        launch(
            dim3(1, 1, splits), 128, ring_bytes, [&] { partials = unwritten<float>(splits * M * N); },
            [&] { product_bf16(a.data(), b.data(), partials.data(), M, N, K, 0, 0, 1, 1, 0, depth); }, partials);
        auto c = old;
        launch(
            2, 256, 0, [&] { c = old; },
            [&] { product_merge(partials.data(), c.data(), M, N, splits, transposed, 0, 0.5f, 2); }, c);
        auto sums = product(a, b, old, shape, false, false, 0.5, 0);
        std::vector<double> expected(M * N);
        for (i32 m = 0; m < M; m++)
            for (i32 n = 0; n < N; n++) {
                i32 at = transposed ? n * M + m : m * N + n;
                expected[at] = sums[m * N + n] + 2 * number(old[at]);
            }
        compare("merged", c, expected, sum_tolerance(false, K));
    }
}

/* A NaN of one factor reaches only its row, whatever fills up the tile. */
TEST(product_bf16_keeps_nan_in_its_row) {
    i32 M = 5, N = 9, K = 24;
    Random random(4);
    auto a = normals<bf16>(random, M * K), b = normals<bf16>(random, K * N);
    a[2 * K + 23] = bf16{0x7FC0};
    auto c = unwritten<float>(M * N);
    simt::launch(1, 128, ring_bytes, [&] { product_bf16(a.data(), b.data(), c.data(), M, N, K, 0, 1, 1, 1, 0, K); });
    for (i32 i = 0; i < M * N; i++) expect((c[i] != c[i]) == (i / N == 2), "element " + std::to_string(i));
}

} // namespace
