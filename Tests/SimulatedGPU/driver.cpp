/* libcuda: devices, memory, streams, events, modules, launches and graphs. See CSimulatedGPU.h. */
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <set>

#include "device.hpp"
#include "simt.hpp"

namespace simulated {
namespace {

enum Result {
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    no_device = 100,
    invalid_device = 101,
    invalid_image = 200,
    invalid_context = 201,
    no_binary_for_gpu = 209,
    invalid_handle = 400,
    not_found = 500,
    illegal_address = 700,
    launch_failed = 719,
    capture_unsupported = 900,
    capture_invalidated = 901
};

constexpr unsigned char poison = 0xFF;
constexpr unsigned default_shared_bytes = 48 << 10, most_shared_bytes = 227 << 10;

struct Graph {
    std::vector<Work> work;
};

struct Stream {
    std::list<Work> queue;
    std::unique_ptr<Graph> capture;
    bool is_invalid = false; /* a call that a capture forbids was made */
};

struct Event {
    bool has_timing = true, is_recorded = false;
    std::chrono::steady_clock::time_point time;
};

struct Function {
    const Kernel *kernel;
    unsigned most_dynamic_shared = default_shared_bytes;
};

struct LoadedModule {
    std::map<std::string, std::unique_ptr<Function>> functions;
};

struct PlannedFailure {
    int result, times;
};

struct State {
    std::map<uint64_t, size_t> memory, host_memory;
    std::set<Stream *> streams;
    std::set<Event *> events;
    std::set<LoadedModule *> modules;
    std::set<Function *> functions;
    std::set<Graph *> graphs, instances;
    Stream default_stream;
    std::map<std::string, PlannedFailure> failures;
    std::string last_failure;
    bool is_initialised = false;
};

State &state() {
    static State state;
    return state;
}

/* The context that this thread has made current. */
thread_local bool has_context = false;

Stream *stream_of(void *handle) {
    if (!handle) return &state().default_stream;
    auto found = state().streams.find(static_cast<Stream *>(handle));
    return found == state().streams.end() ? nullptr : *found;
}

/* The result of a call without the context that it needs; otherwise 0. */
int without_context() {
    if (settings().lost) return settings().lost;
    return has_context ? success : invalid_context;
}

/* Runs the queued work. */
void flush(Stream &stream) {
    while (!stream.queue.empty() && !settings().lost) {
        Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        work();
    }
    if (settings().lost) stream.queue.clear();
}

void flush_all() {
    flush(state().default_stream);
    for (Stream *stream : state().streams) flush(*stream);
}

bool any_capture() {
    for (Stream *stream : state().streams)
        if (stream->capture) return true;
    return false;
}

bool is_pinned(const void *pointer, size_t bytes) {
    const uint64_t address = uint64_t(uintptr_t(pointer));
    auto next = state().host_memory.upper_bound(address);
    if (next == state().host_memory.begin()) return false;
    --next;
    return address + bytes <= next->first + next->second;
}

unsigned char *pointer(uint64_t address) { return reinterpret_cast<unsigned char *>(uintptr_t(address)); }

/*
 * Refuses bytes outside of an allocation, as a real device would: the call succeeds, but the device is lost.
 */
bool are_inside(uint64_t address, size_t bytes, const char *call) {
    const std::string why = outside_memory(address, bytes);
    if (!why.empty()) lose(illegal_address, std::string(call) + ": " + why);
    return why.empty();
}

template <class Object> int create(void **handle, std::set<Object *> &all, Object *object) {
    all.insert(object);
    *handle = object;
    return success;
}

template <class Object> int destroy(void *handle, std::set<Object *> &all) {
    auto found = all.find(static_cast<Object *>(handle));
    if (found == all.end()) return invalid_handle;
    delete *found;
    all.erase(found);
    return success;
}

} // namespace

std::recursive_mutex &mutex() {
    static std::recursive_mutex mutex;
    return mutex;
}

Settings &settings() {
    static Settings settings;
    return settings;
}

simulated_counts_t &counts() {
    static simulated_counts_t counts;
    return counts;
}

std::vector<Module> &modules() {
    static std::vector<Module> modules;
    return modules;
}

const Kernel *kernel_named(const std::string &name) {
    for (const Module &module : modules())
        for (const Kernel &kernel : module.kernels)
            if (name == kernel.name) return &kernel;
    return nullptr;
}

int planned_failure(const char *symbol) {
    auto found = state().failures.find(symbol);
    if (found == state().failures.end()) return 0;
    const int result = found->second.result;
    if (found->second.times > 0 && --found->second.times == 0) state().failures.erase(found);
    return result;
}

int enqueue(void *handle, Work work) {
    Stream *stream = stream_of(handle);
    if (!stream) return invalid_handle;
    if (stream->capture) stream->capture->work.push_back(std::move(work));
    else stream->queue.push_back(std::move(work));
    return success;
}

std::string outside_memory(uint64_t address, size_t bytes) {
    auto next = state().memory.upper_bound(address);
    if (next != state().memory.begin()) {
        --next;
        if (address + bytes <= next->first + next->second) return "";
    }
    return std::to_string(bytes) + " bytes at " + std::to_string(address) + " do not lie in one allocation";
}

void lose(int result, const std::string &why) {
    std::fprintf(stderr, "simulated GPU: %s\n", why.c_str());
    state().last_failure = why;
    settings().lost = result;
}

} // namespace simulated

