/* Kernels of reduce.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "reduce.cu"

const simulated::Registration registration("reduce.cu", {
    KERNEL_ENTRY(square_sums), KERNEL_ENTRY(norm_and_clip), KERNEL_ENTRY(sum_float),
});
} // namespace
