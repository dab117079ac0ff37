#pragma once
#include <stddef.h>
#include <stdint.h>

#include "cc_library.h"

#pragma clang assume_nonnull begin

/*
 * Functions of libcuda.so.1: F(name, exported symbol, parameters). All return a CUresult as int.
 * Source: cuda.h of CUDA 13.2 (names and enumerators are its own); all of them exist since CUDA 12.0.
 */
#define CC_DRIVER_FUNCTIONS(F)                                                                                       \
  F(cuInit, "cuInit", (unsigned flags))                                                                              \
  F(cuDriverGetVersion, "cuDriverGetVersion", (int *version))                                                        \
  F(cuGetErrorName, "cuGetErrorName", (int error, const char *_Nullable *_Nonnull name))                             \
  F(cuGetErrorString, "cuGetErrorString", (int error, const char *_Nullable *_Nonnull text))                         \
  F(cuDeviceGetCount, "cuDeviceGetCount", (int *count))                                                              \
  F(cuDeviceGet, "cuDeviceGet", (int *device, int ordinal))                                                          \
  F(cuDeviceGetName, "cuDeviceGetName", (char *name, int capacity, int device))                                      \
  F(cuDeviceGetAttribute, "cuDeviceGetAttribute", (int *value, int attribute, int device))                           \
  F(cuDeviceTotalMem, "cuDeviceTotalMem_v2", (size_t *bytes, int device))                                            \
  F(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (void *_Nullable *_Nonnull context, int device))           \
  F(cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (int device))                                         \
  F(cuCtxSetCurrent, "cuCtxSetCurrent", (void *_Nullable context))                                                   \
  F(cuMemGetInfo, "cuMemGetInfo_v2", (size_t *available, size_t *total))                                             \
  F(cuMemAlloc, "cuMemAlloc_v2", (uint64_t *address, size_t bytes))                                                  \
  F(cuMemFree, "cuMemFree_v2", (uint64_t address))                                                                   \
  F(cuMemHostAlloc, "cuMemHostAlloc", (void *_Nullable *_Nonnull pointer, size_t bytes, unsigned flags))             \
  F(cuMemFreeHost, "cuMemFreeHost", (void *pointer))                                                                 \
  F(cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2",                                                                       \
    (uint64_t target, const void *source, size_t bytes, void *_Nullable stream))                                     \
  F(cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2",                                                                       \
    (void *target, uint64_t source, size_t bytes, void *_Nullable stream))                                           \
  F(cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2",                                                                       \
    (uint64_t target, uint64_t source, size_t bytes, void *_Nullable stream))                                        \
  F(cuMemsetD8Async, "cuMemsetD8Async",                                                                              \
    (uint64_t target, unsigned char value, size_t count, void *_Nullable stream))                                    \
  F(cuMemsetD32Async, "cuMemsetD32Async",                                                                            \
    (uint64_t target, unsigned value, size_t count, void *_Nullable stream))                                         \
  F(cuStreamCreateWithPriority, "cuStreamCreateWithPriority",                                                        \
    (void *_Nullable *_Nonnull stream, unsigned flags, int priority))                                                \
  F(cuStreamSynchronize, "cuStreamSynchronize", (void *_Nullable stream))                                            \
  F(cuStreamDestroy, "cuStreamDestroy_v2", (void *stream))                                                           \
  F(cuEventCreate, "cuEventCreate", (void *_Nullable *_Nonnull event, unsigned flags))                               \
  F(cuEventRecord, "cuEventRecord", (void *event, void *_Nullable stream))                                           \
  F(cuEventSynchronize, "cuEventSynchronize", (void *event))                                                         \
  F(cuEventElapsedTime, "cuEventElapsedTime", (float *milliseconds, void *start, void *end))                         \
  F(cuEventDestroy, "cuEventDestroy_v2", (void *event))                                                              \
  F(cuModuleLoadDataEx, "cuModuleLoadDataEx",                                                                        \
    (void *_Nullable *_Nonnull module, const void *image, unsigned count, int *_Nullable options,                    \
     void *_Nullable *_Nullable values))                                                                             \
  F(cuModuleUnload, "cuModuleUnload", (void *module))                                                                \
  F(cuModuleGetFunction, "cuModuleGetFunction", (void *_Nullable *_Nonnull function, void *module, const char *name))\
  F(cuFuncSetAttribute, "cuFuncSetAttribute", (void *function, int attribute, int value))                            \
  F(cuFuncGetAttribute, "cuFuncGetAttribute", (int *value, int attribute, void *function))                           \
  F(cuLaunchKernel, "cuLaunchKernel",                                                                                \
    (void *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,               \
     unsigned blockZ, unsigned sharedBytes, void *_Nullable stream, void *_Nullable *_Nullable parameters,           \
     void *_Nullable *_Nullable extra))                                                                              \
  F(cuStreamBeginCapture, "cuStreamBeginCapture_v2", (void *stream, int mode))                                       \
  F(cuStreamEndCapture, "cuStreamEndCapture", (void *stream, void *_Nullable *_Nonnull graph))                       \
  F(cuGraphInstantiateWithFlags, "cuGraphInstantiateWithFlags",                                                      \
    (void *_Nullable *_Nonnull instance, void *graph, unsigned long long flags))                                     \
  F(cuGraphLaunch, "cuGraphLaunch", (void *instance, void *_Nullable stream))                                        \
  F(cuGraphExecDestroy, "cuGraphExecDestroy", (void *instance))                                                      \
  F(cuGraphDestroy, "cuGraphDestroy", (void *graph))

/* Functions of newer drivers (cuFuncGetParamInfo: CUDA 12.4); null in older ones. */
#define CC_DRIVER_OPTIONAL_FUNCTIONS(F)                                                                              \
  F(cuFuncGetParamInfo, "cuFuncGetParamInfo", (void *function, size_t index, size_t *offset, size_t *size))

#define CC_FIELD(name, symbol, parameters) int(*name) parameters;
#define CC_OPTIONAL_FIELD(name, symbol, parameters) int(*_Nullable name) parameters;

/* The driver's functions. */
typedef struct {
  CC_DRIVER_FUNCTIONS(CC_FIELD)
  CC_DRIVER_OPTIONAL_FUNCTIONS(CC_OPTIONAL_FIELD)
} cc_driver;

/*
 * Opens the driver library at `path` (the system's loader looks up a bare name), and finds its functions.
 * Returns null when `opening->state` is not CC_OPENED. The result and the library stay loaded for good.
 */
const cc_driver *_Nullable cc_open_driver(const char *path, cc_opening *opening);

/* Results with a treatment of their own. */
enum { CC_CUDA_OUT_OF_MEMORY = 2, CC_CUDA_NOT_FOUND = 500 };
/* CUdevice_attribute. */
enum {
  CC_MULTIPROCESSOR_COUNT = 16,
  CC_COMPUTE_CAPABILITY_MAJOR = 75,
  CC_COMPUTE_CAPABILITY_MINOR = 76,
  CC_MAX_SHARED_MEMORY_PER_BLOCK = 97
};
/* CUfunction_attribute: registers of a thread; the most dynamic shared memory of a launch, in bytes. */
enum { CC_FUNCTION_REGISTERS = 4, CC_FUNCTION_MAX_DYNAMIC_SHARED = 8 };
/*
 * CU_STREAM_NON_BLOCKING; CU_EVENT_DISABLE_TIMING; CU_STREAM_CAPTURE_MODE_RELAXED, which permits allocations.
 */
enum { CC_STREAM_NON_BLOCKING = 1, CC_EVENT_WITHOUT_TIMING = 2, CC_CAPTURE_RELAXED = 2 };
/* CUjit_option: where the driver's own compiler writes its errors, and the size of that buffer. */
enum { CC_JIT_ERROR_LOG = 5, CC_JIT_ERROR_LOG_BYTES = 6 };

#pragma clang assume_nonnull end
