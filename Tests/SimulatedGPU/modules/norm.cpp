/* Kernels of norm.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "norm.cu"

const simulated::Registration registration("norm.cu", {
    BOTH_TYPES(rms_norm_forward), BOTH_TYPES(add_rms_norm_forward), BOTH_TYPES(rms_norm_backward),
    BOTH_TYPES(rms_norm_weight_gradient), KERNEL_ENTRY(add_partials),
});
} // namespace
