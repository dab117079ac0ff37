#include "bf16.h"

#if defined(__x86_64__)

int ck_has_bfloat16_products(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bf16");
}

/* BLOCK: elements of the inner index that are packed for all columns before the next ones. */
enum { LEFT = CK_LEFT_LINES, RIGHT = CK_RIGHT_LINES, LANES = 16, BLOCK = 32 };

/* Number of lines among the sixteen from `lane` on, in the panel that begins with line `first`. */
BF16_INLINE size_t present_lines(const ck_bf16_lines *s, size_t width, size_t first, size_t lane) {
  size_t count = first + lane < s->lines ? s->lines - first - lane : 0, most = width - lane;
  if (most > LANES) most = LANES;
  return count < most ? count : most;
}

/* Packs up to sixteen lines that are rows of x into lanes of a panel of `width` lines. */
BF16_INLINE void pack_rows(const uint16_t *x, size_t stride, size_t lines, size_t inner, size_t width, __mmask16 lanes,
                           uint32_t *panel) {
  for (size_t k = 0; k < inner; k += 2 * LANES) {
    size_t left = inner - k;
    __mmask32 elements = left >= 2 * LANES ? 0xFFFFFFFF : (__mmask32)((1u << left) - 1);
    __m512i r[LANES];
    CK_UNROLLED
    for (size_t i = 0; i < LANES; i++)
      r[i] = i < lines ? _mm512_maskz_loadu_epi16(elements, x + i * stride + k) : _mm512_setzero_si512();
    CK_UNROLLED
    for (size_t i = 0; i < LANES; i++) _mm_prefetch((const char *)(x + (LANES + i) * stride + k), _MM_HINT_T0);
    bf16_transpose(r);
    size_t pairs = left >= 2 * LANES ? LANES : (left + 1) / 2;
    CK_UNROLLED
    for (size_t i = 0; i < LANES; i++)
      if (i < pairs) _mm512_mask_storeu_epi32(panel + (k / 2 + i) * width, lanes, r[i]);
  }
}

/* Packs up to sixteen lines that are columns of x. */
BF16_INLINE void pack_columns(const uint16_t *x, size_t stride, size_t lines, size_t inner, size_t width,
                              __mmask16 lanes, uint32_t *panel) {
  __mmask16 present = bf16_lanes(lines);
  for (size_t k = 0; k < inner; k += 2, panel += width) {
    __m512i pair = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(present, x + k * stride));
    _mm_prefetch((const char *)(x + (k + BLOCK) * stride), _MM_HINT_T0);
    if (k + 1 < inner) {
      __m512i next = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(present, x + (k + 1) * stride));
      _mm_prefetch((const char *)(x + (k + 1 + BLOCK) * stride), _MM_HINT_T0);
      pair = _mm512_or_si512(pair, _mm512_slli_epi32(next, 16));
    }
    _mm512_mask_storeu_epi32(panel, lanes, pair);
  }
}

/* Packs panel after panel, from lines that lie one after another. */
BF16_INLINE void pack_all_rows(const ck_bf16_lines *s, size_t width, uint32_t *panel) {
  for (size_t first = 0; first < s->lines; first += width, panel += width * ((s->inner + 1) / 2)) {
    for (size_t lane = 0; lane < width; lane += LANES)
      pack_rows(s->x + (first + lane) * s->line_stride, s->line_stride,
                present_lines(s, width, first, lane), s->inner, width, bf16_lanes(width - lane), panel + lane);
  }
}

/*
 * Packs some elements of all lines at a time, from lines that lie side by side. It reads memory in its own
 * order.
 */
BF16_INLINE void pack_all_columns(const ck_bf16_lines *s, size_t width, uint32_t *panels) {
  for (size_t k = 0; k < s->inner; k += BLOCK) {
    size_t count = s->inner - k < BLOCK ? s->inner - k : BLOCK;
    uint32_t *panel = panels + k / 2 * width;
    for (size_t first = 0; first < s->lines; first += width, panel += width * ((s->inner + 1) / 2)) {
      for (size_t lane = 0; lane < width; lane += LANES)
        pack_columns(s->x + first + lane + k * s->inner_stride, s->inner_stride,
                     present_lines(s, width, first, lane), count, width, bf16_lanes(width - lane), panel + lane);
    }
  }
}

BF16_TARGET
void ck_pack_panels(const ck_bf16_lines *s, size_t width, uint16_t *panels) {
  if (s->inner_stride == 1) pack_all_rows(s, width, (uint32_t *)panels);
  else pack_all_columns(s, width, (uint32_t *)panels);
}

/* One step of a sum over blocks: the sum of the blocks before (or null), and where the new sum is written. */
struct step {
  const float *before;
  size_t before_stride;
  ck_product_target target;
};