using namespace simulated;

extern "C" {

/* --- What tests call. --- */

simulated_counts_t simulated_counts(void) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    simulated_counts_t now = counts();
    now.allocations = state().memory.size();
    now.host_allocations = state().host_memory.size();
    now.streams = state().streams.size();
    now.events = state().events.size();
    now.modules = state().modules.size();
    now.graphs = state().graphs.size();
    now.graph_instances = state().instances.size();
    return now;
}

void simulated_set_schedule(unsigned seed) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    simt::schedule_seed = seed;
}

void simulated_set_memory(uint64_t bytes) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    settings().memory = bytes;
}

void simulated_set_architecture(int architecture) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    settings().architecture = architecture;
}

void simulated_set_device_count(int count) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    settings().device_count = count;
}

void simulated_set_versions(int driver, int compiler) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    settings().driver_version = driver;
    settings().compiler_version = compiler;
}

void simulated_fail(const char *symbol, int result, int times) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    state().failures[symbol] = {result, times};
}

void simulated_fail_next(const char *symbol, int result) { simulated_fail(symbol, result, 1); }

void simulated_lose_device(int result) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    settings().lost = result;
}

const char *simulated_last_failure(void) { return state().last_failure.c_str(); }

void simulated_reset(void) {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    settings() = Settings();
    state().failures.clear();
    state().last_failure.clear();
    simt::schedule_seed = 0;
    simulated_counts_t fresh{};
    fresh.allocated_bytes = fresh.peak_bytes = counts().allocated_bytes;
    fresh.matmul_objects = counts().matmul_objects;
    counts() = fresh;
}

/* --- Devices and contexts. --- */

int cuInit(unsigned) {
    SIMULATED_CALL(cuInit);
    state().is_initialised = true;
    return settings().device_count ? success : no_device;
}

int cuDriverGetVersion(int *version) {
    SIMULATED_CALL(cuDriverGetVersion);
    *version = settings().driver_version / 10 * 1000 + settings().driver_version % 10 * 10;
    return success;
}

