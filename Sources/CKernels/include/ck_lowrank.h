#pragma once
/*
 * Products of matrices of low rank with bfloat16 ones, in the sizes of LoRA. Call these functions only if
 * `ck_has_bfloat16_products` returns 1.
 */
#include "CKernels.h"

/*
 * Lines of a float32 factor that are multiplied at a time, and the most lines of the bfloat16 factor in one
 * call.
 */
enum { CK_SPLIT_LINES = 16, CK_SPLIT_ROWS = 64 };

/*
 * Lines of a float32 factor. Element k of line i is x[i · line_stride + k · inner_stride], and one stride is
 * 1.
 */
typedef struct {
  const float *x;
  size_t line_stride, inner_stride;
  size_t lines, inner;
} ck_float_lines;

/*
 * Elements of the panels of `lines` lines. A panel has sixteen lines: for each pair of the inner index, their
 * three parts.
 */
static inline size_t ck_split_size(size_t lines, size_t inner) {
  return (lines + CK_SPLIT_LINES - 1) / CK_SPLIT_LINES * ck_panel_size(3 * CK_SPLIT_LINES, inner);
}

/*
 * Packs pairs `first` ..< `end` of the inner index as panels of three bfloat16 parts, whose sum is the
 * float32 element. Each part holds 8 of its 24 bits, so that products of the parts are as good as float32
 * ones.
 */
void ck_split_panels(const ck_float_lines *source, size_t first, size_t end, uint16_t *panels);

/*
 * Packs up to CK_SPLIT_ROWS lines that are columns of x, pair by pair of the inner index. Each row of x is
 * read in one go, since rows that are a power of two apart evict each other from the cache. The second
 * element of an odd last pair is zero.
 */
void ck_pack_columns(const uint16_t *x, size_t stride, size_t lines, size_t inner, uint16_t *panel);

/* Products of bfloat16 lines with all lines of a split factor. Low parts are added before high ones. */
struct ck_split_factors {
  const uint16_t *panels; /* from `ck_split_panels` */
  const uint16_t *x;      /* pair k of line i begins at x[i · line_stride + k · pair_stride] */
  size_t line_stride, pair_stride;
  size_t lines, split_lines, inner; /* at most CK_SPLIT_ROWS lines */
  int is_padded;                    /* 1 when the last pair is whole although inner is odd */
  ck_product_target target;         /* its rows are the bfloat16 lines, or the split lines */
  int is_transposed;                /* 1 when its rows are the split lines */
};
void ck_split_product(const struct ck_split_factors *product);

/* y = xᵀ: `rows` rows of `columns` elements, `x_stride` apart in x; rows of y are `y_stride` apart. */
void ck_transpose(const float *x, size_t x_stride, size_t rows, size_t columns, float *y, size_t y_stride);

/* c = scale · a · b, or c plus that, for a small inner size: c is read and written once. */
struct ck_update_factors {
  const float *a; /* element (i, k) is a[i · row_stride + k · inner_stride] */
  size_t row_stride, inner_stride;
  const float *b; /* [inner, columns], end to end */
  size_t rows, columns, inner;
  ck_product_target target;
};
void ck_update_product(const struct ck_update_factors *product);
