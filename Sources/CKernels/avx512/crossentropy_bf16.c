#include "bf16.h"

#if defined(__x86_64__)

enum { LANES = 16, LINES = CK_LEFT_LINES, ACROSS = 2 * CK_LEFT_LINES, PAIRS = CK_LEFT_LINES / 2 };

/* The largest of a row's elements. NaN may be skipped. */
BF16_INLINE float largest_lane(const float *x, size_t columns) {
  __m512 a = _mm512_set1_ps(x[0]), b = a;
  size_t i = 0;
  for (; i + 2 * LANES <= columns; i += 2 * LANES) {
    a = _mm512_max_ps(a, _mm512_loadu_ps(x + i));
    b = _mm512_max_ps(b, _mm512_loadu_ps(x + i + LANES));
  }
  for (; i < columns; i += LANES) a = _mm512_mask_max_ps(a, bf16_lanes(columns - i), a, _mm512_loadu_ps(x + i));
  return _mm512_reduce_max_ps(_mm512_max_ps(a, b));
}

/* e^(x - most) in `lanes`, and 0 in the others. The result is also added to *sum. */
BF16_INLINE __m512 weight_lanes(const float *x, __mmask16 lanes, __m512 most, __m512 *sum) {
  __m512 e = _mm512_maskz_mov_ps(lanes, bf16_exp(_mm512_sub_ps(_mm512_loadu_ps(x), most)));
  *sum = _mm512_add_ps(*sum, e);
  return e;
}

/* 1 - (x / cap)². */
BF16_INLINE __m512 slope_lanes(const float *x, __m512 inverse_cap) {
  __m512 bent = _mm512_mul_ps(_mm512_loadu_ps(x), inverse_cap);
  return _mm512_fnmadd_ps(bent, bent, _mm512_set1_ps(1.0f));
}

/*
 * One row of `ck_softmax_weights`. Whether weights are kept, and whether a cap bends them, is constant where
 * this is inlined.
 */
BF16_INLINE float row_weights(const float *x, size_t columns, float largest, int is_kept, float cap, uint16_t *y) {
  __m512 most = _mm512_set1_ps(largest), inverse_cap = _mm512_set1_ps(1.0f / cap);
  __m512 even = _mm512_setzero_ps(), odd = even;
  for (size_t i = 0; i < columns; i += 2 * LANES) {
    __mmask16 low = bf16_lanes(columns - i), high = bf16_lanes(columns - i > LANES ? columns - i - LANES : 0);
    __m512 e0 = weight_lanes(x + i, low, most, &even), e1 = weight_lanes(x + i + LANES, high, most, &odd);
    if (!is_kept) continue;
    if (cap > 0) {
      e0 = _mm512_mul_ps(e0, slope_lanes(x + i, inverse_cap));
      e1 = _mm512_mul_ps(e1, slope_lanes(x + i + LANES, inverse_cap));
    }
    _mm512_storeu_si512(y + i, (__m512i)_mm512_cvtne2ps_pbh(e1, e0));
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

BF16_TARGET
void ck_softmax_weights(const float *x, size_t rows, size_t columns, float cap, float *largest, float *sums,
                        uint16_t *weights) {
  size_t stride = ck_weight_stride(columns);
  for (size_t row = 0; row < rows; row++, x += stride) {
    float most = largest_lane(x, columns);
    uint16_t *y = weights + row * stride;
    largest[row] = most;
    if (!weights) sums[row] = row_weights(x, columns, most, 0, 0, NULL);
    else if (cap > 0) sums[row] = row_weights(x, columns, most, 1, cap, y);
    else sums[row] = row_weights(x, columns, most, 1, 0, y);
  }
}

/* Up to 28 weights times a factor, rounded to bfloat16 again. */
BF16_INLINE __m512i gradient_lanes(const uint16_t *weights, __mmask32 columns, float factor) {
  static const uint16_t pairs[2 * LANES] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                            8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i x = _mm512_maskz_loadu_epi16(columns, weights);
  __m512 scale = _mm512_set1_ps(factor);
  __m512 even = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(x, 16)), scale);
  __m512 odd = _mm512_mul_ps(
      _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32((int)0xFFFF0000))), scale);
  return _mm512_permutexvar_epi16(_mm512_loadu_si512(pairs), (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* Writes fourteen rows and 28 columns of the gradient, as pairs of rows, to two panels of columns. */
BF16_INLINE void store_columns(const __m512i r[LANES], size_t row_pairs, int has_second, uint32_t *panel,
                               size_t next) {
  static const uint16_t first[2 * LANES] = {0, 32, 1, 33, 2, 34, 3,  35, 4,  36, 5,  37, 6,  38,
                                            7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45};
  static const uint16_t second[2 * LANES] = {14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52,
                                             21, 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59};
  __mmask16 lanes = bf16_lanes(LINES);
  __m512i low = _mm512_loadu_si512(first), high = _mm512_loadu_si512(second);
  CK_UNROLLED
  for (size_t j = 0; j < PAIRS; j++) {
    if (j >= row_pairs) break;
    _mm512_mask_storeu_epi32(panel + j * LINES, lanes, _mm512_permutex2var_epi16(r[2 * j], low, r[2 * j + 1]));
    if (has_second)
      _mm512_mask_storeu_epi32(
          panel + next + j * LINES, lanes, _mm512_permutex2var_epi16(r[2 * j], high, r[2 * j + 1]));
  }
}

BF16_TARGET
void ck_pack_softmax_gradient(const ck_softmax_panels *p) {
  size_t stride = ck_weight_stride(p->columns), column_pairs = (p->columns + 1) / 2, row_pairs = (p->rows + 1) / 2;
  uint32_t *by_row = (uint32_t *)p->row_panels, *by_column = (uint32_t *)p->column_panels;
  for (size_t row = 0; row < p->rows; row += LINES) {
    size_t height = p->rows - row < LINES ? p->rows - row : LINES;
    const uint16_t *x = p->weights + row * stride;
    for (size_t column = 0; column < p->columns; column += ACROSS) {
      size_t width = p->columns - column < ACROSS ? p->columns - column : ACROSS;
      __m512i r[LANES];
      CK_UNROLLED
      for (size_t i = 0; i < LANES; i++) {
        r[i] = _mm512_setzero_si512();
        if (i >= height) continue;
        _mm_prefetch((const char *)(x + (LINES + i) * stride + column), _MM_HINT_T0);
        r[i] = gradient_lanes(x + i * stride + column, (__mmask32)((1u << width) - 1), p->factors[row + i]);
      }
      if (by_column)
        store_columns(
            r, row_pairs - row / 2, width > LINES, by_column + column * row_pairs + row * PAIRS,
            row_pairs * LINES);
      bf16_transpose(r);
      uint32_t *panel = by_row + row * column_pairs + column * PAIRS;
      CK_UNROLLED
      for (size_t i = 0; i < LINES; i++)
        if (2 * i < width) _mm512_mask_storeu_epi32(panel + i * LINES, bf16_lanes(LINES), r[i]);
    }
  }
}

#else

void ck_softmax_weights(const float *x, size_t rows, size_t columns, float cap, float *largest, float *sums,
                        uint16_t *weights) {}
void ck_pack_softmax_gradient(const ck_softmax_panels *panels) {}

#endif
