/* Kernels of elementwise.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "elementwise.cu"

const simulated::Registration registration("elementwise.cu", {
    BOTH_TYPES(add), BOTH_TYPES(accumulate), BOTH_TYPES(convert_f32), BOTH_TYPES(convert_bf16), BOTH_TYPES(dropout),
    BOTH_TYPES(geglu_forward), BOTH_TYPES(geglu_backward),
});
} // namespace
