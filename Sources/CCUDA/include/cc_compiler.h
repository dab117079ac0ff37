#pragma once
#include <stddef.h>

#include "cc_library.h"

#pragma clang assume_nonnull begin

/*
 * Functions of libnvrtc.so, which compiles kernels: F(name, exported symbol, parameters). All return an
 * nvrtcResult.
 * Source: nvrtc.h of CUDA 13.2; all of them exist since CUDA 11.2.
 */
#define CC_COMPILER_FUNCTIONS(F)                                                                                     \
  F(nvrtcVersion, "nvrtcVersion", (int *major, int *minor))                                                          \
  F(nvrtcGetNumSupportedArchs, "nvrtcGetNumSupportedArchs", (int *count))                                            \
  F(nvrtcGetSupportedArchs, "nvrtcGetSupportedArchs", (int *architectures))                                          \
  F(nvrtcCreateProgram, "nvrtcCreateProgram",                                                                        \
    (void *_Nullable *_Nonnull program, const char *source, const char *name, int headerCount,                       \
     const char *_Nullable const *_Nullable headers, const char *_Nullable const *_Nullable headerNames))            \
  F(nvrtcDestroyProgram, "nvrtcDestroyProgram", (void *_Nullable *_Nonnull program))                                 \
  F(nvrtcCompileProgram, "nvrtcCompileProgram",                                                                      \
    (void *program, int optionCount, const char *_Nullable const *_Nullable options))                                \
  F(nvrtcGetPTXSize, "nvrtcGetPTXSize", (void *program, size_t *bytes))                                              \
  F(nvrtcGetPTX, "nvrtcGetPTX", (void *program, char *text))                                                         \
  F(nvrtcGetCUBINSize, "nvrtcGetCUBINSize", (void *program, size_t *bytes))                                          \
  F(nvrtcGetCUBIN, "nvrtcGetCUBIN", (void *program, char *image))                                                    \
  F(nvrtcGetProgramLogSize, "nvrtcGetProgramLogSize", (void *program, size_t *bytes))                                \
  F(nvrtcGetProgramLog, "nvrtcGetProgramLog", (void *program, char *log))

#define CC_FIELD_COMPILER(name, symbol, parameters) int(*name) parameters;

/* The compiler's functions. */
typedef struct {
  CC_COMPILER_FUNCTIONS(CC_FIELD_COMPILER)
  /* The text for a result. */
  const char *_Nullable (*_Nonnull nvrtcGetErrorString)(int result);
} cc_compiler;

/* Opens the NVRTC library at `path`, in the way of cc_open_driver. */
const cc_compiler *_Nullable cc_open_compiler(const char *path, cc_opening *opening);

/* nvrtcResult: the program has errors, which its log names. */
enum { CC_NVRTC_COMPILATION_ERROR = 6 };

#pragma clang assume_nonnull end
