#pragma once
/*
 * CUDA without CUDA: the functions of the driver, of the compiler NVRTC and of cuBLASLt that gemmatune calls,
 * and the text of the GPU kernels. The functions are found by dlopen at run time. The build needs nothing of
 * CUDA, and links no library. Handles are void *, device addresses uint64_t, enumerations and results int (0
 * is success). Functions have the names of NVIDIA's headers. The exported symbol stands beside the name where
 * it differs (_v2).
 */
#include "cc_library.h"
#include "cc_driver.h"
#include "cc_compiler.h"
#include "cc_matmul.h"
#include "cc_kernels.h"