static const struct {
    int code;
    const char *name, *text;
} result_names[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

int cuGetErrorName(int error, const char **name) {
    for (const auto &each : result_names)
        if (each.code == error) return *name = each.name, success;
    *name = nullptr;
    return invalid_value;
}

int cuGetErrorString(int error, const char **text) {
    for (const auto &each : result_names)
        if (each.code == error) return *text = each.text, success;
    *text = nullptr;
    return invalid_value;
}

int cuDeviceGetCount(int *count) {
    SIMULATED_CALL(cuDeviceGetCount);
    *count = settings().device_count;
    return state().is_initialised ? success : 3;
}

int cuDeviceGet(int *device, int ordinal) {
    SIMULATED_CALL(cuDeviceGet);
    *device = ordinal;
    return ordinal >= 0 && ordinal < settings().device_count ? success : invalid_device;
}

int cuDeviceGetName(char *name, int capacity, int) {
    SIMULATED_CALL(cuDeviceGetName);
    std::snprintf(name, size_t(capacity), "Simulated GPU");
    return success;
}

int cuDeviceGetUuid_v2(void *bytes, int device) {
    SIMULATED_CALL(cuDeviceGetUuid_v2);
    std::memset(bytes, device + 1, 16);
    return success;
}

int cuDeviceGetAttribute(int *value, int attribute, int) {
    SIMULATED_CALL(cuDeviceGetAttribute);
    static const std::map<int, int> values = {
        {1, 1024}, {2, 1024}, {3, 1024}, {4, 64}, {5, 0x7FFFFFFF}, {6, 65535}, {7, 65535}, {8, default_shared_bytes},
        {10, 32},  {12, 65536}, {13, 1980000}, {16, 4}, {36, 2619000}, {37, 5120}, {38, 4 << 20}, {39, 2048},
        {81, 228 << 10}, {97, most_shared_bytes}};
    if (attribute == 75) return *value = settings().architecture / 10, success;
    if (attribute == 76) return *value = settings().architecture % 10, success;
    auto found = values.find(attribute);
    if (found == values.end()) return invalid_value;
    *value = found->second;
    return success;
}

int cuDeviceTotalMem_v2(size_t *bytes, int) {
    SIMULATED_CALL(cuDeviceTotalMem_v2);
    *bytes = settings().memory;
    return success;
}

int cuDevicePrimaryCtxRetain(void **context, int) {
    SIMULATED_CALL(cuDevicePrimaryCtxRetain);
    if (settings().lost) return settings().lost;
    *context = &state();
    return success;
}

int cuDevicePrimaryCtxRelease_v2(int) {
    SIMULATED_CALL(cuDevicePrimaryCtxRelease_v2);
    return success;
}

int cuCtxSetCurrent(void *context) {
    SIMULATED_CALL(cuCtxSetCurrent);
    has_context = context != nullptr;
    return success;
}

int cuCtxGetCurrent(void **context) {
    SIMULATED_CALL(cuCtxGetCurrent);
    *context = has_context ? &state() : nullptr;
    return success;
}

int cuCtxSynchronize(void) {
    SIMULATED_CALL(cuCtxSynchronize);
    if (int result = without_context()) return result;
    if (any_capture()) return capture_unsupported;
    counts().waits++;
    flush_all();
    return settings().lost;
}

/* --- Memory. --- */

int cuMemGetInfo_v2(size_t *available, size_t *total) {
    SIMULATED_CALL(cuMemGetInfo_v2);
    if (int result = without_context()) return result;
    *total = settings().memory;
    *available = settings().memory - std::min<uint64_t>(settings().memory, counts().allocated_bytes);
    return success;
}

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    SIMULATED_CALL(cuMemAlloc_v2);
    if (int result = without_context()) return result;
    if (!bytes) return invalid_value;
    if (counts().allocated_bytes + bytes > settings().memory) return out_of_memory;
    void *memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
    if (!memory) return out_of_memory;
    std::memset(memory, poison, bytes);
    *address = uint64_t(uintptr_t(memory));
    state().memory[*address] = bytes;
    counts().allocated_bytes += bytes;
    counts().peak_bytes = std::max(counts().peak_bytes, counts().allocated_bytes);
    return success;
}

int cuMemFree_v2(uint64_t address) {
    SIMULATED_CALL(cuMemFree_v2);
    /* Memory of a lost device is freed too: the process would end here. */
    if (!has_context) return invalid_context;
    auto found = state().memory.find(address);
    if (found == state().memory.end()) return counts().bad_frees++, invalid_value;
    flush_all();
    counts().allocated_bytes -= found->second;
    std::free(pointer(address));
    state().memory.erase(found);
    return settings().lost;
}

int cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    SIMULATED_CALL(cuMemHostAlloc);
    if (int result = without_context()) return result;
    *address = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*address) return out_of_memory;
    std::memset(*address, poison, bytes);
    state().host_memory[uint64_t(uintptr_t(*address))] = bytes;
    return success;
}

int cuMemFreeHost(void *address) {
    SIMULATED_CALL(cuMemFreeHost);
    auto found = state().host_memory.find(uint64_t(uintptr_t(address)));
    if (found == state().host_memory.end()) return counts().bad_frees++, invalid_value;
    flush_all();
    std::free(address);
    state().host_memory.erase(found);
    return settings().lost;
}

