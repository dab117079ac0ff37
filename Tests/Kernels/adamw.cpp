/*
 * adamw.cu against the CPU's loops (CKernels/portable/adamw.c) and against bitsandbytes' fixtures, byte by
 * byte.
 */
#include <fstream>
#include <iterator>

#include "harness.hpp"

extern "C" {
#include "ck_adamw.h"
/* From CKernels.h, which C++ cannot read. */
enum { CK_FLOAT32 = 0, CK_BFLOAT16 = 1 };
}

namespace {
#include "adamw.cu"

using namespace harness;

/* --- The fixtures: a safetensors file. --- */

const char *fixture_path = "Tests/Fixtures/optimizer/adamw8.safetensors";

/* The bytes of a tensor of the fixtures, as elements of type T. */
template <class T> std::vector<T> fixture(const std::string &name) {
    static const std::string file = [] {
        std::ifstream stream(fixture_path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(stream), {});
    }();
    u64 header = 0;
    if (file.size() < 8) throw simt::Failure(std::string(fixture_path) + ": not found; run from the package's root");
    std::memcpy(&header, file.data(), 8);
    const size_t entry = file.find("\"" + name + "\":"), offsets = file.find("\"data_offsets\":", entry);
    if (entry == file.npos || offsets == file.npos || offsets > 8 + header)
        throw simt::Failure(std::string(fixture_path) + ": holds no " + name);
    size_t begin = 0, end = 0;
    if (std::sscanf(file.c_str() + file.find('[', offsets), "[%zu,%zu]", &begin, &end) != 2 || end < begin
        || 8 + header + end > file.size())
        throw simt::Failure(std::string(fixture_path) + ": offsets of " + name);
    std::vector<T> values((end - begin) / sizeof(T));
    std::memcpy(values.data(), file.data() + 8 + header + begin, end - begin);
    return values;
}

/* --- Steps. --- */

struct Settings {
    float learningRate = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, weightDecay = 0, gradientScale = 1;
    bool decayBefore = false, isStochastic = false, narrowsGradient = false;
};

AdamWStep step_of(const Settings &settings, int number) {
    const float power1 = float(std::pow(double(settings.beta1), number));
    const float power2 = float(std::pow(double(settings.beta2), number));
    return {settings.learningRate, settings.beta1,        settings.beta2,         settings.epsilon,
            1.0f - power1,         sqrtf(1.0f - power2), settings.gradientScale, 0};
}

/* A parameter of type T with its moments, 8-bit or float32. */
template <class T> struct Parameter {
    std::vector<T> p;
    std::vector<float> gradient;
    std::vector<bf16> narrow;  /* the GPU's gradient; empty: the float32 one */
    std::vector<bf16> weights; /* empty: none */
    std::vector<u8> codes1, codes2;
    std::vector<float> state1, state2;
    u64 key = 0;
    i64 changed = 0;

    Parameter(std::vector<T> initial, bool is8bit, bool has_weights) : p(std::move(initial)), gradient(p.size()) {
        if (has_weights)
            for (T x : p) weights.push_back(to_bf16(widened(x)));
        if (is8bit) codes1 = codes2 = std::vector<u8>(p.size());
        state1 = state2 = std::vector<float>(is8bit ? (p.size() + 255) / 256 : p.size());
    }
    bool is8bit() const { return !codes1.empty(); }
    /* Rounds the gradient, and gives it to the GPU as bfloat16. */
    void narrow_gradient() {
        narrow.clear();
        for (float &g : gradient) {
            narrow.push_back(to_bf16(g));
            g = widened(narrow.back());
        }
    }
    AdamWTensor tensor(const Settings &settings) {
        return {p.data(),
                narrow.empty() ? static_cast<const void *>(gradient.data()) : narrow.data(),
                weights.empty() ? nullptr : weights.data(),
                is8bit() ? codes1.data() : nullptr,
                is8bit() ? codes2.data() : nullptr,
                state1.data(),
                state2.data(),
                i64(p.size()),
                sizeof(T) == 2,
                settings.isStochastic,
                key,
                settings.weightDecay,
                settings.decayBefore,
                !narrow.empty(),
                0};
    }
    std::string bytes() const { return bytes_of(p, weights, codes1, codes2, state1, state2); }
};

struct Maps {
    std::vector<float> map1 = fixture<float>("qmap1"), map2 = fixture<float>("qmap2");
    ck_code_table table1, table2;
    Maps() {
        ck_make_code_table(map1.data(), &table1);
        ck_make_code_table(map2.data(), &table2);
    }
};
const Maps &maps() {
    static const Maps maps;
    return maps;
}
static_assert(sizeof(ck_code_table) == sizeof(CodeTable), "the kernel's copy of the table differs");

std::vector<Chunk> chunks_of(const std::vector<AdamWTensor> &tensors) {
    std::vector<Chunk> chunks;
    for (size_t i = 0; i < tensors.size(); i++)
        for (i32 k = 0; i64(k) * chunk_elements < tensors[i].count; k++) chunks.push_back({i32(i), k});
    return chunks;
}

/* One step of tensors with moments of one kind on the emulated GPU. */
std::vector<i32> step_on_gpu(const std::vector<AdamWTensor> &tensors, const AdamWStep &step, const float *clip,
                             unsigned grid = 3) {
    const auto chunks = chunks_of(tensors);
    std::vector<i32> changed(tensors.size());
    const Maps &m = maps();
    const bool is8bit = tensors[0].codes1 != nullptr;
    simt::launch(grid, 256, 0, [&] {
        if (is8bit)
            adamw_8bit(tensors.data(), chunks.data(), i32(chunks.size()), &step, clip, m.map1.data(), m.map2.data(),
                       reinterpret_cast<const CodeTable *>(&m.table1), reinterpret_cast<const CodeTable *>(&m.table2),
                       changed.data());
        else
            adamw_32bit(tensors.data(), chunks.data(), i32(chunks.size()), &step, clip, changed.data());
    });
    return changed;
}

/* One step by the CPU's loops, with the numbers that CPUKernels+AdamW.swift gives them. */
template <class T> i32 step_on_cpu(Parameter<T> &parameter, const Settings &settings, int number, float clip) {
    const AdamWStep step = step_of(settings, number);
    const float decay = settings.weightDecay > 0 ? fmaf(-settings.learningRate, settings.weightDecay, 1.0f) : 1.0f;
    ck_adamw_step numbers{};
    numbers.beta1 = settings.beta1;
    numbers.beta2 = settings.beta2;
    numbers.gradient_scale = settings.gradientScale * clip;
    numbers.root = step.k2;
    numbers.step_size = (step.k2 * settings.learningRate) * -(1.0f / step.k1);
    numbers.epsilon = settings.epsilon;
    numbers.decay_before = settings.decayBefore ? decay : 1.0f;
    numbers.decay = settings.decayBefore ? 1.0f : decay;
    numbers.type = sizeof(T) == 2 ? CK_BFLOAT16 : CK_FLOAT32;
    numbers.rounding = settings.isStochastic ? CK_STOCHASTIC : CK_NEAREST;
    numbers.key = parameter.key;
    ck_adamw_run run{parameter.p.data(), parameter.gradient.data(),
                     parameter.weights.empty() ? nullptr : &parameter.weights[0].bits, 0, parameter.p.size()};
    if (!parameter.is8bit())
        return i32(ck_adamw_32bit(&numbers, &run, parameter.state1.data(), parameter.state2.data()));
    const Maps &m = maps();
    ck_adamw_codes codes{parameter.codes1.data(), parameter.codes2.data(), parameter.state1.data(),
                         parameter.state2.data(), m.map1.data(),           m.map2.data(),
                         &m.table1,               &m.table2};
    return i32(ck_adamw_8bit(&numbers, &run, &codes));
}

/* --- Against the CPU. --- */

/* Gradients over six decades, with zeros and, unless `all_finite`, an infinity and a NaN. */
void fill(std::vector<float> &gradient, Random &random, bool all_finite = false) {
    for (float &g : gradient) g = float(random.normal() * std::pow(10, -6 * random.uniform()));
    for (size_t i = 300; i < gradient.size() && i < 600; i++) gradient[i] = 0;
    if (gradient.size() < 1000 || all_finite) return;
    gradient[700] = INFINITY;
    gradient[999] = NAN;
}

/* Three steps of tensors of several sizes in one launch, on both sides. */
template <class T> void test_against_cpu(bool is8bit, bool has_weights, Settings settings) {
    Random random(1);
    std::vector<Parameter<T>> on_gpu;
    for (size_t count : {1u, 255u, 4096u, 16384u + 1300u})
        on_gpu.emplace_back(normals<T>(random, count, 0.05), is8bit, has_weights);
    for (auto &parameter : on_gpu) parameter.key = random.bits();
    auto on_cpu = on_gpu;
    for (int number = 1; number <= 3; number++) {
        std::vector<AdamWTensor> tensors;
        const float clip = number == 2 ? 0.625f : 1.0f;
        for (size_t i = 0; i < on_gpu.size(); i++) {
            /*
             * Float32 moments would take in numbers that are not finite, and a GPU's NaN has other bits than
             * a CPU's.
             */
            fill(on_gpu[i].gradient, random, !is8bit);
            if (settings.narrowsGradient) on_gpu[i].narrow_gradient();
            on_cpu[i].gradient = on_gpu[i].gradient;
            tensors.push_back(on_gpu[i].tensor(settings));
        }
        auto changed = step_on_gpu(tensors, step_of(settings, number), number == 1 ? nullptr : &clip);
        for (size_t i = 0; i < on_gpu.size(); i++) {
            const std::string where = "step " + std::to_string(number) + ", tensor " + std::to_string(i);
            const i32 expected = step_on_cpu(on_cpu[i], settings, number, clip);
            same(where + ": parameter", on_gpu[i].p, on_cpu[i].p);
            same(where + ": weights", on_gpu[i].weights, on_cpu[i].weights);
            expect(on_gpu[i].codes1 == on_cpu[i].codes1, where + ": first codes differ");
            expect(on_gpu[i].codes2 == on_cpu[i].codes2, where + ": second codes differ");
            same(where + ": first state", on_gpu[i].state1, on_cpu[i].state1);
            same(where + ": second state", on_gpu[i].state2, on_cpu[i].state2);
            expect(changed[i] == expected, where + ": changed " + std::to_string(changed[i]) + ", expected "
                                               + std::to_string(expected));
        }
    }
}

/* All orders and amounts of decay, and both types of the gradient. The CPU always gets it in float32. */
template <class T> void test_decays(bool is8bit, bool has_weights, bool is_stochastic) {
    for (float weightDecay : {0.0f, 0.1f})
        for (bool decayBefore : {false, true})
            for (bool narrowsGradient : {false, true}) {
                Settings settings;
                settings.weightDecay = weightDecay;
                settings.decayBefore = decayBefore;
                settings.isStochastic = is_stochastic;
                settings.narrowsGradient = narrowsGradient;
                settings.gradientScale = 0.37f;
                test_against_cpu<T>(is8bit, has_weights, settings);
            }
}
TEST(adamw_8bit_f32_equals_cpu) { test_decays<float>(true, false, false); }
TEST(adamw_8bit_f32_with_weights_equals_cpu) { test_decays<float>(true, true, false); }
TEST(adamw_8bit_bf16_equals_cpu) { test_decays<bf16>(true, false, false); }
TEST(adamw_8bit_bf16_stochastic_equals_cpu) { test_decays<bf16>(true, false, true); }
TEST(adamw_32bit_f32_equals_cpu) { test_decays<float>(false, false, false); }
TEST(adamw_32bit_f32_with_weights_equals_cpu) { test_decays<float>(false, true, false); }
TEST(adamw_32bit_bf16_equals_cpu) { test_decays<bf16>(false, false, false); }
TEST(adamw_32bit_bf16_stochastic_equals_cpu) { test_decays<bf16>(false, false, true); }

/* --- Against bitsandbytes. --- */

template <class T> void test_fixture(const std::string &type, const std::string &name, size_t count, bool is8bit,
                                     float weightDecay, float gradientScale) {
    Settings settings;
    settings.weightDecay = weightDecay;
    settings.gradientScale = gradientScale;
    auto initial = fixture<T>(type + ".p0");
    initial.resize(count);
    Parameter<T> parameter(initial, is8bit, false);
    const auto gradients = fixture<T>(type + ".g");
    for (int number = 1; number <= 5; number++) {
        for (size_t i = 0; i < count; i++)
            parameter.gradient[i] = widened(gradients[size_t(number - 1) * gradients.size() / 5 + i]);
        step_on_gpu({parameter.tensor(settings)}, step_of(settings, number), nullptr);
    }
    const std::string prefix = type + "." + name + ".";
    same(prefix + "p", parameter.p, fixture<T>(prefix + "p"));
    same(prefix + (is8bit ? "absmax1" : "m"), parameter.state1, fixture<float>(prefix + (is8bit ? "absmax1" : "m")));
    same(prefix + (is8bit ? "absmax2" : "v"), parameter.state2, fixture<float>(prefix + (is8bit ? "absmax2" : "v")));
    if (!is8bit) return;
    expect(parameter.codes1 == fixture<u8>(prefix + "codes1"), prefix + "codes1 differ");
    expect(parameter.codes2 == fixture<u8>(prefix + "codes2"), prefix + "codes2 differ");
}

template <class T> void test_fixtures(const std::string &type) {
    test_fixture<T>(type, "plain", 5003, true, 0, 1);
    test_fixture<T>(type, "decay_clip", 5003, true, 0.01f, 0.37f);
    test_fixture<T>(type, "decay", 4096, true, 0.01f, 1);
    test_fixture<T>(type, "clip", 4096, true, 0, 0.37f);
    test_fixture<T>(type, "state32", 1000, false, 0, 1);
    test_fixture<T>(type, "state32_decay_clip", 1000, false, 0.01f, 0.37f);
}
TEST(adamw_f32_equals_bitsandbytes) { test_fixtures<float>("float32"); }
TEST(adamw_bf16_equals_bitsandbytes) { test_fixtures<bf16>("bfloat16"); }

/* --- Rules of the launch. --- */

TEST(adamw_32bit_keeps_nan) {
    Random random(3);
    Parameter<bf16> parameter(normals<bf16>(random, 5000), false, false);
    fill(parameter.gradient, random);
    step_on_gpu({parameter.tensor({})}, step_of({}, 1), nullptr);
    size_t lost = 0;
    for (bf16 x : parameter.p) lost += std::isnan(widened(x));
    expect(lost == 2 && std::isnan(widened(parameter.p[700])) && std::isnan(widened(parameter.p[999])),
           std::to_string(lost) + " parameters are NaN, expected those of an infinite gradient and of NaN");
}

TEST(adamw_does_not_depend_on_schedule_grid_or_alignment) {
    Random random(4);
    Settings settings;
    for (bool is8bit : {true, false}) {
        const Parameter<bf16> start(normals<bf16>(random, 20000, 0.05), is8bit, false);
        Parameter<bf16> narrow = start;
        Random narrow_gradients(5);
        fill(narrow.gradient, narrow_gradients);
        narrow.narrow_gradient();
        Parameter<bf16> shifted = narrow;
        step_on_gpu({narrow.tensor(settings)}, step_of(settings, 1), nullptr);
        Shifted<bf16> narrow_gradient(shifted.narrow);
        AdamWTensor narrow_tensor = shifted.tensor(settings);
        narrow_tensor.gradient = narrow_gradient.data();
        step_on_gpu({narrow_tensor}, step_of(settings, 1), nullptr);
        expect(shifted.bytes() == narrow.bytes(), "a bfloat16 gradient that is not aligned gives another result");

        std::string first;
        for (unsigned seed : {0u, 1u, 20241u})
            for (unsigned grid : {1u, 2u}) {
                auto parameter = start;
                Random gradients(5);
                fill(parameter.gradient, gradients);
                simt::schedule_seed = seed;
                auto changed = step_on_gpu({parameter.tensor(settings)}, step_of(settings, 1), nullptr, grid);
                const std::string bytes = parameter.bytes() + bytes_of(changed);
                if (first.empty()) first = bytes;
                expect(bytes == first, "seed " + std::to_string(seed) + ", grid " + std::to_string(grid)
                                           + " gives another result");
            }
        simt::schedule_seed = 0;

        auto parameter = start;
        Random gradients(5);
        fill(parameter.gradient, gradients);
        Shifted<bf16> p(parameter.p);
        Shifted<float> gradient(parameter.gradient);
        AdamWTensor tensor = parameter.tensor(settings);
        tensor.parameter = p.data();
        tensor.gradient = gradient.data();
        auto changed = step_on_gpu({tensor}, step_of(settings, 1), nullptr);
        parameter.p = p.values();
        expect(parameter.bytes() + bytes_of(changed) == first, "addresses that are not aligned give another result");
    }
}

TEST(adamw_changes_nothing_when_the_clip_factor_is_not_finite) {
    Random random(6);
    for (bool is8bit : {true, false})
        for (float clip : {INFINITY, NAN}) {
            Parameter<float> parameter(normals<float>(random, 5000), is8bit, true);
            fill(parameter.gradient, random);
            const std::string before = parameter.bytes();
            auto changed = step_on_gpu({parameter.tensor({})}, step_of({}, 1), &clip);
            expect(parameter.bytes() == before && changed[0] == 0, "a step was made");
        }
}

} // namespace
