/* Kernels of rotary.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "rotary.cu"

const simulated::Registration registration("rotary.cu", {
    BOTH_TYPES(rotary),
});
} // namespace
