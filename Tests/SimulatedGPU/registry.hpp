#pragma once
/*
 * The kernels that the simulated GPU can run, by name. Each kernel file has a list of its own (see modules/).
 */
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace simulated {

struct Kernel {
    const char *name;
    std::vector<size_t> sizes;            /* of the parameters, in bytes; each is aligned to its size */
    void (*run)(const void *const *values); /* as one thread */
};

struct Module {
    const char *file;
    std::vector<Kernel> kernels;
};

/* All modules. */
std::vector<Module> &modules();
const Kernel *kernel_named(const std::string &name);

struct Registration {
    Registration(const char *file, std::vector<Kernel> kernels) { modules().push_back({file, std::move(kernels)}); }
};

template <class T> T value_at(const void *address) {
    T value;
    std::memcpy(&value, address, sizeof value);
    return value;
}

template <auto function> struct Invoker;
template <class... Parameter, void (*function)(Parameter...)> struct Invoker<function> {
    static std::vector<size_t> sizes() { return {sizeof(Parameter)...}; }
    static void run(const void *const *values) { run(values, std::index_sequence_for<Parameter...>()); }
    template <size_t... index> static void run(const void *const *values, std::index_sequence<index...>) {
        function(value_at<Parameter>(values[index])...);
    }
};

} // namespace simulated

#define KERNEL_ENTRY(name) {#name, simulated::Invoker<name>::sizes(), simulated::Invoker<name>::run}
#define BOTH_TYPES(name) KERNEL_ENTRY(name##_f32), KERNEL_ENTRY(name##_bf16)
