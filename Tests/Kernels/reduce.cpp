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
            runs.push_back({tensors[i].data(), i64(tensors[i].size()), 0, 0});
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

TEST(square_sums_of_bfloat16_have_the_bits_of_its_float32_copy) {
    Random random(3);
    for (i64 size : {1, 7, 16384, 16385, 40001}) {
        const auto narrow = normals<bf16>(random, size_t(size));
        std::vector<float> wide;
        for (bf16 x : narrow) wide.push_back(widened(x));
        const TensorRun runs[] = {{wide.data(), size, 0, 0}, {narrow.data(), size, 1, 0}};
        const i32 count = i32((size + chunk_elements - 1) / chunk_elements);
        std::vector<Chunk> chunks;
        for (i32 tensor = 0; tensor < 2; tensor++)
            for (i32 k = 0; k < count; k++) chunks.push_back({tensor, k});
        auto partials = unwritten<double>(chunks.size());
        launch(unsigned(chunks.size()), 256, 0, [] {}, [&] { square_sums(runs, chunks.data(), partials.data()); },
               partials);
        for (i32 k = 0; k < count; k++)
            expect(partials[k] > 0 && partials[k] == partials[count + k],
                   "size " + std::to_string(size) + ", chunk " + std::to_string(k));
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
