#pragma once
/*
 * Rows of logits whose soft-max is kept in bfloat16. Call these functions only if `ck_has_bfloat16_products`
 * returns 1.
 */
#include "ck_product_bf16.h"

/* Elements from one row of a tile's logits and weights to the next: whole right panels. */
static inline size_t ck_weight_stride(size_t columns) {
  return (columns + CK_RIGHT_LINES - 1) / CK_RIGHT_LINES * CK_RIGHT_LINES;
}

/*
 * For each row of logits: the largest, and the sum of e^(x - largest). Unless weights is null, also these
 * exponentials as bfloat16, times 1 - (x / cap)² if cap > 0. Rows lie `ck_weight_stride(columns)` apart.
 * columns > 0.
 */
void ck_softmax_weights(const float *x, size_t rows, size_t columns, float cap, float *largest, float *sums,
                        uint16_t *weights);

/*
 * Turns weights into a gradient: each times its row's factor, and rounded again. It is packed as two left
 * factors.
 */
typedef struct {
  const uint16_t *weights; /* as written by `ck_softmax_weights` */
  size_t rows, columns;
  const float *factors;    /* [rows] */
  uint16_t *row_panels;    /* packed with rows as lines */
  uint16_t *column_panels; /* packed with columns as lines; may be null */
} ck_softmax_panels;
void ck_pack_softmax_gradient(const ck_softmax_panels *panels);
