#pragma once
/* Parts that the files with AVX512_BF16 products share. */
#include "vector.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BF16_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#define BF16_INLINE static inline __attribute__((always_inline)) BF16_TARGET

/* Writes scale · sum to the elements of c in `lanes`, or adds it to them. */
BF16_INLINE void bf16_store(const ck_product_target *target, size_t at, __mmask16 lanes, __m512 sum) {
  sum = _mm512_mul_ps(sum, _mm512_set1_ps(target->scale));
  if (target->type == CK_BFLOAT16) {
    uint16_t *c = (uint16_t *)target->c + at;
    if (target->adding) {
      __m512i before = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, c));
      sum = _mm512_add_ps(_mm512_castsi512_ps(_mm512_slli_epi32(before, 16)), sum);
    }
    /* A masked store of 16-bit elements takes many times as long as a plain one. */
    if (lanes == 0xFFFF) _mm256_storeu_si256((__m256i *)c, (__m256i)_mm512_cvtneps_pbh(sum));
    else _mm256_mask_storeu_epi16(c, lanes, (__m256i)_mm512_cvtneps_pbh(sum));
  } else {
    float *c = (float *)target->c + at;
    if (target->adding) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, c), sum);
    _mm512_mask_storeu_ps(c, lanes, sum);
  }
}

/* Writes or adds four elements, as `bf16_store` does sixteen. */
BF16_INLINE void bf16_store4(const ck_product_target *target, size_t at, __m128 sum) {
  sum = _mm_mul_ps(sum, _mm_set1_ps(target->scale));
  if (target->type == CK_BFLOAT16) {
    uint16_t *c = (uint16_t *)target->c + at;
    if (target->adding) {
      __m128i before = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)c));
      sum = _mm_add_ps(_mm_castsi128_ps(_mm_slli_epi32(before, 16)), sum);
    }
    _mm_storel_epi64((__m128i *)c, (__m128i)_mm_cvtneps_pbh(sum));
  } else {
    float *c = (float *)target->c + at;
    if (target->adding) sum = _mm_add_ps(_mm_loadu_ps(c), sum);
    _mm_storeu_ps(c, sum);
  }
}

/* The first `count` of sixteen lanes. */
BF16_INLINE __mmask16 bf16_lanes(size_t count) { return count >= 16 ? 0xFFFF : (__mmask16)((1u << count) - 1); }

/* e^x as ck_exp computes it, lane by lane; 0 below -104, NaN for NaN. */
BF16_INLINE __m512 bf16_exp(__m512 x) {
  const __m512 shift = _mm512_set1_ps(0x1.8p23f);
  x = _mm512_max_ps(_mm512_set1_ps(-104.0f), x);
  x = _mm512_min_ps(_mm512_set1_ps(89.0f), x);
  __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(0x1.715476p0f), shift), shift);
  __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.62e400p-1f), x);
  r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.7f7d1cp-20f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
  p = _mm512_add_ps(_mm512_fmadd_ps(_mm512_mul_ps(p, r), r, r), _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

/* Transposes 16 x 16 elements of 32 bits. */
BF16_INLINE void bf16_transpose(__m512i r[16]) {
  __m512i t[16];
  CK_UNROLLED
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  CK_UNROLLED
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  CK_UNROLLED
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
  CK_UNROLLED
  for (int i = 0; i < 8; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
  }
}
#endif
