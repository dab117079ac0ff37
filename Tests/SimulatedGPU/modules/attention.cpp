/* Kernels of attention.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "attention.cu"

#define ALL_WIDTHS(name) KERNEL_ENTRY(name##_64), KERNEL_ENTRY(name##_128), KERNEL_ENTRY(name##_256)
const simulated::Registration registration("attention.cu", {
    BOTH_TYPES(attention_forward), ALL_WIDTHS(attention_forward_bf16),
});
} // namespace
