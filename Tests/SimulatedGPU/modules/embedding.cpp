/* Kernels of embedding.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "embedding.cu"

const simulated::Registration registration("embedding.cu", {
    BOTH_TYPES(embedding_forward), BOTH_TYPES(embedding_backward),
});
} // namespace
