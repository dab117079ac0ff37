#include "vector.h"

CK_CLONES
void ck_widen(const uint16_t *restrict x, float *restrict y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = ck_from_bf16(x[i]);
}

CK_CLONES
void ck_widen_block(const uint16_t *restrict x, size_t stride, float *restrict y, size_t rows, size_t columns) {
  for (size_t row = 0; row < rows; row++)
    for (size_t i = 0; i < columns; i++) y[row * columns + i] = ck_from_bf16(x[row * stride + i]);
}

CK_CLONES
void ck_round_bf16(const float *restrict x, uint16_t *restrict y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = ck_to_bf16(x[i]);
}

CK_CLONES
void ck_round_block(const float *restrict x, uint16_t *restrict y, size_t stride, size_t rows, size_t columns) {
  for (size_t row = 0; row < rows; row++)
    for (size_t i = 0; i < columns; i++) y[row * stride + i] = ck_to_bf16(x[row * columns + i]);
}

CK_CLONES
void ck_convert(const void *restrict x, int from, float scale, void *restrict y, int to, size_t count) {
  const uint16_t *xb = x;
  const float *xf = x;
  uint16_t *yb = y;
  float *yf = y;
  if (from == CK_BFLOAT16 && to == CK_BFLOAT16) {
    for (size_t i = 0; i < count; i++) yb[i] = ck_to_bf16(scale * ck_from_bf16(xb[i]));
  } else if (from == CK_BFLOAT16) {
    for (size_t i = 0; i < count; i++) yf[i] = scale * ck_from_bf16(xb[i]);
  } else if (to == CK_BFLOAT16) {
    for (size_t i = 0; i < count; i++) yb[i] = ck_to_bf16(scale * xf[i]);
  } else {
    for (size_t i = 0; i < count; i++) yf[i] = scale * xf[i];
  }
}
