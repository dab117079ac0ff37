/* Kernels of rows.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "rows.cu"

const simulated::Registration registration("rows.cu", {
    BOTH_TYPES(gather_rows), BOTH_TYPES(copy_rows), BOTH_TYPES(scatter_rows),
});
} // namespace
