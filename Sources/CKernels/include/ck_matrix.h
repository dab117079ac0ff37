#pragma once
/* Conversion and the loops around matrix products. */
#include "CKernels.h"

/* y = x as float32. */
void ck_widen(const uint16_t *x, float *y, size_t count);
/* y = x rounded to bfloat16. */
void ck_round_bf16(const float *x, uint16_t *y, size_t count);
/* y = scale · x, from one element type to another. */
void ck_convert(const void *x, int from, float scale, void *y, int to, size_t count);
