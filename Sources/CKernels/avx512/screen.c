#include "ck_screen.h"
#include "vector.h"

/*
 * Norms are computed in float32 and enlarged by more than their rounding. Rows whose largest element is
 * outside these limits (and not zero) are not screened: their squares might be lost, or infinite.
 */
static const float NORM_SLACK = 1.001f, SMALLEST = 1e-12f, LARGEST = 1e15f;

/*
 * Codes of one row or vector, and the norms. The sum of the codes is written to `sum`. Returns 0 if it cannot
 * be coded.
 */
CK_TEMPLATE int encode(const uint16_t *x, size_t inner, int8_t *codes, ck_code_row *row, int32_t *sum) {
#pragma clang fp reassociate(on)
  uint32_t largest = 0;
  for (size_t k = 0; k < inner; k++) {
    uint32_t size = x[k] & 0x7FFF;
    largest = size > largest ? size : largest;
  }
  float most = ck_from_bf16((uint16_t)largest);
  if (!(most == 0 || (most >= SMALLEST && most <= LARGEST))) return 0;
  float scale = most / 127.0f, inverse = most == 0 ? 0.0f : 127.0f / most;
  float norm = 0, rest = 0;
  int32_t total = 0;
  for (size_t k = 0; k < inner; k++) {
    float value = ck_from_bf16(x[k]), code = __builtin_roundevenf(value * inverse);
    code = code > 127.0f ? 127.0f : code < -127.0f ? -127.0f : code;
    float left = __builtin_fmaf(-scale, code, value), coded = scale * code;
    norm += coded * coded;
    rest += left * left;
    total += (int32_t)code;
    codes[k] = (int8_t)code;
  }
  *sum = total;
  *row = (ck_code_row){scale, __builtin_sqrtf(norm) * NORM_SLACK, __builtin_sqrtf(rest) * NORM_SLACK};
  return 1;
}

CK_CLONES
int ck_encode_panel(const uint16_t *x, size_t rows, size_t inner, uint8_t *panel, float *scales, float *norms, float *rests) {
  size_t count = ck_code_count(inner);
  int8_t line[count];
  __builtin_memset(line, 0, count);
  for (size_t row = 0; row < CK_CODE_ROWS; row++) {
    int32_t sum;
    ck_code_row r = {0, 0, 0};
    if (row >= rows) __builtin_memset(line, 0, count);
    else if (!encode(x + row * inner, inner, line, &r, &sum)) return 0;
    scales[row] = r.scale;
    norms[row] = r.norm;
    rests[row] = r.rest;
    uint32_t *quads = (uint32_t *)panel + row;
    for (size_t k = 0; k < count; k += 4, quads += CK_CODE_ROWS) {
      uint32_t quad;
      __builtin_memcpy(&quad, line + k, 4);
      *quads = quad ^ 0x80808080;
    }
  }
  return 1;
}

/* Number of vectors in the group that begins when `left` vectors are left. */
CK_TEMPLATE size_t group_size(size_t left) {
  size_t size = CK_QUERY_GROUP;
  while (size > left) size /= 2;
  return size;
}

CK_CLONES
int ck_encode_queries(const uint16_t *x, size_t count, size_t inner, int8_t *codes, ck_query *queries) {
  size_t length = ck_code_count(inner);
  int8_t line[length];
  __builtin_memset(line, 0, length);
  /*
   * A float32 sum of `inner` products is off by less than this share of |w| |x|, in whatever order it is
   * formed. So are the few operations on bounds. Hence the candidates are those of the float32 sums, not of
   * exact arithmetic.
   */
  float rounding = (float)(inner + 16) * 0x1p-23f;
  for (size_t first = 0, size; first < count; first += size) {
    size = group_size(count - first);
    for (size_t i = 0; i < size; i++) {
      int32_t sum;
      const uint16_t *vector = x + (first + i) * inner;
      ck_code_row row;
      if (!encode(vector, inner, line, &row, &sum)) return 0;
      float norm = row.norm + row.rest;
      queries[first + i] = (ck_query){row.scale, row.rest + rounding * norm, norm * (1 + rounding), 128 * sum};
      int8_t *to = codes + first * length + 4 * i;
      for (size_t k = 0; k < length; k += 4, to += 4 * size) __builtin_memcpy(to, line + k, 4);
    }
  }
  return 1;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define VNNI_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma")))
#define VNNI_INLINE static inline __attribute__((always_inline)) VNNI_TARGET

int ck_has_screening(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

/* Rows in whole panels. */
static inline size_t whole_rows(const ck_screen *s) { return (s->rows + CK_CODE_ROWS - 1) / CK_CODE_ROWS * CK_CODE_ROWS; }

/*
 * Bounds of a panel's rows with one vector: writes upper bounds to s->bounds. Returns the larger of `best`
 * and all lower bounds.
 */
VNNI_INLINE float bound(const ck_screen *s, size_t row, size_t query, __m512i sums, float best) {
  const ck_query *q = s->queries + query;
  size_t left = s->rows - row;
  __mmask16 lanes = left >= CK_CODE_ROWS ? 0xFFFF : (__mmask16)((1u << left) - 1);
  __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(s->scales + row), _mm512_set1_ps(q->scale));
  __m512 middle = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_set1_epi32(q->offset))), scale);
  __m512 reach = _mm512_mul_ps(_mm512_loadu_ps(s->norms + row), _mm512_set1_ps(q->norm_factor));
  reach = _mm512_fmadd_ps(_mm512_loadu_ps(s->rests + row), _mm512_set1_ps(q->rest_factor), reach);
  _mm512_storeu_ps(s->bounds + query * whole_rows(s) + row, _mm512_add_ps(middle, reach));
  __m512 least = _mm512_sub_ps(middle, reach);
  if (!_mm512_mask_cmp_ps_mask(lanes, least, _mm512_set1_ps(best), _CMP_GT_OQ)) return best;
  return _mm512_mask_reduce_max_ps(lanes, least);
}

