/* Kernels of product.cu. */
#include "gpu.cuh"
#include "registry.hpp"

namespace {
#include "product.cu"

const simulated::Registration registration("product.cu", {
    KERNEL_ENTRY(product_any), KERNEL_ENTRY(product_bf16), KERNEL_ENTRY(product_merge),
});
} // namespace
