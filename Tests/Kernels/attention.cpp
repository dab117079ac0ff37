/* attention.cu against float64. */
#include "attention_reference.hpp"

namespace {
#include "attention.cu"

/* Runs `forward(tiles, shared)` with q, k, v, o as T. */
template <class T, class Kernel>
void check_forward(const Case &c, i32 tile_rows, size_t shared_bytes, Kernel kernel) {
    const Inputs<T> in(c);
    const Outputs expected(c, in);
    auto o = unwritten<T>(in.q.size());
    auto lse = unwritten<float>(in.q.size() / c.H);
    auto tiles = c.template row_tiles<Tile>(tile_rows);
    auto segments = c.template segments_as<Segment>();
    launch(
        dim3(unsigned(tiles.size()), c.K), 128, shared_bytes,
        [&] { o = unwritten<T>(o.size()), lse = unwritten<float>(lse.size()); },
        [&] { kernel(in.q.data(), in.k.data(), in.v.data(), o.data(), lse.data(), segments.data(), tiles.data()); }, o,
        lse);
    compare(c.text() + "o", o, expected.o, c.template tolerance<T>());
    compare(c.text() + "lse", lse, expected.lse, {sizeof(T) == 2 ? 2e-5 : 4e-6, 1});
}

#define WIDE_FORWARD(H)                                                                                              \
    template <> struct Wide<H> {                                                                                     \
        static constexpr auto kernel = attention_forward_bf16_##H;                                                   \
    };
template <int H> struct Wide;
WIDE_FORWARD(64)
WIDE_FORWARD(128)
WIDE_FORWARD(256)

template <int H> void check_wide(const Case &c) {
    check_forward<bf16>(c, 64, 384 * H, [&](auto q, auto k, auto v, auto o, auto lse, auto segments, auto tiles) {
        Wide<H>::kernel(q, k, v, o, lse, segments, tiles, c.N, c.K, c.scale, c.window, c.soft_cap);
    });
}
template <class T> void check_plain(const Case &c) {
    auto kernel = [&](auto q, auto k, auto v, auto o, auto lse, auto segments, auto tiles) {
        if constexpr (sizeof(T) == 4)
            attention_forward_f32(q, k, v, o, lse, segments, tiles, c.N, c.K, c.H, c.scale, c.window, c.soft_cap);
        else
            attention_forward_bf16(q, k, v, o, lse, segments, tiles, c.N, c.K, c.H, c.scale, c.window, c.soft_cap);
    };
    check_forward<T>(c, 16, 256 * (c.H | 1) + 2048, kernel);
}

TEST(attention_forward_64) {
    for (const Case &c : tensor_core_cases(64)) check_wide<64>(c);
}
TEST(attention_forward_128) {
    for (const Case &c : few_cases(128)) check_wide<128>(c);
}
TEST(attention_forward_256) {
    for (const Case &c : few_cases(256)) check_wide<256>(c);
}
TEST(attention_forward_f32) {
    for (const Case &c : plain_cases()) check_plain<float>(c);
}
TEST(attention_forward_bf16) {
    for (const Case &c : plain_cases()) check_plain<bf16>(c);
}

} // namespace