int cuMemcpyHtoDAsync_v2(uint64_t target, const void *source, size_t bytes, void *stream) {
    SIMULATED_CALL(cuMemcpyHtoDAsync_v2);
    if (int result = without_context()) return result;
    counts().copies++;
    const Stream *on = stream_of(stream);
    /*
     * Pinned memory, and memory that a graph copies, is read when the copy runs. Other memory is read at
     * once.
     */
    if (is_pinned(source, bytes) || (on && on->capture))
        return enqueue(stream, [=] {
            if (are_inside(target, bytes, "cuMemcpyHtoDAsync")) std::memcpy(pointer(target), source, bytes);
        });
    const auto *first = static_cast<const unsigned char *>(source);
    return enqueue(stream, [=, staged = std::vector<unsigned char>(first, first + bytes)] {
        if (are_inside(target, bytes, "cuMemcpyHtoDAsync") && bytes) std::memcpy(pointer(target), staged.data(), bytes);
    });
}

int cuMemcpyDtoHAsync_v2(void *target, uint64_t source, size_t bytes, void *stream) {
    SIMULATED_CALL(cuMemcpyDtoHAsync_v2);
    if (int result = without_context()) return result;
    counts().copies++;
    const int result = enqueue(stream, [=] {
        if (are_inside(source, bytes, "cuMemcpyDtoHAsync")) std::memcpy(target, pointer(source), bytes);
    });
    /* If the memory is not pinned, the call returns when the copy is done. */
    Stream *on = stream_of(stream);
    if (result == success && on && !on->capture && !is_pinned(target, bytes)) flush(*on);
    return result ? result : settings().lost;
}

int cuMemcpyDtoDAsync_v2(uint64_t target, uint64_t source, size_t bytes, void *stream) {
    SIMULATED_CALL(cuMemcpyDtoDAsync_v2);
    if (int result = without_context()) return result;
    counts().copies++;
    return enqueue(stream, [=] {
        if (are_inside(target, bytes, "cuMemcpyDtoDAsync") && are_inside(source, bytes, "cuMemcpyDtoDAsync"))
            std::memmove(pointer(target), pointer(source), bytes);
    });
}

int cuMemsetD8Async(uint64_t target, unsigned char value, size_t count, void *stream) {
    SIMULATED_CALL(cuMemsetD8Async);
    if (int result = without_context()) return result;
    return enqueue(stream, [=] {
        if (are_inside(target, count, "cuMemsetD8Async")) std::memset(pointer(target), value, count);
    });
}

int cuMemsetD32Async(uint64_t target, unsigned value, size_t count, void *stream) {
    SIMULATED_CALL(cuMemsetD32Async);
    if (int result = without_context()) return result;
    if (target % 4) return invalid_value;
    return enqueue(stream, [=] {
        if (!are_inside(target, count * 4, "cuMemsetD32Async")) return;
        for (size_t i = 0; i < count; i++) std::memcpy(pointer(target + 4 * i), &value, 4);
    });
}

/* --- Streams and events. --- */

int cuStreamCreateWithPriority(void **stream, unsigned, int) {
    SIMULATED_CALL(cuStreamCreateWithPriority);
    if (int result = without_context()) return result;
    return create(stream, state().streams, new Stream);
}

int cuStreamSynchronize(void *handle) {
    SIMULATED_CALL(cuStreamSynchronize);
    if (int result = without_context()) return result;
    Stream *stream = stream_of(handle);
    if (!stream) return invalid_handle;
    if (stream->capture) {
        stream->is_invalid = true;
        return capture_unsupported;
    }
    counts().waits++;
    flush(*stream);
    return settings().lost;
}

int cuStreamWaitEvent(void *stream, void *, unsigned) {
    SIMULATED_CALL(cuStreamWaitEvent);
    if (int result = without_context()) return result;
    Stream *waiting = stream_of(stream);
    if (!waiting) return invalid_handle;
    if (!waiting->capture) flush_all();
    return settings().lost;
}

int cuStreamDestroy_v2(void *handle) {
    SIMULATED_CALL(cuStreamDestroy_v2);
    if (Stream *stream = handle ? stream_of(handle) : nullptr) flush(*stream);
    return destroy(handle, state().streams);
}

int cuEventCreate(void **event, unsigned flags) {
    SIMULATED_CALL(cuEventCreate);
    if (int result = without_context()) return result;
    auto *created = new Event;
    created->has_timing = !(flags & 2);
    return create(event, state().events, created);
}

int cuEventRecord(void *handle, void *stream) {
    SIMULATED_CALL(cuEventRecord);
    if (int result = without_context()) return result;
    auto *event = static_cast<Event *>(handle);
    if (!state().events.count(event)) return invalid_handle;
    event->is_recorded = true;
    return enqueue(stream, [event] {
        if (state().events.count(event)) event->time = std::chrono::steady_clock::now();
    });
}

