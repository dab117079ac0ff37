#pragma once
/*
 * Screening of inner products: finds the rows of a table that can have the largest inner product with a
 * vector. It reads 8-bit codes of both, which are half the bytes of bfloat16.
 *
 * A row w is s · q + e with 8-bit integers q, and a vector x is t · g + d with 8-bit integers g. Then w·x = s
 * t (q·g) + (s q)·d + e·x, where q·g is exact and the rest is at most |s q| |d| + |e| |x|. A row is a
 * candidate unless its upper bound is below the largest lower bound. The inner products themselves decide
 * among candidates.
 * Source: Cauchy's inequality; Intel SDM, VPDPBUSD.
 */
#include "CKernels.h"

/* 1 when processor and system have AVX512_VNNI. Call nothing else here otherwise. */
int ck_has_screening(void);

/*
 * Rows of a table whose codes lie together; inner elements that are taken together; most vectors of a group.
 */
enum { CK_CODE_ROWS = 16, CK_CODE_UNIT = 32, CK_QUERY_GROUP = 8 };

/* Codes of a row or vector: one for each element, then zeros up to whole units. */
static inline size_t ck_code_count(size_t inner) { return (inner + CK_CODE_UNIT - 1) / CK_CODE_UNIT * CK_CODE_UNIT; }

/*
 * One row: w = scale · code + rest. `norm` is at least |scale · code|, and `rest` at least the norm of the
 * rest.
 */
typedef struct {
  float scale, norm, rest;
} ck_code_row;

/*
 * Packs the codes of up to CK_CODE_ROWS bfloat16 rows, end to end in x, into a panel: four elements of each
 * row, row by row, then the next four. A code is stored with 128 added. Missing rows get zeros. Returns 0
 * when a row's largest element is not finite, or so small or large that its square might not be a float32.
 */
int ck_encode_panel(const uint16_t *x, size_t rows, size_t inner, uint8_t *panel, float *scales, float *norms, float *rests);

/*
 * A vector for comparison: inner product = scale · row scale · (sum - offset). The error is at most
 * norm_factor · row norm + rest_factor · row rest.
 */
typedef struct {
  float scale, norm_factor, rest_factor;
  int32_t offset;
} ck_query;

/*
 * Encodes `count` bfloat16 vectors, end to end in x: four elements of each vector of a group, then the next
 * four. Groups have CK_QUERY_GROUP vectors; the last vectors form groups of the largest power of two that
 * they fill. Returns 0 under the conditions of `ck_encode_panel`.
 */
int ck_encode_queries(const uint16_t *x, size_t count, size_t inner, int8_t *codes, ck_query *queries);

/* A row that may have the largest inner product with a vector, and the upper bound of that product. */
typedef struct {
  int32_t row, query;
  float most;
} ck_candidate;

/* Rows of a table, in whole panels except for the last, against all vectors. */
typedef struct {
  const uint8_t *panels;
  const float *scales, *norms, *rests;
  size_t first_row, rows, inner;
  const int8_t *codes;
  const ck_query *queries;
  size_t query_count;
  float *best;   /* of each vector, the largest lower bound so far: shared by all threads, and made larger */
  float *bounds; /* query_count · rows in whole panels, for the time of the call */
} ck_screen;

/*
 * Finds the rows whose upper bound is not below their vector's best, ordered by vector and row. `found` has
 * room for all rows of all vectors. Returns their number. Rows that a later best exceeds may be dropped.
 */
size_t ck_screen_rows(const ck_screen *screen, ck_candidate *found);
