#pragma once
/*
 * Products of bfloat16 matrices with the instruction that multiplies pairs (AVX512_BF16 VDPBF16PS). It adds
 * two products at a time to a float32 sum, in the order of the inner index. Subnormal factors and results
 * count as zero. Call these functions only if `ck_has_bfloat16_products` returns 1.
 *
 * A factor is a set of lines along the inner index: the rows of the left one, the columns of the right one.
 * Lines are packed into panels, the micro-panels of BLIS: a few neighbouring lines, pair by pair of the inner
 * index, so that a product reads them in the order of memory.
 * Source: Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication"; Intel SDM,
 * VDPBF16PS.
 */
#include "CKernels.h"

/* 1 when processor and system have AVX512_BF16. */
int ck_has_bfloat16_products(void);

/* Lines of one panel of the left factor (its rows) and of the right one (its columns). */
enum { CK_LEFT_LINES = 14, CK_RIGHT_LINES = 32 };

/*
 * Lines of a factor. Element k of line i is x[i · line_stride + k · inner_stride], and one of the strides is
 * 1.
 */
typedef struct {
  const uint16_t *x;
  size_t line_stride, inner_stride;
  size_t lines, inner;
} ck_bf16_lines;

/* Elements of a panel: `width` lines of (inner + 1) / 2 pairs. */
static inline size_t ck_panel_size(size_t width, size_t inner) { return width * ((inner + 1) / 2) * 2; }

/*
 * Packs panels of `width` lines (CK_LEFT_LINES or CK_RIGHT_LINES), end to end. For each pair of the inner
 * index, a panel holds that pair of every line. Missing lines, and the second element of an odd last pair,
 * are zero.
 */
void ck_pack_panels(const ck_bf16_lines *source, size_t width, uint16_t *panels);

/* Where a product is written: c = scale · sum, or c plus that. */
typedef struct {
  void *c;          /* first element */
  size_t stride;    /* of c's rows, in elements */
  int type, adding; /* element type; adding is 0 when c is replaced */
  float scale;
} ck_product_target;

/* Elements of the inner index whose sum is formed in registers. Such sums are then added in order. */
enum { CK_INNER_BLOCK = 2048 };

/* Floats that a product needs for the sums of its first blocks; 0 when it has one block. */
size_t ck_sums_size(size_t rows, size_t columns, size_t inner);

/* Product of `rows` lines of packed left panels and `columns` lines of packed right panels. */
void ck_multiply_panels(const uint16_t *left, size_t rows, const uint16_t *right, size_t columns, size_t inner,
                        float *sums, ck_product_target target);

/* Index of element k of a line in panels of `width` lines. */
static inline size_t ck_panel_index(size_t width, size_t inner, size_t line, size_t k) {
  return line / width * ck_panel_size(width, inner) + k / 2 * 2 * width + line % width * 2 + k % 2;
}
