#include "vector.h"

/* Sixteen floats: one AVX-512 register, or several smaller ones. */
typedef float ck_float16 __attribute__((ext_vector_type(16)));
typedef uint32_t ck_uint16 __attribute__((ext_vector_type(16)));
typedef uint16_t ck_ushort16 __attribute__((ext_vector_type(16)));

enum { X_STEP = 4, W_STEP = 4, LANES = 16 };

CK_TEMPLATE void load(const void *w, int type, size_t at, ck_float16 *value) {
  if (type == CK_BFLOAT16) {
    ck_ushort16 bits;
    __builtin_memcpy(&bits, (const uint16_t *)w + at, sizeof bits);
    ck_uint16 wide = __builtin_convertvector(bits, ck_uint16) << 16;
    __builtin_memcpy(value, &wide, sizeof wide);
  } else {
    __builtin_memcpy(value, (const float *)w + at, sizeof *value);
  }
}

CK_TEMPLATE float element(const void *w, int type, size_t at) {
  return type == CK_BFLOAT16 ? ck_from_bf16(((const uint16_t *)w)[at]) : ((const float *)w)[at];
}

/* Adds one half of the lanes to the other, again and again: a fixed order on all registers. */
CK_TEMPLATE float lane_sum(const ck_float16 *lanes) {
  float sum[LANES];
  __builtin_memcpy(sum, lanes, sizeof sum);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) sum[i] += sum[i + width];
  return sum[0];
}

CK_TEMPLATE void store(const struct ck_thin_factors *p, size_t row, size_t column, float value) {
  size_t at = row * p->c_stride + column;
  value *= p->scale;
  if (p->c_type == CK_BFLOAT16) {
    uint16_t *c = (uint16_t *)p->c + at;
    *c = ck_to_bf16(p->adding ? ck_from_bf16(*c) + value : value);
  } else {
    float *c = (float *)p->c + at;
    *c = p->adding ? *c + value : value;
  }
}

/* Dot products of `xs` rows of x with `ws` rows of w. Both numbers are constants where this is inlined. */
CK_TEMPLATE void block(const struct ck_thin_factors *p, int type, size_t x0, int xs, size_t w0, int ws) {
  ck_float16 sums[X_STEP][W_STEP] = {0};
  size_t inner = p->inner, whole = inner / LANES * LANES;
  for (size_t k = 0; k < whole; k += LANES) {
    ck_float16 w[W_STEP];
#pragma clang loop unroll(full)
    for (int j = 0; j < ws; j++) load(p->w, type, (w0 + j) * inner + k, &w[j]);
#pragma clang loop unroll(full)
    for (int i = 0; i < xs; i++) {
      ck_float16 x;
      load(p->x, CK_FLOAT32, (x0 + i) * inner + k, &x);
#pragma clang loop unroll(full)
      for (int j = 0; j < ws; j++) sums[i][j] += x * w[j];
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < xs; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < ws; j++) {
      float sum = lane_sum(&sums[i][j]);
      for (size_t k = whole; k < inner; k++)
        sum += p->x[(x0 + i) * inner + k] * element(p->w, type, (w0 + j) * inner + k);
      store(p, x0 + i, w0 + j, sum);
    }
}

CK_TEMPLATE void product(const struct ck_thin_factors *p, int type) {
  size_t w = 0;
  for (; w + W_STEP <= p->w_rows; w += W_STEP) {
    size_t x = 0;
    for (; x + X_STEP <= p->x_rows; x += X_STEP) block(p, type, x, X_STEP, w, W_STEP);
    if (p->x_rows - x == 3) block(p, type, x, 3, w, W_STEP);
    if (p->x_rows - x == 2) block(p, type, x, 2, w, W_STEP);
    if (p->x_rows - x == 1) block(p, type, x, 1, w, W_STEP);
  }
  for (; w < p->w_rows; w++)
    for (size_t x = 0; x < p->x_rows; x++) block(p, type, x, 1, w, 1);
}

CK_CLONES
void ck_thin_product(const struct ck_thin_factors *p) {
  if (p->w_type == CK_BFLOAT16) {
    product(p, CK_BFLOAT16);
  } else {
    product(p, CK_FLOAT32);
  }
}
