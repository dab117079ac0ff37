#include "bf16.h"

#if defined(__x86_64__)

enum { LANES = 16, GROUP = 16, MOST_LANES = 64, STEP = 32 };

/* Elements k ..< k + 32 of a row. */
BF16_INLINE __m512bh elements(const uint16_t *row, size_t k) { return (__m512bh)_mm512_loadu_si512(row + k); }

/* The last elements of a row, from k on, followed by zeros. */
BF16_INLINE __m512bh last_elements(const uint16_t *row, size_t k, size_t inner) {
  return (__m512bh)_mm512_maskz_loadu_epi16((__mmask32)((1u << (inner - k)) - 1), row + k);
}

/* The lanes of a sum, reduced to four partial sums. */
BF16_INLINE __m128 quarter_sums(__m512 s) {
  __m256 half = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/* The sums of the lanes of four vectors. Each adds half to half, as _mm512_reduce_add_ps does. */
BF16_INLINE __m128 lane_sums(const __m512 s[4]) {
  __m128 a = quarter_sums(s[0]), b = quarter_sums(s[1]), c = quarter_sums(s[2]), d = quarter_sums(s[3]);
  __m128 ab = _mm_unpacklo_ps(a, b), cd = _mm_unpacklo_ps(c, d);
  __m128 ab_high = _mm_unpackhi_ps(a, b), cd_high = _mm_unpackhi_ps(c, d);
  __m128 even = _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movelh_ps(ab_high, cd_high));
  __m128 odd = _mm_add_ps(_mm_movehl_ps(cd, ab), _mm_movehl_ps(cd_high, ab_high));
  return _mm_add_ps(even, odd);
}

/*
 * Dot products of `xs` rows of x with `ws` rows of w along their length. Both numbers are constants where
 * this is inlined. The rows of w lie end to end; the processor prefetches such memory best by itself.
 */
BF16_INLINE void dot_products(const struct ck_thin_pairs *p, size_t x0, size_t xs, size_t w0, size_t ws) {
  __m512 sums[4][4];
  const size_t inner = p->inner;
  const uint16_t *w = p->w + w0 * inner, *x = p->x + x0 * inner;
  CK_UNROLLED
  for (size_t i = 0; i < xs; i++)
    CK_UNROLLED
    for (size_t j = 0; j < ws; j++) sums[i][j] = _mm512_setzero_ps();
  size_t k = 0;
  for (; k + STEP <= inner; k += STEP) {
    __m512bh rows[4];
    CK_UNROLLED
    for (size_t j = 0; j < ws; j++) rows[j] = elements(w + j * inner, k);
    CK_UNROLLED
    for (size_t i = 0; i < xs; i++) {
      __m512bh lane = elements(x + i * inner, k);
      CK_UNROLLED
      for (size_t j = 0; j < ws; j++) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], lane, rows[j]);
    }
  }
  if (k < inner) {
    CK_UNROLLED
    for (size_t i = 0; i < xs; i++) {
      __m512bh lane = last_elements(x + i * inner, k, inner);
      CK_UNROLLED
      for (size_t j = 0; j < ws; j++)
        sums[i][j] = _mm512_dpbf16_ps(sums[i][j], lane, last_elements(w + j * inner, k, inner));
    }
  }
  CK_UNROLLED
  for (size_t i = 0; i < xs; i++) {
    size_t at = (x0 + i) * p->target.stride + w0;
    if (ws == 4) bf16_store4(&p->target, at, lane_sums(sums[i]));
    else bf16_store(&p->target, at, 1, _mm512_set1_ps(_mm512_reduce_add_ps(sums[i][0])));
  }
}

/* Dot products of all rows of x with `ws` rows of w. */
BF16_INLINE void row_dot_products(const struct ck_thin_pairs *p, size_t w, size_t ws) {
  size_t x = 0;
  for (; x + 4 <= p->x_rows; x += 4) dot_products(p, x, 4, w, ws);
  if (p->x_rows - x == 3) dot_products(p, x, 3, w, ws);
  if (p->x_rows - x == 2) dot_products(p, x, 2, w, ws);
  if (p->x_rows - x == 1) dot_products(p, x, 1, w, ws);
}

BF16_INLINE void all_dot_products(const struct ck_thin_pairs *p) {
  size_t w = 0;
  for (; w + 4 <= p->w_rows; w += 4) row_dot_products(p, w, 4);
  for (; w < p->w_rows; w++) row_dot_products(p, w, 1);
}

/* One step of `lane_products`: pair k of each row, of which `bytes` exist, is added to s[..][set ..]. */
BF16_INLINE void lane_step(const char *const quads[4], ptrdiff_t stride, ptrdiff_t three, size_t offset, size_t bytes,
                           size_t ws, size_t vectors, const uint32_t *x, size_t set, __m512 s[GROUP][4]) {
  __m512bh lanes[4];
  CK_UNROLLED
  for (size_t v = 0; v < vectors; v++) lanes[v] = (__m512bh)_mm512_loadu_si512(x + v * LANES);
  CK_UNROLLED
  for (size_t j = 0; j < ws; j++) {
    const char *at = quads[j / 4] + offset + (j % 4 == 3 ? three : (ptrdiff_t)(j % 4) * stride);
    uint32_t pair = 0;
    __builtin_memcpy(&pair, at, bytes);
    __m512bh both = (__m512bh)_mm512_set1_epi32((int)pair);
    CK_UNROLLED
    for (size_t v = 0; v < vectors; v++) s[j][set + v] = _mm512_dpbf16_ps(s[j][set + v], both, lanes[v]);
  }
}

