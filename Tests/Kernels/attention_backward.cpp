/* attention_backward.cu against float64. */
#include "attention_reference.hpp"

namespace {
#include "attention_backward.cu"

template <class T> std::vector<T> as(const std::vector<double> &values) {
    std::vector<T> result;
    for (double value : values) result.push_back(rounded<T>(float(value)));
    return result;
}

/* The inputs of the kernels of one call, and the expected gradients. */
template <class T> struct Call {
    Case c;
    Inputs<T> in;
    std::vector<T> o;
    Outputs expected;
    std::vector<float> lse, delta;
    std::vector<Segment> segments;

    explicit Call(const Case &c)
        : c(c), in(c), o(as<T>(Outputs(c, in).o)), expected(c, in, &o), lse(as<float>(expected.lse)),
          delta(as<float>(expected.delta)), segments(c.template segments_as<Segment>()) {}

    /*
     * Sums over keys of products of size 2, which are rounded to bfloat16 at 2^-9 each; float32 sums of the
     * others.
     */
    Tolerance tolerance() const {
        return sizeof(T) == 2 ? Tolerance{1.5 / 256, 4} : Tolerance{2e-5, 1};
    }

    template <class Kernel> void check_queries(i32 tile_rows, size_t shared_bytes, Kernel kernel) {
        auto dQ = unwritten<T>(in.q.size());
        auto tiles = c.template row_tiles<Tile>(tile_rows);
        launch(
            dim3(unsigned(tiles.size()), c.K), 128, shared_bytes, [&] { dQ = unwritten<T>(dQ.size()); },
            [&] {
                kernel(in.q.data(), in.k.data(), in.v.data(), in.dO.data(), lse.data(), delta.data(), dQ.data(),
                       segments.data(), tiles.data());
            },
            dQ);
        compare(c.text() + "dQ", dQ, expected.dQ, tolerance());
    }

    /* Checks with all heads of a group at once, and with one head at a time. */
    template <class Kernel> void check_keys(i32 tile_keys, size_t shared_bytes, Kernel kernel) {
        auto tiles = c.template key_tiles<Tile>(tile_keys);
        const i32 rows = c.rows(1), heads = c.N / c.K;
        for (i32 splits : {1, heads}) {
            auto dK = unwritten<T>(in.k.size()), dV = dK;
            auto partials = unwritten<float>(splits * 2 * dK.size());
            auto prepare = [&] {
                dK = dV = unwritten<T>(dK.size()), partials = unwritten<float>(partials.size());
            };
            launch(
                dim3(unsigned(tiles.size()), c.K, splits), 128, shared_bytes, prepare,
                [&] {
                    kernel(in.q.data(), in.k.data(), in.v.data(), in.dO.data(), lse.data(), delta.data(), dK.data(),
                           dV.data(), partials.data(), segments.data(), tiles.data(), rows);
                },
                dK, dV, partials);
            if (splits > 1) {
                launch(
                    2, 256, 0, [] {},
                    [&] {
                        if constexpr (sizeof(T) == 4)
                            attention_merge_kv_f32(partials.data(), dK.data(), dV.data(), dK.size(), splits);
                        else
                            attention_merge_kv_bf16(partials.data(), dK.data(), dV.data(), dK.size(), splits);
                    },
                    dK, dV);
            }
            compare(c.text() + "dK", dK, expected.dK, tolerance());
            compare(c.text() + "dV", dV, expected.dV, tolerance());
        }
    }
};

template <int H> struct Wide;
#define WIDE(H, KEYS)                                                                                                \
    template <> struct Wide<H> {                                                                                     \
        static constexpr int keys = KEYS, query_keys = H == 256 ? 32 : 64;                                           \
        static constexpr auto of_queries = attention_backward_q_bf16_##H;                                            \
        static constexpr auto of_keys = attention_backward_kv_bf16_##H;                                              \
    };
WIDE(64, 64)
WIDE(128, 64)
WIDE(256, 32)

template <int H> void check_wide_queries(const Case &c) {
    Call<bf16> call(c);
    call.check_queries(64, H * (256 + 4 * Wide<H>::query_keys) + 512, [&](auto... arguments) {
        Wide<H>::of_queries(arguments..., c.N, c.K, c.scale, c.window, c.soft_cap);
    });
}
template <int H> void check_wide_keys(const Case &c) {
    constexpr int keys = Wide<H>::keys;
    Call<bf16> call(c);
    call.check_keys(keys, H * (128 + 4 * keys) + 128 * keys + 1280, [&](auto... arguments) {
        Wide<H>::of_keys(arguments..., c.N, c.K, c.scale, c.window, c.soft_cap);
    });
}

TEST(attention_backward_q_64) {
    for (const Case &c : tensor_core_cases(64)) check_wide_queries<64>(c);
}
TEST(attention_backward_q_128) {
    for (const Case &c : few_cases(128)) check_wide_queries<128>(c);
}
TEST(attention_backward_q_256) {
    for (const Case &c : few_cases(256)) check_wide_queries<256>(c);
}
TEST(attention_backward_kv_64) {
    for (const Case &c : tensor_core_cases(64)) check_wide_keys<64>(c);
}
TEST(attention_backward_kv_128) {
    for (const Case &c : few_cases(128)) check_wide_keys<128>(c);
}
TEST(attention_backward_kv_256) {
    for (const Case &c : few_cases(256)) check_wide_keys<256>(c);
}

TEST(attention_backward_f32) {
    for (const Case &c : plain_cases()) {
        Call<float> call(c);
        call.check_queries(16, 320 * (c.H | 1) + 2048, [&](auto... arguments) {
            attention_backward_q_f32(arguments..., c.N, c.K, c.H, c.scale, c.window, c.soft_cap);
        });
        call.check_keys(16, 384 * (c.H | 1) + 2048, [&](auto... arguments) {
            attention_backward_kv_f32(arguments..., c.N, c.K, c.H, c.scale, c.window, c.soft_cap);
        });
    }
}
TEST(attention_backward_bf16) {
    for (const Case &c : plain_cases()) {
        Call<bf16> call(c);
        call.check_queries(16, 320 * (c.H | 1) + 2048, [&](auto... arguments) {
            attention_backward_q_bf16(arguments..., c.N, c.K, c.H, c.scale, c.window, c.soft_cap);
        });
        call.check_keys(16, 384 * (c.H | 1) + 2048, [&](auto... arguments) {
            attention_backward_kv_bf16(arguments..., c.N, c.K, c.H, c.scale, c.window, c.soft_cap);
        });
    }
}

TEST(attention_delta) {
    const i32 rows = 7, N = 3, H = 45;
    Random random(8);
    auto dO = normals<bf16>(random, rows * N * H), o = normals<bf16>(random, rows * N * H);
    auto delta = unwritten<float>(rows * N);
    launch(
        2, 256, 0, [&] { delta = unwritten<float>(rows * N); },
        [&] { attention_delta_bf16(dO.data(), o.data(), delta.data(), rows, N, H); }, delta);
    std::vector<double> expected(rows * N);
    for (i32 i = 0; i < rows * N * H; i++) expected[i / H] += number(dO[i]) * number(o[i]);
    compare("delta", delta, expected, {4e-6, 5});
}

} // namespace
