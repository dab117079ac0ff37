#pragma once
/*
 * Products of a few bfloat16 rows with a bfloat16 matrix that is read once. Call these functions only if
 * `ck_has_bfloat16_products` returns 1.
 */
#include "ck_product_bf16.h"

/* The most rows of x that `ck_thin_pair_product` takes. */
enum { CK_THIN_ROWS = 64 };

/* Lines of the panel that this many rows of x are packed into; 0 when the rows are not packed. */
static inline size_t ck_thin_lanes(size_t rows) { return rows <= 6 ? 0 : (rows + 15) / 16 * 16; }

/* c = x · wᵀ for 1 to CK_THIN_ROWS rows of x. w is read once, row after row, without packing. */
struct ck_thin_pairs {
  const uint16_t *x; /* [x_rows, inner], or a panel of ck_thin_lanes(x_rows) lines */
  const uint16_t *w; /* [w_rows, inner] */
  size_t x_rows, w_rows, inner;
  ck_product_target target;
};
void ck_thin_pair_product(const struct ck_thin_pairs *product);
