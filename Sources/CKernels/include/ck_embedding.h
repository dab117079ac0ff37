#pragma once
/* Rows of an embedding. `type` is the element type of every `void` array of a call. */
#include "CKernels.h"

/* sum += scale · x. */
void ck_scale_add(int type, const void *x, float scale, float *sum, size_t count);
