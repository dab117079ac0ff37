#pragma once
/* Rows of logits: soft cap, soft-max and arg max. */
#include "CKernels.h"

/* x = cap · tanh(x / cap). */
void ck_soft_cap(float *x, float cap, size_t count);
/*
 * For each row: the largest element, and the sum of e^(x - largest). columns > 0, and at most some thousands.
 */
void ck_row_statistics(const float *x, size_t rows, size_t columns, float *largest, float *sums);
/*
 * For each row: the column of the largest element, the first of equal ones, and that element. For a row with
 * an element that is NaN or infinite: column -1, and any number.
 */
void ck_row_argmax(const float *x, size_t rows, size_t columns, size_t stride, int32_t *column, float *largest);
/* x = factor · e^(x - largest[row]) · inverse_sum[row]; also times 1 - (x / cap)² if cap > 0. */
void ck_softmax_gradient(
    float *x, size_t rows, size_t columns, const float *largest, const float *inverse_sums, float factor, float cap);
