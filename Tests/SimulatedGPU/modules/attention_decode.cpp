/* Kernels of attention_decode.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "attention_decode.cu"

const simulated::Registration registration("attention_decode.cu", {
    BOTH_TYPES(attention_decode), BOTH_TYPES(attention_merge),
});
} // namespace