int cuEventSynchronize(void *handle) {
    SIMULATED_CALL(cuEventSynchronize);
    if (int result = without_context()) return result;
    if (!state().events.count(static_cast<Event *>(handle))) return invalid_handle;
    if (any_capture()) return capture_unsupported;
    counts().waits++;
    flush_all();
    return settings().lost;
}

int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
    SIMULATED_CALL(cuEventElapsedTime);
    auto *from = static_cast<Event *>(start), *to = static_cast<Event *>(end);
    if (!state().events.count(from) || !state().events.count(to)) return invalid_handle;
    if (!from->has_timing || !to->has_timing || !from->is_recorded || !to->is_recorded) return invalid_handle;
    *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
    return success;
}

int cuEventDestroy_v2(void *handle) {
    SIMULATED_CALL(cuEventDestroy_v2);
    return destroy(handle, state().events);
}

/* --- Modules and launches. --- */

/* An image is text: "simulated sm_90", then one line for each kernel's name (see nvrtc.cpp). */
int cuModuleLoadDataEx(void **handle, const void *image, unsigned, int *, void **) {
    SIMULATED_CALL(cuModuleLoadDataEx);
    if (int result = without_context()) return result;
    const char *text = static_cast<const char *>(image);
    char kind[8] = "";
    int architecture = 0;
    if (std::strncmp(text, "simulated ", 10) || std::sscanf(text + 10, "%7[a-z]_%d", kind, &architecture) != 2)
        return invalid_image;
    const bool is_binary = !std::strcmp(kind, "sm");
    const int own = settings().architecture;
    if (architecture > own || (is_binary && architecture / 10 != own / 10)) return no_binary_for_gpu;
    auto module = std::make_unique<LoadedModule>();
    for (const char *line = std::strchr(text, '\n'); line && line[1]; line = std::strchr(line + 1, '\n')) {
        const std::string name(line + 1, std::strcspn(line + 1, "\n"));
        if (const Kernel *kernel = kernel_named(name)) {
            auto function = std::make_unique<Function>();
            function->kernel = kernel;
            module->functions[name] = std::move(function);
        }
    }
    for (auto &function : module->functions) state().functions.insert(function.second.get());
    return create(handle, state().modules, module.release());
}

int cuModuleUnload(void *handle) {
    SIMULATED_CALL(cuModuleUnload);
    auto *module = static_cast<LoadedModule *>(handle);
    if (!state().modules.count(module)) return invalid_handle;
    flush_all();
    for (auto &function : module->functions) state().functions.erase(function.second.get());
    return destroy(handle, state().modules);
}

int cuModuleGetFunction(void **function, void *handle, const char *name) {
    SIMULATED_CALL(cuModuleGetFunction);
    if (int result = without_context()) return result;
    auto *module = static_cast<LoadedModule *>(handle);
    if (!state().modules.count(module)) return invalid_handle;
    auto found = module->functions.find(name);
    if (found == module->functions.end()) return not_found;
    *function = found->second.get();
    return success;
}

int cuFuncSetAttribute(void *handle, int attribute, int value) {
    SIMULATED_CALL(cuFuncSetAttribute);
    auto *function = static_cast<Function *>(handle);
    if (!state().functions.count(function)) return invalid_handle;
    if (attribute != 8 || value < 0 || unsigned(value) > most_shared_bytes) return invalid_value;
    function->most_dynamic_shared = unsigned(value);
    return success;
}

int cuFuncGetAttribute(int *value, int attribute, void *handle) {
    SIMULATED_CALL(cuFuncGetAttribute);
    auto *function = static_cast<Function *>(handle);
    if (!state().functions.count(function)) return invalid_handle;
    *value = attribute == 0 ? 1024 : attribute == 4 ? 32 : attribute == 8 ? int(function->most_dynamic_shared) : 0;
    return success;
}

int cuFuncGetParamInfo(void *handle, size_t index, size_t *offset, size_t *size) {
    SIMULATED_CALL(cuFuncGetParamInfo);
    auto *function = static_cast<Function *>(handle);
    if (!state().functions.count(function)) return invalid_handle;
    const auto &sizes = function->kernel->sizes;
    if (index >= sizes.size()) return invalid_value;
    size_t place = 0;
    for (size_t i = 0; i <= index; i++) {
        place = (place + sizes[i] - 1) / sizes[i] * sizes[i];
        if (i < index) place += sizes[i];
    }
    *offset = place;
    *size = sizes[index];
    return success;
}

