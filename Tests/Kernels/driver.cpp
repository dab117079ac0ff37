/* The simulated driver, compiler and matrix library, through the functions that they export. */
#include "CSimulatedGPU.h"
#include "harness.hpp"
#include "registry.hpp"

extern "C" {
/* From elementwise.cu, which elementwise.cpp compiles. */
void add_f32(const float *, const float *, float *, i64);
void convert_f32_bf16(const float *, bf16 *, float, i64);

int cuInit(unsigned);
int cuDevicePrimaryCtxRetain(void **, int);
int cuCtxSetCurrent(void *);
int cuMemAlloc_v2(uint64_t *, size_t);
int cuMemFree_v2(uint64_t);
int cuMemHostAlloc(void **, size_t, unsigned);
int cuMemFreeHost(void *);
int cuMemcpyHtoDAsync_v2(uint64_t, const void *, size_t, void *);
int cuMemcpyDtoHAsync_v2(void *, uint64_t, size_t, void *);
int cuStreamCreateWithPriority(void **, unsigned, int);
int cuStreamSynchronize(void *);
int cuStreamDestroy_v2(void *);
int cuModuleLoadDataEx(void **, const void *, unsigned, int *, void **);
int cuModuleGetFunction(void **, void *, const char *);
int cuModuleUnload(void *);
int cuFuncGetParamInfo(void *, size_t, size_t *, size_t *);
int cuFuncSetAttribute(void *, int, int);
int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
                   void **);
int cuStreamBeginCapture_v2(void *, int);
int cuStreamEndCapture(void *, void **);
int cuGraphInstantiateWithFlags(void **, void *, unsigned long long);
int cuGraphLaunch(void *, void *);
int cuGraphExecDestroy(void *);
int cuGraphDestroy(void *);
int nvrtcCreateProgram(void **, const char *, const char *, int, const char *const *, const char *const *);
int nvrtcCompileProgram(void *, int, const char *const *);
int nvrtcGetCUBINSize(void *, size_t *);
int nvrtcGetCUBIN(void *, char *);
int nvrtcGetProgramLogSize(void *, size_t *);
int nvrtcGetProgramLog(void *, char *);
int nvrtcDestroyProgram(void **);
int cublasLtMatmulDescCreate(void **, int, int);
int cublasLtMatmulDescDestroy(void *);
int cublasLtMatmulDescSetAttribute(void *, int, const void *, size_t);
int cublasLtMatrixLayoutCreate(void **, int, uint64_t, uint64_t, int64_t);
int cublasLtMatrixLayoutSetAttribute(void *, int, const void *, size_t);
int cublasLtMatrixLayoutDestroy(void *);
int cublasLtMatmul(void *, void *, const void *, const void *, void *, const void *, void *, const void *,
                   const void *, void *, void *, void *, const void *, void *, size_t, void *);
}

namespace {

using namespace harness;

const simulated::Registration registration("elementwise.cu", {KERNEL_ENTRY(add_f32), KERNEL_ENTRY(convert_f32_bf16)});

void succeed(int result, const char *call) {
    if (result) report(std::string(call) + " gives " + std::to_string(result));
}
#define CALL(expression) succeed(expression, #expression)

/* The compiler's output for a source: the image, or the log when it fails. */
std::string compiled(const char *source, const char *name, const char *target, int expected = 0) {
    void *program = nullptr;
    const char *text = "", *header = "gpu.cuh", *options[] = {"--std=c++17", "-default-device", target};
    CALL(nvrtcCreateProgram(&program, source, name, 1, &text, &header));
    const int result = nvrtcCompileProgram(program, 3, options);
    expect(result == expected, "compilation gives " + std::to_string(result));
    size_t size = 0;
    if (result) CALL(nvrtcGetProgramLogSize(program, &size));
    else CALL(nvrtcGetCUBINSize(program, &size));
    std::string output(size, ' ');
    if (result) CALL(nvrtcGetProgramLog(program, output.data()));
    else CALL(nvrtcGetCUBIN(program, output.data()));
    CALL(nvrtcDestroyProgram(&program));
    output.resize(std::strlen(output.c_str()));
    return output;
}

/* A context, a stream, and the kernels of elementwise.cu. */
struct Device {
    void *stream = nullptr, *module = nullptr;
    std::vector<uint64_t> memory;

