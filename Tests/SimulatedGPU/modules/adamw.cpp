/* Kernels of adamw.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "adamw.cu"

const simulated::Registration registration("adamw.cu", {
    KERNEL_ENTRY(adamw_8bit), KERNEL_ENTRY(adamw_32bit),
});
} // namespace
