#include "bf16.h"

#if defined(__x86_64__)

enum { LANES = 16, PARTS = 3, PANEL = PARTS * LANES, LINES = 8, ROWS = 6, VECTORS = 4 };

/*
 * The upper halves of three floats whose sum is `value`. The first part of infinity and NaN is the value
 * itself.
 */
BF16_INLINE void split(__m512 value, __m512i parts[PARTS]) {
  const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000), exponent = _mm512_set1_epi32(0x7F800000);
  __m512i bits = _mm512_castps_si512(value);
  __mmask16 finite = _mm512_cmpneq_epi32_mask(_mm512_and_si512(bits, exponent), exponent);
  __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
  parts[0] = _mm512_and_si512(bits, upper);
  parts[0] = _mm512_mask_or_epi32(parts[0], nan, parts[0], _mm512_set1_epi32(0x00400000));
  __m512 rest = _mm512_maskz_sub_ps(finite, value, _mm512_castsi512_ps(parts[0]));
  parts[1] = _mm512_and_si512(_mm512_castps_si512(rest), upper);
  parts[2] = _mm512_castps_si512(_mm512_sub_ps(rest, _mm512_castsi512_ps(parts[1])));
}

/* Element k of up to sixteen lines; zero past the inner size. */
BF16_INLINE __m512 line_elements(const ck_float_lines *s, size_t line, size_t count, size_t k) {
  if (k >= s->inner) return _mm512_setzero_ps();
  const float *x = s->x + line * s->line_stride + k * s->inner_stride;
  if (s->line_stride == 1) return _mm512_maskz_loadu_ps(bf16_lanes(count), x);
  float values[LANES] = {0};
  for (size_t i = 0; i < count; i++) values[i] = x[i * s->line_stride];
  return _mm512_loadu_ps(values);
}

BF16_TARGET
void ck_split_panels(const ck_float_lines *s, size_t first, size_t end, uint16_t *panels) {
  uint32_t *panel = (uint32_t *)panels;
  for (size_t line = 0; line < s->lines; line += LANES, panel += (s->inner + 1) / 2 * PANEL) {
    size_t count = s->lines - line < LANES ? s->lines - line : LANES;
    for (size_t k = first; k < end; k++) {
      __m512i low[PARTS], high[PARTS];
      split(line_elements(s, line, count, 2 * k), low);
      split(line_elements(s, line, count, 2 * k + 1), high);
      CK_UNROLLED
      for (int part = 0; part < PARTS; part++) {
        __m512i pair = _mm512_mask_mov_epi16(high[part], 0x55555555, _mm512_srli_epi32(low[part], 16));
        _mm512_storeu_si512(panel + k * PANEL + part * LANES, pair);
      }
    }
  }
}

BF16_TARGET
void ck_pack_columns(const uint16_t *x, size_t stride, size_t lines, size_t inner, uint16_t *panel) {
  uint32_t *pairs = (uint32_t *)panel;
  for (size_t k = 0; k < inner; k += 2, pairs += CK_SPLIT_ROWS) {
    for (size_t line = 0; line < lines; line += LANES) {
      __mmask16 present = bf16_lanes(lines - line);
      const uint16_t *row = x + k * stride + line;
      __m512i pair = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(present, row));
      if (k + 1 < inner) {
        __m512i next = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(present, row + stride));
        pair = _mm512_or_si512(pair, _mm512_slli_epi32(next, 16));
      }
      _mm512_storeu_si512(pairs + line, pair);
    }
  }
}

/* One pair of `lines` lines times one row of a panel. `lines` is a constant where this is inlined. */
BF16_INLINE void add_pairs(__m512 sums[LINES][PARTS], size_t lines, const int32_t pairs[LINES], const uint32_t *panel) {
  __m512bh split[PARTS];
  CK_UNROLLED
  for (int part = 0; part < PARTS; part++) split[part] = (__m512bh)_mm512_loadu_si512(panel + part * LANES);
  CK_UNROLLED
  for (size_t i = 0; i < lines; i++) {
    __m512bh pair = (__m512bh)_mm512_set1_epi32(pairs[i]);
    CK_UNROLLED
    for (int part = 0; part < PARTS; part++) sums[i][part] = _mm512_dpbf16_ps(sums[i][part], pair, split[part]);
  }
}

