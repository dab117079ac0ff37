/* crossentropy.cu against float64. */
#include "harness.hpp"

#include <algorithm>

namespace {
#include "crossentropy.cu"

using namespace harness;

/* Losses of logits [M, V], and gradients of `factor` times the sum of the losses. */
struct Reference {
    std::vector<double> losses, gradients;

    Reference(const std::vector<float> &logits, const std::vector<i32> &targets, i32 V, double cap, double factor)
        : losses(targets.size()), gradients(logits.size()) {
        for (size_t m = 0; m < targets.size(); m++) {
            if (targets[m] < 0) continue;
            std::vector<double> x(V), slope(V);
            for (i32 v = 0; v < V; v++) {
                double raw = logits[m * V + v], bent = cap > 0 ? std::tanh(raw / cap) : 0;
                x[v] = cap > 0 ? cap * bent : raw;
                slope[v] = 1 - bent * bent;
            }
            double most = *std::max_element(x.begin(), x.end()), sum = 0;
            for (double value : x) sum += std::exp(value - most);
            losses[m] = std::log(sum) + most - x[targets[m]];
            for (i32 v = 0; v < V; v++) {
                double p = std::exp(x[v] - most) / sum;
                gradients[m * V + v] = factor * (p - (v == targets[m])) * slope[v];
            }
        }
    }
};

/*
 * Rows whose largest logits come first, last and anywhere, so that a running maximum must move. They are not
 * far over the cap: there 1 - tanh² is a difference of nearly equal numbers.
 */
std::vector<float> make_logits(Random &random, i32 M, i32 V, float cap) {
    const float deviation = cap > 0 ? cap / 6 : 8;
    auto logits = normals<float>(random, size_t(M) * V, deviation);
    for (i32 m = 0; m < M; m++)
        for (i32 v = 0; v < V; v++) {
            float slope = 5 * deviation * float(v) / float(V);
            logits[m * V + v] += m % 3 == 0 ? slope : m % 3 == 1 ? -slope : 0;
        }
    return logits;
}

/* Exponentials of differences of up to about 60 are off by 2^-24 · 60, and so are losses. */
const Tolerance loss_tolerance{4e-6, 2}, gradient_tolerance{3e-5, 1e-6};
/* At the target, p - 1, or p times 1 - tanh² near 0, is as far off as p. */
const Tolerance target_tolerance{1e-5, 1};

/* Compares gradients [M, V] at the targets, and elsewhere. */
template <class T>
void compare_gradients(const std::string &what, const std::vector<T> &got, const std::vector<double> &expected,
                       const std::vector<i32> &targets, i32 V, double factor, Tolerance tolerance) {
    auto others = numbers(got), others_expected = expected;
    std::vector<double> at_targets, at_targets_expected;
    for (size_t m = 0; m < targets.size(); m++) {
        if (targets[m] < 0) continue;
        size_t at = m * V + targets[m];
        at_targets.push_back(others[at] / factor);
        at_targets_expected.push_back(expected[at] / factor);
        others[at] = others_expected[at] = 0;
    }
    compare(what, others, others_expected, tolerance);
    compare(what + ", at targets", at_targets, at_targets_expected,
            {tolerance.relative, std::max(tolerance.floor, sizeof(T) == 4 ? target_tolerance.floor : 1e-3)});
}

void check(i32 M, i32 V, float cap, float factor) {
    Random random(M + V);
    auto old = make_logits(random, M, V, cap), logits = old;
    std::vector<i32> targets(M);
    for (i32 m = 0; m < M; m++) targets[m] = m == 0 ? V - 1 : m == 1 ? 0 : random.below(V);
    if (M > 3) targets[3] = -1;
    Reference expected(old, targets, V, cap, factor);
    auto losses = unwritten<float>(M);
    auto run = [&](i32 gradient) {
        launch(
            M, 512, 0, [&] { logits = old, losses = unwritten<float>(M); },
            [&] {
                cross_entropy(logits.data(), targets.data(), losses.data(), M, V, cap, factor, gradient);
            },
            logits, losses);
        compare("losses, V " + std::to_string(V), losses, expected.losses, loss_tolerance);
    };
    run(0);
    same("logits without a gradient", logits, old);
    run(1);
    compare_gradients("gradients, V " + std::to_string(V), logits, expected.gradients, targets, V, factor,
                      gradient_tolerance);
    run(2);
    std::vector<bf16> rounded(size_t(M) * V);
    for (i32 m = 0; m < M; m++) std::memcpy(&rounded[size_t(m) * V], &logits[size_t(m) * V], V * sizeof(bf16));
    compare_gradients("bfloat16 gradients, V " + std::to_string(V), rounded, expected.gradients, targets, V, factor,
                      {bf16_tolerance.relative, 1e-4});
}

/*
 * One; less than a vector; chunks of 2,048 single elements or 8,192 in vectors, and their neighbours; primes.
 */
TEST(cross_entropy_of_whole_vectors) {
    check(1, 4, 0, 1);
    check(5, 64, 0, 0.25f);
    check(3, 8192, 0, 1);
    check(2, 8196, 0, 1);
    check(4, 20008, 0, 0.5f);
}
TEST(cross_entropy_of_any_size) {
    check(1, 1, 0, 1);
    check(6, 13, 0, 1);
    check(2, 2049, 0, 1);
    check(5, 5003, 0, 0.5f);
}
TEST(cross_entropy_with_soft_cap) {
    check(5, 4096, 30, 1);
    check(4, 257, 5, 2);
}
TEST(cross_entropy_of_infinite_logits) {
    std::vector<float> logits(64, -INFINITY);
    logits[5] = 1, logits[40] = 2;
    i32 target = 40;
    float loss = -1;
    simt::launch(1, 512, 0, [&] { cross_entropy(logits.data(), &target, &loss, 1, 64, 0, 1, 1); });
    double p = 1 / (1 + std::exp(-1.0));
    std::vector<double> expected(64);
    expected[5] = 1 - p, expected[40] = p - 1;
    compare("gradient", logits, expected, gradient_tolerance);
    compare("loss", std::vector<float>{loss}, {-std::log(p)}, loss_tolerance);
}
TEST(cross_entropy_shows_nan) {
    const i32 V = 600;
    std::vector<float> logits(3 * V, 1);
    logits[17] = NAN;
    std::vector<i32> targets{3, 3, V};
    std::vector<float> losses(3);
    simt::launch(3, 512, 0, [&] { cross_entropy(logits.data(), targets.data(), losses.data(), 3, V, 0, 1, 1); });
    expect(std::isnan(losses[0]), "NaN among the logits reaches the loss");
    expect(std::isfinite(losses[1]), "and stays in its row");
    expect(std::isnan(losses[2]) && std::isnan(logits[2 * V]), "an unknown target gives NaN");
}

TEST(soft_cap) {
    Random random(2);
    const i64 n = 1003;
    auto old = normals<float>(random, n, 60), logits = old;
    launch(2, 256, 0, [&] { logits = old; }, [&] { soft_cap(logits.data(), 30, n); }, logits);
    std::vector<double> expected(n);
    for (i64 i = 0; i < n; i++) expected[i] = 30 * std::tanh(old[i] / 30.0);
    compare("capped", logits, expected);
}

void check_argmax(i32 M, i32 V, unsigned threads) {
    Random random(V);
    auto logits = normals<float>(random, size_t(M) * V);
    std::vector<i32> ids(M), expected(M);
    for (i32 m = 0; m < M; m++) {
        float *row = &logits[size_t(m) * V];
        for (i32 v = 0; v < V; v++) row[v] = std::round(row[v] * 2); /* many are equal */
        if (m == 1) row[V / 2] = 99, row[V - 1] = 99;
        if (m == 2) row[0] = NAN;
        if (m == 3) std::fill(row, row + V, NAN);
        if (m == 4) std::fill(row, row + V, -INFINITY);
        if (m == 5) row[V - 1] = NAN;
        if (m == 6) row[V / 3] = INFINITY;
        if (m == 7) row[V / 2] = -INFINITY;
        if (m == 8) row[V / 2] = 3e38f;
        if (m == 9) std::fill(row, row + V, -3e38f);
        bool is_finite = std::all_of(row, row + V, [](float x) { return std::isfinite(x); });
        expected[m] = is_finite ? i32(std::max_element(row, row + V) - row) : -1;
    }
    launch(M, threads, 0, [&] { ids = unwritten<i32>(M); }, [&] { argmax(logits.data(), ids.data(), M, V); }, ids);
    same("ids of " + std::to_string(V), ids, expected);
}
TEST(argmax) {
    check_argmax(1, 1, 32);
    check_argmax(10, 7, 64);
    check_argmax(10, 4096, 1024);
    check_argmax(10, 2053, 256);
}

} // namespace
