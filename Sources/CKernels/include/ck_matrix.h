#pragma once
/* Conversion, element-wise loops, and the loops around matrix products. */
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

/* y = a + b, all of one element type; y may be a or b. */
void ck_add(int type, const void *a, const void *b, void *y, size_t count);
/* sum += x, of element type `type`. */
void ck_accumulate(int type, const void *x, float *sum, size_t count);
/* The widest vectors that the loops use here: "AVX-512", "AVX2", "SSE2" or "NEON". */
const char *ck_vector_name(void);

/* c = scale · x · wᵀ, or that added to c, for few rows of x: w is read once, from one row to the next. */
struct ck_thin_factors {
    const float *x;    /* [x_rows, inner] */
    const void *w;     /* [w_rows, inner] of w_type */
    void *c;           /* x_rows rows of w_rows elements of c_type, c_stride apart */
    size_t x_rows, w_rows, inner, c_stride;
    int w_type, c_type;
    int adding;        /* 0: c is replaced */
    float scale;
};
void ck_thin_product(const struct ck_thin_factors *product);

/* x = cap · tanh(x / cap). */
void ck_soft_cap(float *x, float cap, size_t count);
/* Of each row: the largest element, and the sum of e^(x - largest). columns > 0, at most some thousands. */
void ck_row_statistics(const float *x, size_t rows, size_t columns, float *largest, float *sums);
/* Of each row: the column of the largest element, the first of equals, and that element. Column -1, and any number, of a
 * row with an element that is NaN or infinite. */
void ck_row_argmax(const float *x, size_t rows, size_t columns, size_t stride, int32_t *column, float *largest);
/* x = factor · e^(x - largest[row]) · inverse_sum[row], and times 1 - (x / cap)² where cap > 0. */
void ck_softmax_gradient(
    float *x, size_t rows, size_t columns, const float *largest, const float *inverse_sums, float factor, float cap);
