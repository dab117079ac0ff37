/* Kernels of thin.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "thin.cu"

const simulated::Registration registration("thin.cu", {
    KERNEL_ENTRY(product_thin), KERNEL_ENTRY(low_rank_split), KERNEL_ENTRY(low_rank_project),
    BOTH_TYPES(low_rank_update), KERNEL_ENTRY(low_rank_gradient),
});
} // namespace
