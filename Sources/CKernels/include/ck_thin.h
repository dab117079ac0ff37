#pragma once
/* Products of a few rows with a matrix that is read once. */
#include "CKernels.h"

/* c = scale · x · wᵀ, or c plus that, for few rows of x. w is read once, row after row. */
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
