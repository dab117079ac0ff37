#include "vector.h"

/* The largest of count > 0 elements, by sixteen running maxima. NaN may be skipped. */
static inline float largest_of(const float *x, size_t count) {
  enum { LANES = 16 };
  float lanes[LANES];
  for (int lane = 0; lane < LANES; lane++) lanes[lane] = x[0];
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
  float most = lanes[0];
  for (int lane = 1; lane < LANES; lane++) most = lanes[lane] > most ? lanes[lane] : most;
  for (; i < count; i++) most = x[i] > most ? x[i] : most;
  return most;
}

CK_CLONES
void ck_soft_cap(float *x, float cap, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = cap * ck_tanh(x[i] / cap);
}

CK_CLONES
void ck_row_statistics(
    const float *restrict x, size_t rows, size_t columns, float *restrict largest, float *restrict sums) {
  for (size_t row = 0; row < rows; row++, x += columns) {
    float most = largest_of(x, columns);
    float sum = 0;
    for (size_t i = 0; i < columns; i++) {
#pragma clang fp reassociate(on)
      sum += ck_exp(x[i] - most);
    }
    largest[row] = most;
    sums[row] = sum;
  }
}

/* Whether all of count elements are finite: none has an exponent with all bits set. */
static inline int all_finite(const float *x, size_t count) {
  uint32_t full = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    __builtin_memcpy(&bits, x + i, 4);
    full |= (bits & 0x7F800000) == 0x7F800000;
  }
  return !full;
}

CK_CLONES
void ck_row_argmax(
    const float *restrict x, size_t rows, size_t columns, size_t stride, int32_t *restrict column,
    float *restrict largest) {
  for (size_t row = 0; row < rows; row++, x += stride) {
    float most = largest_of(x, columns);
    size_t at = 0;
    if (all_finite(x, columns)) {
      while (at + 1 < columns && x[at] != most) at++;
      column[row] = (int32_t)at;
    } else {
      column[row] = -1;
    }
    largest[row] = most;
  }
}

CK_CLONES
void ck_softmax_gradient(
    float *restrict x, size_t rows, size_t columns, const float *restrict largest,
    const float *restrict inverse_sums, float factor, float cap) {
  for (size_t row = 0; row < rows; row++, x += columns) {
    float most = largest[row], scale = factor * inverse_sums[row];
    if (cap > 0) {
      for (size_t i = 0; i < columns; i++) {
        float bent = x[i] / cap;
        x[i] = scale * ck_exp(x[i] - most) * (1.0f - bent * bent);
      }
    } else {
      for (size_t i = 0; i < columns; i++) x[i] = scale * ck_exp(x[i] - most);
    }
  }
}
