#pragma once
/* Conversion of elements from one type to another. */
#include "CKernels.h"

/* y = x as float32. */
void ck_widen(const uint16_t *x, float *y, size_t count);
/* y = x as float32: `rows` rows of `columns`, `stride` apart in x, end to end in y. */
void ck_widen_block(const uint16_t *x, size_t stride, float *y, size_t rows, size_t columns);
/* y = x rounded to bfloat16. */
void ck_round_bf16(const float *x, uint16_t *y, size_t count);
/* y = x rounded to bfloat16: `rows` rows of `columns`, end to end in x, `stride` apart in y. */
void ck_round_block(const float *x, uint16_t *y, size_t stride, size_t rows, size_t columns);
/* y = scale · x, from one element type to another. */
void ck_convert(const void *x, int from, float scale, void *y, int to, size_t count);
