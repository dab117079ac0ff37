/* Kernels of crossentropy.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "crossentropy.cu"

const simulated::Registration registration("crossentropy.cu", {
    KERNEL_ENTRY(cross_entropy), KERNEL_ENTRY(soft_cap), KERNEL_ENTRY(argmax),
});
} // namespace
