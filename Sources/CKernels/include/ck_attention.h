#pragma once
/* Rows of scores in attention, and attention of one query over a cache. */
#include "CKernels.h"

/*
 * Which scores of a row are visible, and how they are scaled and capped: s = scale · score, then
 * cap · tanh(s / cap) if cap > 0.
 */
typedef struct {
  size_t count;       /* columns of the row */
  size_t first, last; /* visible columns: first <= j < last */
  float scale, cap;
} ck_attention_row;

/* scores = e^(s - max), and 0 where not visible. Returns 1 / their sum; *log_sum_exp = max + log(sum). */
float ck_attention_softmax(ck_attention_row row, float *scores, float *log_sum_exp);
/* scores = probabilities p; dp = gradient of the raw scores, p · (dp - sum(p · dp)) · ds/dscore. */
void ck_attention_softmax_backward(ck_attention_row row, float log_sum_exp, float *scores, float *dp);

/* One query against the keys first ..< last of a cache whose rows lie `stride` elements apart. */
typedef struct {
  int type;
  const void *keys, *values; /* first element of the head in row 0 */
  size_t stride, first, last;
  size_t heads, width; /* query heads of the group, elements of a head */
  float scale, cap;
} ck_attention_cache;

/*
 * output[heads, width] and log_sum_exp[heads] of query[heads, width]. Scratch: heads · (last - first + 1)
 * floats.
 */
void ck_attention_decode(ck_attention_cache cache, const float *query, float *scratch, float *output,
                         float *log_sum_exp);
