#pragma once
/* Dropout. `type` is the element type of every `void` array of a call. */
#include "CKernels.h"

/*
 * y = 0 if the uniform number of (word, first + i) is below `probability`, otherwise x / (1 - probability).
 */
void ck_dropout(int type, const void *x, float probability, uint64_t word, uint64_t first, void *y, size_t count);