/*
 * sums[ws][16 · vectors] of `ws` rows of w with the lanes of x, from element `from` on; added to sums unless
 * from is 0.
 *
 * For each byte that is read here, a byte of the next group's rows is prefetched. With one vector, pairs are
 * summed in two sets in turn, because eight sums alone would wait for the latency of the product.
 */
BF16_INLINE void lane_products(const struct ck_thin_pairs *p, const uint16_t *w, size_t ws, size_t vectors, size_t from,
                               size_t count, float *sums) {
  const uint32_t *x = (const uint32_t *)p->x + from / 2 * vectors * LANES;
  const size_t sets = vectors == 1 ? 2 : 1;
  ptrdiff_t stride = (ptrdiff_t)p->inner * 2, three = 3 * stride;
  const char *quads[4], *next = (const char *)(w + GROUP * p->inner + ws * from);
  CK_UNROLLED
  for (size_t j = 0; j < ws; j += 4) quads[j / 4] = (const char *)(w + j * p->inner + from);
  __m512 s[GROUP][4];
  CK_UNROLLED
  for (size_t j = 0; j < ws; j++)
    CK_UNROLLED
    for (size_t v = 0; v < vectors * sets; v++) s[j][v] = _mm512_setzero_ps();
  size_t k = 0;
  for (; k + sets <= count / 2; k += sets) {
    CK_UNROLLED
    for (size_t set = 0; set < sets; set++) {
      lane_step(quads, stride, three, 4 * set, 4, ws, vectors, x, set, s);
      x += vectors * LANES;
    }
    CK_UNROLLED
    for (size_t j = 0; j < ws; j += 4) quads[j / 4] += 4 * sets;
    _mm_prefetch(next, _MM_HINT_T0);
    next += 4 * sets * ws;
  }
  if (k < count / 2) {
    lane_step(quads, stride, three, 0, 4, ws, vectors, x, 0, s);
    x += vectors * LANES;
    CK_UNROLLED
    for (size_t j = 0; j < ws; j += 4) quads[j / 4] += 4;
  }
  if (count % 2) lane_step(quads, stride, three, 0, 2, ws, vectors, x, 0, s);
  CK_UNROLLED
  for (size_t j = 0; j < ws; j++)
    CK_UNROLLED
    for (size_t v = 0; v < vectors; v++) {
      float *to = sums + j * MOST_LANES + v * LANES;
      __m512 sum = sets == 2 ? _mm512_add_ps(s[j][v], s[j][v + 1]) : s[j][v];
      _mm512_storeu_ps(to, from ? _mm512_add_ps(_mm512_loadu_ps(to), sum) : sum);
    }
}

/* Writes sums[GROUP][lanes] of w's rows from `w0` on, as columns of c. */
BF16_INLINE void store_columns(const struct ck_thin_pairs *p, const float *sums, size_t w0, size_t count) {
  __mmask16 columns = bf16_lanes(count);
  for (size_t x = 0; x < p->x_rows; x += LANES) {
    __m512i r[LANES];
    CK_UNROLLED
    for (size_t j = 0; j < GROUP; j++) r[j] = _mm512_loadu_si512(sums + j * MOST_LANES + x);
    bf16_transpose(r);
    CK_UNROLLED
    for (size_t i = 0; i < LANES; i++)
      if (x + i < p->x_rows)
        bf16_store(&p->target, (x + i) * p->target.stride + w0, columns, _mm512_castsi512_ps(r[i]));
  }
}

/* Products of groups of sixteen rows of w, `ws` at a time. */
BF16_INLINE void all_lane_products(const struct ck_thin_pairs *p, size_t vectors, size_t ws) {
  float sums[GROUP * MOST_LANES] __attribute__((aligned(64))) = {0};
  for (size_t w = 0; w < p->w_rows; w += GROUP) {
    size_t count = p->w_rows - w < GROUP ? p->w_rows - w : GROUP;
    const uint16_t *rows = p->w + w * p->inner;
    for (size_t k = 0; k < p->inner; k += CK_INNER_BLOCK) {
      size_t part = p->inner - k < CK_INNER_BLOCK ? p->inner - k : CK_INNER_BLOCK, j = 0;
      for (; j + ws <= count; j += ws)
        lane_products(p, rows + j * p->inner, ws, vectors, k, part, sums + j * MOST_LANES);
      for (; j < count; j++)
        lane_products(p, rows + j * p->inner, 1, vectors, k, part, sums + j * MOST_LANES);
    }
    store_columns(p, sums, w, count);
  }
}

BF16_TARGET
void ck_thin_pair_product(const struct ck_thin_pairs *p) {
  switch (ck_thin_lanes(p->x_rows) / LANES) {
    case 0: all_dot_products(p); break;
    case 1: all_lane_products(p, 1, 8); break;
    case 2: all_lane_products(p, 2, 8); break;
    case 3: all_lane_products(p, 3, 8); break;
    default: all_lane_products(p, 4, 4); break;
  }
}

#else

void ck_thin_pair_product(const struct ck_thin_pairs *product) {}

#endif
