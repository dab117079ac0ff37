#pragma once
/*
 * Attention of bfloat16 heads by products of bfloat16 pairs (VDPBF16PS). Call these functions only if
 * `ck_has_bfloat16_products` returns 1.
 *
 * A tile is some queries of one segment, with all G heads of a group: row r · G + g is head g of query r.
 * Heads have H elements, a multiple of CK_RIGHT_LINES. Scores, soft-max and sums are float32. Probabilities
 * and the gradients of scores are rounded to bfloat16 before they enter a product.
 * Source: Dao 2023, "FlashAttention-2", for the order of the backward pass and what is rounded.
 */
#include "CKernels.h"

/*
 * Rows of a tile, and the keys that they see: those up to the query's own; with `window` > 0 only the last
 * `window`.
 */
typedef struct {
  size_t rows, group, width; /* queries · G, G, H */
  size_t position;           /* key at the position of the first query */
  size_t key_count, window;
  float scale, cap; /* s = scale · score, then cap · tanh(s / cap) if cap > 0 */
} ck_attention_tile;

/* First key of a tile's columns, and their number: whole panels of keys. */
size_t ck_attention_first_column(const ck_attention_tile *tile);
size_t ck_attention_columns(const ck_attention_tile *tile);

/*
 * `keys`: right panels with inner size H. `values`: right panels with the keys as inner size; H columns are
 * their lines.
 */
typedef struct {
  const uint16_t *q; /* [rows, H] */
  const uint16_t *keys, *values;
  uint16_t *o;               /* [rows, H] */
  float *log_sum_exp;        /* of the first query's first head */
  size_t log_sum_exp_stride; /* from query to query */
} ck_attention_operands;

/* Floats of scratch memory that each pass needs. */
size_t ck_attention_forward_scratch(const ck_attention_tile *tile);
size_t ck_attention_backward_scratch(const ck_attention_tile *tile);

/* Computes o and log_sum_exp of a tile. */
void ck_attention_forward_pairs(const ck_attention_tile *tile, const ck_attention_operands *operands, float *scratch);

/* The arrays that the backward pass of a tile reads and writes. */
typedef struct {
  const uint16_t *q, *d_o;                 /* [rows, H] */
  const uint16_t *keys, *values;           /* right panels with inner size H */
  const uint16_t *key_columns;             /* right panels with the keys as inner size */
  const uint16_t *q_columns, *d_o_columns; /* right panels with the tile's rows as inner size */
  const float *log_sum_exp;                /* as in ck_attention_operands */
  size_t log_sum_exp_stride;
  uint16_t *dq;                            /* [rows, H] */
  float *d_keys, *d_values;                /* [keys, H] */
} ck_attention_gradients;

/* Computes dq of a tile, and adds the tile's shares to d_keys and d_values. */
void ck_attention_backward_pairs(const ck_attention_tile *tile, const ck_attention_gradients *gradients,
                                 float *scratch);