    explicit Device(const char *target = "--gpu-architecture=sm_90") {
        void *context = nullptr;
        simulated_reset();
        CALL(cuInit(0));
        CALL(cuDevicePrimaryCtxRetain(&context, 0));
        CALL(cuCtxSetCurrent(context));
        CALL(cuStreamCreateWithPriority(&stream, 1, 0));
        CALL(cuModuleLoadDataEx(&module, compiled("", "elementwise.cu", target).c_str(), 0, nullptr, nullptr));
    }
    ~Device() {
        for (uint64_t address : memory) cuMemFree_v2(address);
        cuModuleUnload(module);
        cuStreamDestroy_v2(stream);
        const auto counts = simulated_counts();
        expect(!counts.allocations && !counts.streams && !counts.modules && !counts.bad_frees, "something is left");
        simulated_reset();
    }
    uint64_t floats(const std::vector<float> &values) {
        uint64_t address = 0;
        CALL(cuMemAlloc_v2(&address, values.size() * 4));
        CALL(cuMemcpyHtoDAsync_v2(address, values.data(), values.size() * 4, stream));
        memory.push_back(address);
        return address;
    }
    std::vector<float> home(uint64_t address, size_t count) {
        std::vector<float> values(count);
        CALL(cuMemcpyDtoHAsync_v2(values.data(), address, count * 4, stream));
        return values;
    }
    void *function(const char *name) {
        void *function = nullptr;
        CALL(cuModuleGetFunction(&function, module, name));
        return function;
    }
    int add(uint64_t a, uint64_t b, uint64_t y, long long n, unsigned block = 256, unsigned shared = 0) {
        void *parameters[] = {&a, &b, &y, &n};
        return cuLaunchKernel(function("add_f32"), 1, 1, 1, block, 1, 1, shared, stream, parameters, nullptr);
    }
};

TEST(simulated_driver_runs_a_kernel) {
    Device device;
    auto a = device.floats({1, 2, 3}), b = device.floats({10, 20, 30}), y = device.floats({0, 0, 0});
    CALL(device.add(a, b, y, 3));
    same("y", device.home(y, 3), {11, 22, 33});
    expect(simulated_counts().launches == 1 && simulated_counts().kernels_run == 1, "launches are not counted");
}

TEST(simulated_driver_replays_a_graph) {
    Device device;
    auto a = device.floats({1, 2}), b = device.floats({10, 20});
    void *graph = nullptr, *instance = nullptr;
    CALL(cuStreamSynchronize(device.stream));
    CALL(cuStreamBeginCapture_v2(device.stream, 2));
    CALL(device.add(a, b, a, 2));
    CALL(cuStreamEndCapture(device.stream, &graph));
    CALL(cuGraphInstantiateWithFlags(&instance, graph, 0));
    CALL(cuGraphDestroy(graph));
    same("before", device.home(a, 2), {1, 2});
    CALL(cuGraphLaunch(instance, device.stream));
    CALL(cuGraphLaunch(instance, device.stream));
    same("after", device.home(a, 2), {21, 42});
    CALL(cuGraphExecDestroy(instance));
}

TEST(simulated_driver_works_when_waited_for) {
    Device device;
    void *pinned = nullptr;
    CALL(cuMemHostAlloc(&pinned, 8, 0));
    auto a = device.floats({1, 2});
    auto *values = static_cast<float *>(pinned);
    CALL(cuMemcpyDtoHAsync_v2(pinned, a, 8, device.stream));
    expect(std::isnan(values[0]), "a copy to pinned memory came before anyone waited");
    CALL(cuStreamSynchronize(device.stream));
    expect(values[0] == 1 && values[1] == 2, "the copy did not come");
    CALL(cuMemFreeHost(pinned));
    uint64_t fresh = 0;
    CALL(cuMemAlloc_v2(&fresh, 4));
    device.memory.push_back(fresh);
    expect(std::isnan(device.home(fresh, 1)[0]), "fresh memory is not poisoned");
}

TEST(simulated_driver_refuses_what_a_driver_refuses) {
    Device device;
    auto a = device.floats({1, 2});
    expect(device.add(a, a, a, 2, 1056) == 1, "1056 threads");
    expect(device.add(a, a, a, 2, 256, 49 << 10) == 1, "49 KiB of shared memory without asking");
    CALL(cuFuncSetAttribute(device.function("add_f32"), 8, 100 << 10));
    CALL(device.add(a, a, a, 2, 256, 49 << 10));
    expect(cuFuncSetAttribute(device.function("add_f32"), 8, 228 << 10) == 1, "228 KiB of shared memory");
    void *function = nullptr;
    expect(cuModuleGetFunction(&function, device.module, "no_such_kernel") == 500, "an unknown kernel");
    expect(cuMemFree_v2(12345) == 1 && simulated_counts().bad_frees == 1, "a free of nothing");
    simulated_set_memory(1 << 20);
    uint64_t address = 0;
    expect(cuMemAlloc_v2(&address, 1 << 20) == 2, "more memory than there is");
    void *module = nullptr;
    const std::string older = compiled("", "elementwise.cu", "--gpu-architecture=sm_80");
    expect(cuModuleLoadDataEx(&module, older.c_str(), 0, nullptr, nullptr) == 209, "code of another generation");
    size_t offset = 0, size = 0;
    CALL(cuFuncGetParamInfo(device.function("convert_f32_bf16"), 3, &offset, &size));
    expect(offset == 24 && size == 8, "the place of the last parameter");
    expect(cuFuncGetParamInfo(device.function("convert_f32_bf16"), 4, &offset, &size) == 1, "a fifth parameter");
    CALL(cuCtxSetCurrent(nullptr));
    expect(cuStreamSynchronize(device.stream) == 201, "a call without a context");
    CALL(cuCtxSetCurrent(device.stream));
    CALL(cuStreamSynchronize(device.stream));
    simulated_reset();
}

TEST(simulated_driver_is_lost_after_a_copy_past_the_end) {
    Device device;
    auto a = device.floats({1, 2});
    std::vector<float> values(3);
    expect(cuMemcpyDtoHAsync_v2(values.data(), a, 12, device.stream) == 700, "the copy went through");
    expect(cuStreamSynchronize(device.stream) == 700, "the device is not lost");
    expect(std::string(simulated_last_failure()).find("12 bytes") != std::string::npos, simulated_last_failure());
    simulated_reset();
}

TEST(simulated_driver_fails_as_planned) {
    Device device;
    simulated_fail_next("cuStreamSynchronize", 719);
    expect(cuStreamSynchronize(device.stream) == 719, "the planned failure did not come");
    CALL(cuStreamSynchronize(device.stream));
}

TEST(simulated_compiler_reports_errors) {
    const std::string log = compiled("#include \"other.cuh\"\nint x;\n#error no such GPU\n", "a.cu",
                                     "--gpu-architecture=sm_90", 6);
    expect(log == "a.cu(1): catastrophic error: could not open source file \"other.cuh\"\n"
                  "a.cu(3): error: #error directive: no such GPU\n", log);
    expect(compiled("extern \"C\" __global__ void __launch_bounds__(8, 2) f(int x) {}", "b.cu",
                    "--gpu-architecture=sm_80") == "simulated sm_80\nf\n", "the image names other kernels");
    compiled("", "a.cu", "--gpu-architecture=sm_42", 5);
}

/* d = alpha · op(a) · op(b) + beta · c in all orders that the library can be given. */
TEST(simulated_matrix_products) {
    Device device;
    Random random(1);
    const int m = 5, n = 3, k = 7, batch = 2;
    for (int transpose_a : {0, 1})
        for (int transpose_b : {0, 1})
            for (int order : {0, 1}) {
                auto a = normals<float>(random, m * k * batch), b = normals<float>(random, k * n * batch);
                auto c = normals<float>(random, m * n * batch);
                std::vector<double> expected(c.size());
                /* Element (row, column) of a matrix of `rows` by `columns`, stored as `order` says. */
                auto place = [order](int row, int column, int rows, int columns) {
                    return order == 0 ? row + column * rows : row * columns + column;
                };
                for (int i = 0; i < batch * m * n; i++) {
                    const int part = i / (m * n), row = i % m, column = i / m % n;
                    double sum = 0;
                    for (int l = 0; l < k; l++)
                        sum += double(a[part * m * k + (transpose_a ? place(l, row, k, m) : place(row, l, m, k))])
                            * b[part * k * n + (transpose_b ? place(column, l, n, k) : place(l, column, k, n))];
                    const int at = part * m * n + place(row, column, m, n);
                    expected[at] = 0.5 * sum + 2.0 * c[at];
                }
                auto layout = [&](int rows, int columns) {
                    void *layout = nullptr;
                    const int64_t stride = rows * columns;
                    CALL(cublasLtMatrixLayoutCreate(&layout, 0, rows, columns, order == 0 ? rows : columns));
                    CALL(cublasLtMatrixLayoutSetAttribute(layout, 1, &order, 4));
                    CALL(cublasLtMatrixLayoutSetAttribute(layout, 5, &batch, 4));
                    CALL(cublasLtMatrixLayoutSetAttribute(layout, 6, &stride, 8));
                    return layout;
                };
                void *description = nullptr, *of_a = transpose_a ? layout(k, m) : layout(m, k);
                void *of_b = transpose_b ? layout(n, k) : layout(k, n), *of_c = layout(m, n);
                CALL(cublasLtMatmulDescCreate(&description, 68, 0));
                CALL(cublasLtMatmulDescSetAttribute(description, 3, &transpose_a, 4));
                CALL(cublasLtMatmulDescSetAttribute(description, 4, &transpose_b, 4));
                auto on_device = device.floats(c);
                const float alpha = 0.5f, beta = 2;
                auto pointer = [](uint64_t address) { return reinterpret_cast<void *>(uintptr_t(address)); };
                CALL(cublasLtMatmul(nullptr, description, &alpha, pointer(device.floats(a)), of_a,
                                    pointer(device.floats(b)), of_b, &beta, pointer(on_device), of_c,
                                    pointer(on_device), of_c, nullptr, nullptr, 0, device.stream));
                compare("d", device.home(on_device, c.size()), expected);
                for (void *each : {of_a, of_b, of_c}) CALL(cublasLtMatrixLayoutDestroy(each));
                CALL(cublasLtMatmulDescDestroy(description));
            }
}

} // namespace