/* Prefetches the elements of c that a panel's product will be added to, while the product is computed. */
BF16_INLINE void fetch_target(const ck_product_target *target, size_t rows, size_t row, size_t column) {
  size_t size = target->type == CK_BFLOAT16 ? 2 : 4;
  const char *c = (const char *)target->c + (row * target->stride + column) * size;
  CK_UNROLLED
  for (size_t i = 0; i < rows; i++, c += target->stride * size) {
    __builtin_prefetch(c, 1, 3);
    __builtin_prefetch(c + RIGHT * size - 1, 1, 3);
  }
}

/* `rows` lines of a left panel times one right panel. `rows` is a constant where this is inlined. */
BF16_INLINE void panel_product(const uint32_t *left, size_t rows, const uint32_t *right, size_t columns, size_t pairs,
                               const struct step *step, size_t row, size_t column) {
  __m512 sums[LEFT][2];
  CK_UNROLLED
  for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
  if (step->target.adding) fetch_target(&step->target, rows, row, column);
  for (size_t k = 0; k < pairs; k++, left += LEFT, right += RIGHT) {
    __m512bh right0 = (__m512bh)_mm512_loadu_si512(right), right1 = (__m512bh)_mm512_loadu_si512(right + LANES);
    CK_UNROLLED
    for (size_t i = 0; i < rows; i++) {
      __m512bh pair = (__m512bh)_mm512_set1_epi32((int)left[i]);
      sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, right0);
      sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, right1);
    }
  }
  if (step->before) {
    const float *before = step->before + row * step->before_stride + column;
    CK_UNROLLED
    for (size_t i = 0; i < rows; i++) {
      sums[i][0] = _mm512_add_ps(_mm512_loadu_ps(before + i * step->before_stride), sums[i][0]);
      sums[i][1] = _mm512_add_ps(_mm512_loadu_ps(before + i * step->before_stride + LANES), sums[i][1]);
    }
  }
  __mmask16 lanes0 = bf16_lanes(columns), lanes1 = bf16_lanes(columns > LANES ? columns - LANES : 0);
  CK_UNROLLED
  for (size_t i = 0; i < rows; i++) {
    size_t at = (row + i) * step->target.stride + column;
    bf16_store(&step->target, at, lanes0, sums[i][0]);
    bf16_store(&step->target, at + LANES, lanes1, sums[i][1]);
  }
}

#define ROWS(n)                                                              \
  case n:                                                                    \
    panel_product(left, n, right, columns, pairs, step, row, column);        \
    break;

BF16_TARGET
static void few_rows(const uint32_t *left, size_t rows, const uint32_t *right, size_t columns, size_t pairs,
                     const struct step *step, size_t row, size_t column) {
  switch (rows) {
    ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13)
  }
}

size_t ck_sums_size(size_t rows, size_t columns, size_t inner) {
  return inner <= CK_INNER_BLOCK ? 0 : rows * ((columns + RIGHT - 1) / RIGHT * RIGHT);
}

BF16_TARGET
void ck_multiply_panels(const uint16_t *left, size_t rows, const uint16_t *right, size_t columns, size_t inner,
                        float *sums, ck_product_target target) {
  size_t pairs = (inner + 1) / 2, block = CK_INNER_BLOCK / 2, wide = (columns + RIGHT - 1) / RIGHT * RIGHT;
  size_t k = 0;
  do {
    size_t count = pairs - k < block ? pairs - k : block;
    struct step step = {k > 0 ? sums : NULL, wide, target};
    int is_last = k + count == pairs;
    if (!is_last) step.target = (ck_product_target){sums, wide, CK_FLOAT32, 0, 1};
    for (size_t column = 0; column < columns; column += RIGHT) {
      const uint32_t *r = (const uint32_t *)right + column * pairs + k * RIGHT;
      size_t width = columns - column < RIGHT ? columns - column : RIGHT;
      if (!is_last) width = RIGHT;
      for (size_t row = 0; row < rows; row += LEFT) {
        const uint32_t *l = (const uint32_t *)left + row * pairs + k * LEFT;
        if (rows - row >= LEFT) {
          panel_product(l, LEFT, r, width, count, &step, row, column);
        } else {
          few_rows(l, rows - row, r, width, count, &step, row, column);
        }
      }
    }
    k += count;
  } while (k < pairs);
}

#else

int ck_has_bfloat16_products(void) { return 0; }
void ck_pack_panels(const ck_bf16_lines *source, size_t width, uint16_t *panels) {}
size_t ck_sums_size(size_t rows, size_t columns, size_t inner) { return 0; }
void ck_multiply_panels(const uint16_t *left, size_t rows, const uint16_t *right, size_t columns, size_t inner,
                        float *sums, ck_product_target target) {}

#endif