/* Adds the products of pairs `first` ..< `end` of a few lines, from `line` on, to the lines' totals. */
BF16_INLINE void add_lines(const struct ck_split_factors *p, const uint32_t *panel, size_t line, size_t lines,
                           size_t first, size_t end, float totals[][LANES]) {
  __m512 sums[LINES][PARTS];
  int32_t pairs[LINES];
  CK_UNROLLED
  for (size_t i = 0; i < lines; i++)
    CK_UNROLLED
    for (int part = 0; part < PARTS; part++) sums[i][part] = _mm512_setzero_ps();
  const uint16_t *x = p->x + line * p->line_stride;
  size_t whole = p->is_padded || 2 * end <= p->inner ? end : end - 1;
  for (size_t k = first; k < whole; k++) {
    CK_UNROLLED
    for (size_t i = 0; i < lines; i++)
      __builtin_memcpy(&pairs[i], x + i * p->line_stride + k * p->pair_stride, sizeof pairs[i]);
    add_pairs(sums, lines, pairs, panel + k * PANEL);
  }
  if (whole < end) {
    CK_UNROLLED
    for (size_t i = 0; i < lines; i++) pairs[i] = x[i * p->line_stride + whole * p->pair_stride];
    add_pairs(sums, lines, pairs, panel + whole * PANEL);
  }
  CK_UNROLLED
  for (size_t i = 0; i < lines; i++) {
    __m512 sum = _mm512_add_ps(_mm512_add_ps(sums[i][2], sums[i][1]), sums[i][0]);
    _mm512_storeu_ps(totals[line + i], _mm512_add_ps(_mm512_loadu_ps(totals[line + i]), sum));
  }
}

#define FEW(n)                                                \
  case n:                                                     \
    add_lines(p, panel, line, n, first, end, totals);         \
    break;

BF16_TARGET
static void add_few_lines(const struct ck_split_factors *p, const uint32_t *panel, size_t line, size_t first,
                          size_t end, float totals[][LANES]) {
  switch (p->lines - line) { FEW(1) FEW(2) FEW(3) FEW(4) FEW(5) FEW(6) FEW(7) }
}

/*
 * Writes the totals of up to sixteen split lines, the first of which is `column`, when these lines are rows
 * of c.
 */
BF16_INLINE void store_transposed(const struct ck_split_factors *p, size_t column, size_t count,
                                  float totals[][LANES]) {
  for (size_t line = 0; line < p->lines; line += LANES) {
    __m512i r[LANES];
    CK_UNROLLED
    for (size_t i = 0; i < LANES; i++) r[i] = _mm512_loadu_si512(totals[line + i]);
    bf16_transpose(r);
    CK_UNROLLED
    for (size_t i = 0; i < LANES; i++)
      if (i < count)
        bf16_store(&p->target, (column + i) * p->target.stride + line, bf16_lanes(p->lines - line),
                   _mm512_castsi512_ps(r[i]));
  }
}

BF16_TARGET
void ck_split_product(const struct ck_split_factors *p) {
  size_t pairs = (p->inner + 1) / 2, block = CK_INNER_BLOCK / 2;
  const uint32_t *panel = (const uint32_t *)p->panels;
  for (size_t column = 0; column < p->split_lines; column += LANES, panel += pairs * PANEL) {
    float totals[CK_SPLIT_ROWS][LANES] = {0};
    for (size_t first = 0; first < pairs; first += block) {
      size_t end = pairs - first < block ? pairs : first + block, line = 0;
      for (; line + LINES <= p->lines; line += LINES) add_lines(p, panel, line, LINES, first, end, totals);
      if (line < p->lines) add_few_lines(p, panel, line, first, end, totals);
    }
    size_t count = p->split_lines - column < LANES ? p->split_lines - column : LANES;
    if (p->is_transposed) {
      store_transposed(p, column, count, totals);
    } else {
      for (size_t line = 0; line < p->lines; line++)
        bf16_store(&p->target, line * p->target.stride + column, bf16_lanes(count),
                   _mm512_loadu_ps(totals[line]));
    }
  }
}

