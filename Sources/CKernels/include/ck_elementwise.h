#pragma once
/* Element-wise loops. */
#include "CKernels.h"

/* y = a + b, all of one element type; y may be a or b. */
void ck_add(int type, const void *a, const void *b, void *y, size_t count);
/* sum += x, of element type `type`. */
void ck_accumulate(int type, const void *x, float *sum, size_t count);
/* The widest vectors that the loops use here: "AVX-512", "AVX2", "SSE2" or "NEON". */
const char *ck_vector_name(void);
