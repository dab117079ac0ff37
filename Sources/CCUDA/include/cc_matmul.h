#pragma once
#include <stddef.h>
#include <stdint.h>

#include "cc_library.h"

#pragma clang assume_nonnull begin

/* An algorithm that cuBLASLt chose, opaque: cublasLtMatmulAlgo_t. */
typedef struct {
  uint64_t data[8];
} cc_matmul_algorithm;

/* An algorithm, its workspace and how well it fits: cublasLtMatmulHeuristicResult_t. */
typedef struct {
  cc_matmul_algorithm algorithm;
  size_t workspaceBytes;
  /* CUBLAS_STATUS_SUCCESS when the other fields are valid. */
  int state;
  float waves;
  int reserved[4];
} cc_matmul_choice;

/*
 * Functions of libcublasLt.so: F(name, exported symbol, parameters). All return a cublasStatus_t.
 * Source: cublasLt.h of CUDA 13.2 (declarations, enumerators and the 96 bytes of a choice were compared with
 * it).
 */
#define CC_MATMUL_FUNCTIONS(F)                                                                                       \
  F(cublasLtCreate, "cublasLtCreate", (void *_Nullable *_Nonnull handle))                                            \
  F(cublasLtDestroy, "cublasLtDestroy", (void *handle))                                                              \
  F(cublasLtMatmulDescCreate, "cublasLtMatmulDescCreate",                                                            \
    (void *_Nullable *_Nonnull description, int computeType, int scaleType))                                         \
  F(cublasLtMatmulDescDestroy, "cublasLtMatmulDescDestroy", (void *description))                                     \
  F(cublasLtMatmulDescSetAttribute, "cublasLtMatmulDescSetAttribute",                                                \
    (void *description, int attribute, const void *value, size_t bytes))                                             \
  F(cublasLtMatrixLayoutCreate, "cublasLtMatrixLayoutCreate",                                                        \
    (void *_Nullable *_Nonnull layout, int type, uint64_t rows, uint64_t columns, int64_t leadingDimension))         \
  F(cublasLtMatrixLayoutDestroy, "cublasLtMatrixLayoutDestroy", (void *layout))                                      \
  F(cublasLtMatmulPreferenceCreate, "cublasLtMatmulPreferenceCreate", (void *_Nullable *_Nonnull preference))        \
  F(cublasLtMatmulPreferenceDestroy, "cublasLtMatmulPreferenceDestroy", (void *preference))                          \
  F(cublasLtMatmulPreferenceSetAttribute, "cublasLtMatmulPreferenceSetAttribute",                                    \
    (void *preference, int attribute, const void *value, size_t bytes))                                              \
  F(cublasLtMatmulAlgoGetHeuristic, "cublasLtMatmulAlgoGetHeuristic",                                                \
    (void *handle, void *description, void *a, void *b, void *c, void *d, void *preference, int capacity,            \
     cc_matmul_choice *choices, int *count))                                                                         \
  F(cublasLtMatmul, "cublasLtMatmul",                                                                                \
    (void *handle, void *description, const void *alpha, const void *aData, void *a, const void *bData, void *b,     \
     const void *beta, const void *cData, void *c, void *dData, void *d,                                             \
     const cc_matmul_algorithm *_Nullable algorithm, void *_Nullable workspace, size_t workspaceBytes,               \
     void *_Nullable stream))

#define CC_FIELD_MATMUL(name, symbol, parameters) int(*name) parameters;

/* cuBLASLt's functions. */
typedef struct {
  CC_MATMUL_FUNCTIONS(CC_FIELD_MATMUL)
  /* Such as 130200. */
  size_t (*cublasLtGetVersion)(void);
  /* The text for a status. */
  const char *_Nullable (*_Nonnull cublasLtGetStatusString)(int status);
} cc_matmul;

/* Opens the cuBLASLt library at `path`, in the way of cc_open_driver. */
const cc_matmul *_Nullable cc_open_matmul(const char *path, cc_opening *opening);

/* cuBLASLt takes device addresses as pointers. */
static inline void *_Nonnull cc_device_pointer(uint64_t address) { return (void *)(uintptr_t)address; }

/* cudaDataType; cublasComputeType_t (float32, without TF32); cublasOperation_t. */
enum { CC_TYPE_FLOAT32 = 0, CC_TYPE_BFLOAT16 = 14, CC_COMPUTE_FLOAT32 = 68, CC_STORED = 0, CC_TRANSPOSED = 1 };
/* cublasLtMatmulDescAttributes_t. */
enum { CC_DESCRIPTION_TRANSPOSE_A = 3, CC_DESCRIPTION_TRANSPOSE_B = 4 };
/* cublasLtMatmulPreferenceAttributes_t. */
enum {
  CC_PREFERENCE_WORKSPACE_BYTES = 1,
  CC_PREFERENCE_REDUCTIONS = 3,
  CC_PREFERENCE_ALIGNMENT_A = 5,
  CC_PREFERENCE_ALIGNMENT_B = 6,
  CC_PREFERENCE_ALIGNMENT_C = 7,
  CC_PREFERENCE_ALIGNMENT_D = 8
};
/* cublasLtReductionScheme_t: partial sums are kept in float32, and a separate step adds them. */
enum { CC_REDUCTION_IN_COMPUTE_TYPE = 2 };

#pragma clang assume_nonnull end