BF16_TARGET
void ck_transpose(const float *x, size_t x_stride, size_t rows, size_t columns, float *y, size_t y_stride) {
  for (size_t row = 0; row < rows; row += LANES) {
    for (size_t column = 0; column < columns; column += LANES) {
      __mmask16 inside = bf16_lanes(columns - column), across = bf16_lanes(rows - row);
      __m512i r[LANES];
      CK_UNROLLED
      for (size_t i = 0; i < LANES; i++)
        r[i] = row + i < rows ? _mm512_maskz_loadu_epi32(inside, x + (row + i) * x_stride + column)
                              : _mm512_setzero_si512();
      bf16_transpose(r);
      CK_UNROLLED
      for (size_t i = 0; i < LANES; i++)
        if (column + i < columns) _mm512_mask_storeu_epi32(y + (column + i) * y_stride + row, across, r[i]);
    }
  }
}

/* Updates `rows` rows of c from `row` on, in up to 64 columns. `rows` is a constant where this is inlined. */
BF16_INLINE void update_block(const struct ck_update_factors *p, const ck_product_target *target, size_t row,
                              size_t rows, size_t column) {
  __m512 sums[ROWS][VECTORS];
  __mmask16 lanes[VECTORS];
  CK_UNROLLED
  for (size_t j = 0; j < VECTORS; j++) {
    size_t at = column + j * LANES;
    lanes[j] = bf16_lanes(at < p->columns ? p->columns - at : 0);
    CK_UNROLLED
    for (size_t i = 0; i < rows; i++) sums[i][j] = _mm512_setzero_ps();
  }
  const float *a = p->a + row * p->row_stride, *b = p->b + column;
  for (size_t k = 0; k < p->inner; k++, a += p->inner_stride, b += p->columns) {
    __m512 values[VECTORS];
    CK_UNROLLED
    for (size_t j = 0; j < VECTORS; j++) values[j] = _mm512_maskz_loadu_ps(lanes[j], b + j * LANES);
    CK_UNROLLED
    for (size_t i = 0; i < rows; i++) {
      __m512 factor = _mm512_set1_ps(a[i * p->row_stride]);
      CK_UNROLLED
      for (size_t j = 0; j < VECTORS; j++) sums[i][j] = _mm512_fmadd_ps(factor, values[j], sums[i][j]);
    }
  }
  CK_UNROLLED
  for (size_t i = 0; i < rows; i++)
    CK_UNROLLED
    for (size_t j = 0; j < VECTORS; j++)
      bf16_store(target, (row + i) * target->stride + column + j * LANES, lanes[j], sums[i][j]);
}

BF16_INLINE void update(const struct ck_update_factors *p, int type, int adding) {
  ck_product_target target = p->target;
  target.type = type;
  target.adding = adding;
  size_t row = 0;
  for (; row + ROWS <= p->rows; row += ROWS)
    for (size_t column = 0; column < p->columns; column += VECTORS * LANES)
      update_block(p, &target, row, ROWS, column);
  for (; row < p->rows; row++)
    for (size_t column = 0; column < p->columns; column += VECTORS * LANES)
      update_block(p, &target, row, 1, column);
}

BF16_TARGET
void ck_update_product(const struct ck_update_factors *p) {
  if (p->target.type == CK_BFLOAT16) {
    if (p->target.adding) update(p, CK_BFLOAT16, 1);
    else update(p, CK_BFLOAT16, 0);
  } else {
    if (p->target.adding) update(p, CK_FLOAT32, 1);
    else update(p, CK_FLOAT32, 0);
  }
}

#else

void ck_split_panels(const ck_float_lines *source, size_t first, size_t end, uint16_t *panels) {}
void ck_pack_columns(const uint16_t *x, size_t stride, size_t lines, size_t inner, uint16_t *panel) {}
void ck_split_product(const struct ck_split_factors *product) {}
void ck_transpose(const float *x, size_t x_stride, size_t rows, size_t columns, float *y, size_t y_stride) {}
void ck_update_product(const struct ck_update_factors *product) {}

#endif