int cuLaunchKernel(void *handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                   unsigned blockZ, unsigned sharedBytes, void *stream, void **parameters, void **extra) {
    SIMULATED_CALL(cuLaunchKernel);
    if (int result = without_context()) return result;
    auto *function = static_cast<Function *>(handle);
    if (!state().functions.count(function)) return invalid_handle;
    const uint64_t threads = uint64_t(blockX) * blockY * blockZ;
    if (!threads || threads > 1024 || blockZ > 64 || !gridX || !gridY || !gridZ || gridX > 0x7FFFFFFF || gridY > 65535
        || gridZ > 65535 || sharedBytes > function->most_dynamic_shared || extra)
        return invalid_value;
    const Kernel *kernel = function->kernel;
    if (!parameters && !kernel->sizes.empty()) return invalid_value;
    /* The values are read now, as a real driver does. */
    std::vector<unsigned char> values(kernel->sizes.size() * 8);
    for (size_t i = 0; i < kernel->sizes.size(); i++)
        std::memcpy(values.data() + 8 * i, parameters[i], kernel->sizes[i]);
    counts().launches++;
    return enqueue(stream, [=] {
        std::vector<const void *> pointers;
        for (size_t i = 0; i < kernel->sizes.size(); i++) pointers.push_back(values.data() + 8 * i);
        counts().kernels_run++;
        try {
            simt::launch(dim3(gridX, gridY, gridZ), dim3(blockX, blockY, blockZ), sharedBytes,
                         [&] { kernel->run(pointers.data()); });
        } catch (const simt::Failure &failure) {
            lose(launch_failed, std::string(kernel->name) + ": " + failure.what());
        }
    });
}

/* --- Graphs. --- */

int cuStreamBeginCapture_v2(void *handle, int) {
    SIMULATED_CALL(cuStreamBeginCapture_v2);
    if (int result = without_context()) return result;
    Stream *stream = handle ? stream_of(handle) : nullptr;
    if (!stream || stream->capture) return invalid_value;
    stream->capture = std::make_unique<Graph>();
    stream->is_invalid = false;
    return success;
}

int cuStreamEndCapture(void *handle, void **graph) {
    SIMULATED_CALL(cuStreamEndCapture);
    Stream *stream = handle ? stream_of(handle) : nullptr;
    *graph = nullptr;
    if (!stream || !stream->capture) return invalid_value;
    std::unique_ptr<Graph> captured = std::move(stream->capture);
    if (settings().lost) return settings().lost;
    if (stream->is_invalid) return capture_invalidated;
    return create(graph, state().graphs, captured.release());
}

int cuGraphInstantiateWithFlags(void **instance, void *handle, unsigned long long) {
    SIMULATED_CALL(cuGraphInstantiateWithFlags);
    if (int result = without_context()) return result;
    auto *graph = static_cast<Graph *>(handle);
    if (!state().graphs.count(graph)) return invalid_handle;
    return create(instance, state().instances, new Graph(*graph));
}

int cuGraphExecUpdate_v2(void *instance, void *handle, void *) {
    SIMULATED_CALL(cuGraphExecUpdate_v2);
    auto *target = static_cast<Graph *>(instance), *graph = static_cast<Graph *>(handle);
    if (!state().instances.count(target) || !state().graphs.count(graph)) return invalid_handle;
    *target = *graph;
    return success;
}

int cuGraphLaunch(void *handle, void *stream) {
    SIMULATED_CALL(cuGraphLaunch);
    if (int result = without_context()) return result;
    auto *instance = static_cast<Graph *>(handle);
    if (!state().instances.count(instance)) return invalid_handle;
    counts().graph_launches++;
    for (const Work &work : instance->work)
        if (int result = enqueue(stream, work)) return result;
    return success;
}

int cuGraphExecDestroy(void *handle) {
    SIMULATED_CALL(cuGraphExecDestroy);
    return destroy(handle, state().instances);
}

int cuGraphDestroy(void *handle) {
    SIMULATED_CALL(cuGraphDestroy);
    return destroy(handle, state().graphs);
}

} // extern "C"