/*
 * Some panels against a group of vectors. Both numbers are constants where this is inlined. An element of a
 * vector is read once for all panels, because the processor multiplies faster than it reads. If there are few
 * sums, several sets of them are formed in turn, which do not wait for each other.
 */
VNNI_INLINE void screen_panels(const ck_screen *s, size_t row, size_t panels, size_t first, size_t size, float *best) {
  const size_t sets = size * panels >= 8 ? 1 : size * panels >= 4 ? 2 : 4;
  size_t length = ck_code_count(s->inner), panel_size = length * CK_CODE_ROWS;
  const uint8_t *panel = s->panels + row * length;
  const int8_t *codes = s->codes + first * length;
  __m512i sums[CK_QUERY_GROUP][2][4];
  CK_UNROLLED
  for (size_t i = 0; i < size; i++)
    CK_UNROLLED
    for (size_t p = 0; p < panels; p++)
      CK_UNROLLED
      for (size_t set = 0; set < sets; set++) sums[i][p][set] = _mm512_setzero_si512();
  for (size_t k = 0; k < length; k += 4 * sets) {
    CK_UNROLLED
    for (size_t set = 0; set < sets; set++) {
      __m512i quads[2];
      CK_UNROLLED
      for (size_t p = 0; p < panels; p++) {
        quads[p] = _mm512_loadu_si512(panel + p * panel_size);
        /* The first group prefetches the next panels, and the second prefetches those after them. */
        const char *next = (const char *)panel + (p + panels) * panel_size;
        if (first == 0) _mm_prefetch(next, _MM_HINT_T0);
        else if (first == CK_QUERY_GROUP) _mm_prefetch(next + panels * panel_size, _MM_HINT_T1);
      }
      panel += 4 * CK_CODE_ROWS;
      CK_UNROLLED
      for (size_t i = 0; i < size; i++, codes += 4) {
        int32_t quad;
        __builtin_memcpy(&quad, codes, 4);
        __m512i all = _mm512_set1_epi32(quad);
        CK_UNROLLED
        for (size_t p = 0; p < panels; p++) sums[i][p][set] = _mm512_dpbusd_epi32(sums[i][p][set], quads[p], all);
      }
    }
  }
  CK_UNROLLED
  for (size_t i = 0; i < size; i++)
    CK_UNROLLED
    for (size_t p = 0; p < panels; p++) {
      __m512i sum = sums[i][p][0];
      CK_UNROLLED
      for (size_t set = 1; set < sets; set++) sum = _mm512_add_epi32(sum, sums[i][p][set]);
      best[first + i] = bound(s, row + p * CK_CODE_ROWS, first + i, sum, best[first + i]);
    }
}

/* Some panels against all vectors. */
VNNI_INLINE void screen_all(const ck_screen *s, size_t row, size_t panels, float *best) {
  for (size_t first = 0, size; first < s->query_count; first += size) {
    size = group_size(s->query_count - first);
    switch (size) {
      case 8: screen_panels(s, row, panels, first, 8, best); break;
      case 4: screen_panels(s, row, panels, first, 4, best); break;
      case 2: screen_panels(s, row, panels, first, 2, best); break;
      default: screen_panels(s, row, panels, first, 1, best); break;
    }
  }
}

/* Raises a shared value to at least `value`.  Returns the larger one. */
static float raised(float *shared, float value) {
  float now;
  __atomic_load(shared, &now, __ATOMIC_RELAXED);
  while (now < value && !__atomic_compare_exchange(shared, &now, &value, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
  return now < value ? value : now;
}

VNNI_TARGET
size_t ck_screen_rows(const ck_screen *s, ck_candidate *found) {
  float best[s->query_count];
  for (size_t i = 0; i < s->query_count; i++) best[i] = -__builtin_inff();
  size_t row = 0;
  for (; row + CK_CODE_ROWS < s->rows; row += 2 * CK_CODE_ROWS) screen_all(s, row, 2, best);
  for (; row < s->rows; row += CK_CODE_ROWS) screen_all(s, row, 1, best);
  size_t count = 0;
  for (size_t query = 0; query < s->query_count; query++) {
    const float *bounds = s->bounds + query * whole_rows(s);
    float least = raised(s->best + query, best[query]);
    for (row = 0; row < s->rows; row += CK_CODE_ROWS) {
      size_t left = s->rows - row;
      __mmask16 lanes = left >= CK_CODE_ROWS ? 0xFFFF : (__mmask16)((1u << left) - 1);
      __m512 most = _mm512_loadu_ps(bounds + row);
      uint32_t at = _mm512_mask_cmp_ps_mask(lanes, most, _mm512_set1_ps(least), _CMP_GE_OQ);
      for (; at; at &= at - 1) {
        size_t candidate = row + (size_t)__builtin_ctz(at);
        found[count++] = (ck_candidate){(int32_t)(s->first_row + candidate), (int32_t)query, bounds[candidate]};
      }
    }
  }
  return count;
}

#else

int ck_has_screening(void) { return 0; }
size_t ck_screen_rows(const ck_screen *screen, ck_candidate *found) { return 0; }

#endif
