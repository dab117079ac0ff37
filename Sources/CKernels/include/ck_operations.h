#pragma once
/* Loops of the operations other than matrix products. `type` is the element type of every `void` array of a call. */
#include "CKernels.h"

/* sum += scale · x. */
void ck_scale_add(int type, const void *x, float scale, float *sum, size_t count);

/* gain = 1 + weight. */
void ck_rmsnorm_gain(int type, const void *weight, float *gain, size_t count);
/* y = x · rstd · gain with rstd = 1 / sqrt(mean(x²) + epsilon) of each row of `width`. */
void ck_rmsnorm_forward(int type, const void *x, const float *gain, float epsilon, size_t rows, size_t width,
                        void *y, float *rstd);
/* dx of each row; adds the weight's gradient over the rows to dweight unless that is null. */
void ck_rmsnorm_backward(int type, const void *dy, const void *x, const float *gain, const float *rstd, size_t rows,
                         size_t width, void *dx, float *dweight);

/* cosines and sines of position · frequencies[i] (a float32 product), the sines times `sign`. */
void ck_rotary_angles(float position, const float *frequencies, size_t half, float sign, float *cosines,
                      float *sines);
/* y = each head of x (2 · half elements) with its pairs (i, i + half) rotated. */
void ck_rotary(int type, const void *x, const float *cosines, const float *sines, size_t heads, size_t half,
               void *y);

/* y = gelu(gate) · up, gelu with the tanh approximation. */
void ck_geglu_forward(int type, const void *gate, const void *up, void *y, size_t count);
/* dgate = dy · up · gelu'(gate); dup = dy · gelu(gate). */
void ck_geglu_backward(int type, const void *dy, const void *gate, const void *up, void *dgate, void *dup,
                       size_t count);

/* y = 0 where the uniform number of (word, first + i) lies below `probability`, else x / (1 - probability). */
void ck_dropout(int type, const void *x, float probability, uint64_t word, uint64_t first, void *y, size_t count);

/* Which scores of a row count, and what happens to them: s = scale · score, then cap · tanh(s / cap) if cap > 0. */
typedef struct {
    size_t count;       /* columns of the row */
    size_t first, last; /* visible columns: first <= j < last */
    float scale, cap;
} ck_attention_row;

/* scores = e^(s - max), 0 where not visible. Returns 1 / their sum; *log_sum_exp = max + log(sum). */
float ck_attention_softmax(ck_attention_row row, float *scores, float *log_sum_exp);
/* scores = probabilities p, and dp = gradient of the raw scores, p · (dp - sum(p · dp)) · ds/dscore. */
void ck_attention_softmax_backward(ck_attention_row row, float log_sum_exp, float *scores, float *dp);

/* One query against the keys first ..< last of a cache whose rows lie `stride` elements apart. */
typedef struct {
    int type;
    const void *keys, *values; /* first element of the head in row 0 */
    size_t stride, first, last;
    size_t heads, width; /* query heads of the group, elements of a head */
    float scale, cap;
} ck_attention_cache;

/* output[heads, width] and log_sum_exp[heads] of query[heads, width]. Scratch: heads · (last - first + 1). */
void ck_attention_decode(ck_attention_cache cache, const float *query, float *scratch, float *output,
                         float *log_sum_exp);
