/* reduce.cu against float64. */
#include "harness.hpp"

namespace {
#include "reduce.cu"

using namespace harness;

/* Norms of tensors of these sizes, the total and the clip factor. */
struct Norms {
    std::vector<std::vector<float>> tensors;
    std::vector<double> partials;
    std::vector<float> norms;

    explicit Norms(const std::vector<i64> &sizes) {
        Random random(1);
        for (i64 size : sizes) tensors.push_back(normals<float>(random, size));
    }
    void compute(double maxNorm) {
        const i32 count = i32(tensors.size());
        std::vector<TensorRun> runs;
        std::vector<Chunk> chunks;
        std::vector<i32> firstChunk;
        for (i32 i = 0; i < count; i++) {
            runs.push_back({tensors[i].data(), i64(tensors[i].size())});
            firstChunk.push_back(i32(chunks.size()));
            for (i32 k = 0; k * chunk_elements < runs[i].count; k++) chunks.push_back({i, k});
        }
        firstChunk.push_back(i32(chunks.size()));
        partials = std::vector<double>(chunks.size());
        launch(unsigned(chunks.size()), 256, 0, [] {},
               [&] { square_sums(runs.data(), chunks.data(), partials.data()); }, partials);
        launch(1, 256, 0, [&] { norms = unwritten<float>(count + 2); },
               [&] { norm_and_clip(partials.data(), firstChunk.data(), count, maxNorm, norms.data()); }, norms);
    }
    std::vector<double> expected(double maxNorm) const {
        std::vector<double> result;
        double total = 0;
        for (const auto &tensor : tensors) {
            double sum = 0;
            for (float x : tensor) sum += double(x) * x;
            result.push_back(std::sqrt(sum));
            total += sum;
        }
        total = std::sqrt(total);
        result.push_back(total);
        result.push_back(std::isfinite(total) ? maxNorm ? std::min(1.0, maxNorm / (total + 1e-6)) : 1 : NAN);
        return result;
    }
};

/* Everything is summed in double and rounded to float32 once. */
const Tolerance one_rounding{6.1e-8, 0};

TEST(square_sums_and_norm_and_clip) {
    Norms norms({1, 16384, 16385, 7, 40001, 256, 3, 5, 11, 2, 64});
    for (double maxNorm : {0.0, 1.0, 1000.0}) {
        norms.compute(maxNorm);
        compare("largest norm " + std::to_string(maxNorm), norms.norms, norms.expected(maxNorm), one_rounding);
    }
}

TEST(norm_that_is_not_finite_gives_no_clip_factor) {
    for (float bad : {INFINITY, NAN})
        for (double maxNorm : {0.0, 1.0}) {
            Norms norms({100, 200});
            norms.tensors[1][77] = bad;
            norms.compute(maxNorm);
            compare("with " + std::to_string(bad), norms.norms, norms.expected(maxNorm), one_rounding);
        }
}

TEST(sum_float) {
    Random random(2);
    for (i64 n : {1, 7, 256, 5003}) {
        auto x = normals<float>(random, n), y = unwritten<float>(1);
        double expected = 0;
        for (float each : x) expected += each;
        launch(1, 256, 0, [] {}, [&] { sum_float(x.data(), n, y.data()); }, y);
        compare("n " + std::to_string(n), y, {expected}, one_rounding);
        Shifted<float> shifted(x);
        simt::launch(1, 256, 0, [&] { sum_float(shifted.data(), n, y.data()); });
        compare("not aligned, n " + std::to_string(n), y, {expected}, one_rounding);
    }
}

} // namespace
