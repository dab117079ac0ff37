/* Kernels of attention_backward.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "attention_backward.cu"

#define ALL_WIDTHS(name) KERNEL_ENTRY(name##_64), KERNEL_ENTRY(name##_128), KERNEL_ENTRY(name##_256)
const simulated::Registration registration("attention_backward.cu", {
    BOTH_TYPES(attention_delta), BOTH_TYPES(attention_backward_q), ALL_WIDTHS(attention_backward_q_bf16),
    BOTH_TYPES(attention_backward_kv), ALL_WIDTHS(attention_backward_kv_bf16), BOTH_TYPES(attention_merge_kv),
});
} // namespace
