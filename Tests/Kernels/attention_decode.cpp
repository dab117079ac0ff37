/* attention_decode.cu against float64. */
#include "attention_reference.hpp"

namespace {
#include "attention_decode.cu"

template <class T> void check(const Case &c, i32 splits, i32 keys_per_split) {
    const Inputs<T> in(c);
    const Outputs expected(c, in);
    auto segments = c.template segments_as<Segment>();
    const unsigned count = unsigned(segments.size()), group = c.N / c.K;
    auto partials = unwritten<float>(size_t(count) * splits * c.N * (c.H + 2));
    auto o = unwritten<T>(in.q.size());
    auto lse = unwritten<float>(in.q.size() / c.H);
    launch(
        dim3(splits, c.K * ((group + 7) / 8), count), 128, 32 * c.H + 1152,
        [&] { partials = unwritten<float>(partials.size()); },
        [&] {
            auto run = [&](auto kernel) {
                kernel(in.q.data(), in.k.data(), in.v.data(), partials.data(), segments.data(), c.N, c.K, c.H, c.scale,
                       c.window, c.soft_cap, keys_per_split);
            };
            if constexpr (sizeof(T) == 4)
                run(attention_decode_f32);
            else
                run(attention_decode_bf16);
        },
        partials);
    for (float x : partials) expect(x == x, "every part is written");
    launch(
        dim3(c.N, count), 128, 0, [&] { o = unwritten<T>(o.size()), lse = unwritten<float>(lse.size()); },
        [&] {
            if constexpr (sizeof(T) == 4)
                attention_merge_f32(partials.data(), o.data(), lse.data(), segments.data(), c.N, c.H, splits);
            else
                attention_merge_bf16(partials.data(), o.data(), lse.data(), segments.data(), c.N, c.H, splits);
        },
        o, lse);
    compare(c.text() + "o", o, expected.o, sizeof(T) == 2 ? bf16_tolerance : c.template tolerance<T>());
    compare(c.text() + "lse", lse, expected.lse, {4e-6, 1});
}

/* One key; parts that are empty, or not a whole chunk; more heads than a block takes; odd sizes. */
template <class T> void check_all() {
    check<T>({{{1, 1}}, 1, 1, 1}, 1, 32);
    check<T>({{{1, 70}, {1, 3}, {1, 33}}, 8, 1, 64}, 3, 24);
    check<T>({{{1, 45}, {1, 101}}, 11, 1, 24}, 2, 64);
    check<T>({{{1, 65}}, 6, 2, 256, 40, 10}, 3, 32);
    check<T>({{{1, 31}, {1, 90}}, 3, 3, 7, 50}, 4, 25);
    check<T>({{{1, 34}}, 2, 2, 12}, 2, 32);
    check<T>({{{1, 40}}, 2, 1, 297, 0, 5}, 1, 40);
    check<T>({{{1, 35}}, 1, 1, 512}, 2, 20);
}
TEST(attention_decode_f32) { check_all<float>(); }
TEST(attention_decode_bf16) { check_all<bf16>(); }

} // namespace
