#pragma once
/*
 * CUDA without CUDA: the functions of the driver, of the compiler NVRTC and of cuBLASLt that gemmatune calls, found
 * by dlopen at run time, and the text of the GPU kernels. Nothing of CUDA is needed to build, and no library is linked.
 * Handles are void *, device addresses uint64_t, enumerations and results int (0 is success).
 * Functions bear the names of NVIDIA's headers; the exported symbol, where it differs (_v2), stands beside the name.
 */
#include "cc_library.h"
#include "cc_driver.h"
#include "cc_compiler.h"
#include "cc_matmul.h"
#include "cc_kernels.h"
