#pragma once
/* Root-mean-square norm. `type` is the element type of every `void` array of a call. */
#include "CKernels.h"

/* gain = 1 + weight. */
void ck_rmsnorm_gain(int type, const void *weight, float *gain, size_t count);
/* y = x · rstd · gain with rstd = 1 / sqrt(mean(x²) + epsilon) of each row of `width`. */
void ck_rmsnorm_forward(int type, const void *x, const float *gain, float epsilon, size_t rows, size_t width,
                        void *y, float *rstd);
/* dx of each row; adds the weight's gradient over the rows to dweight unless that is null. */
void ck_rmsnorm_backward(int type, const void *dy, const void *x, const float *gain, const float *rstd, size_t rows,
                         size_t width, void *dx, float *dweight);
