#pragma once
/*
 * Parts that the vector loops of this folder share: dispatch, bfloat16, and functions written so that loops
 * over them vectorise. Sums with `#pragma clang fp reassociate(on)` depend on the vector length, hence on the
 * processor, but never on the thread or the number of threads.
 */
#include "CKernels.h"

/*
 * Before a function: it is compiled once for each kind of x86 processor, and one version is chosen when the
 * program is loaded. On other processors one version is enough (every 64-bit ARM has the same vectors).
 */
#if defined(__x86_64__) && defined(__linux__)
#define CK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_CLONES
#endif

/* Before a function that is a template: calls with constants make a loop of its own for each. */
#define CK_TEMPLATE static inline __attribute__((always_inline))
/* Before a loop over a constant number of steps. */
#define CK_UNROLLED _Pragma("clang loop unroll(full)")

/* The bits of a float, and back. */
static inline uint32_t ck_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}
static inline float ck_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

/* The value of the bits of a bfloat16. */
static inline float ck_from_bf16(uint16_t bits) { return ck_float((uint32_t)bits << 16); }

/* Bits of the nearest bfloat16, ties to even; NaN stays NaN. */
static inline uint16_t ck_to_bf16(float value) {
  uint32_t bits = ck_bits(value);
  uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  uint32_t quiet = (bits >> 16) | 0x40;
  return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

/*
 * e^x, within 1.2 units in the last place; 0 below -104, infinity above 88.73, NaN for NaN.
 * Source: Cephes expf.c (Moshier), with 2^n applied in two halves so that subnormal results are right.
 */
static inline float ck_exp(float x) {
#pragma clang fp reassociate(off)
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shift = 0x1.8p23f;
  float shifted = __builtin_fmaf(x, 0x1.715476p0f, shift);
  float n = shifted - shift;
  float r = __builtin_fmaf(n, -0x1.62e400p-1f, x);
  r = __builtin_fmaf(n, -0x1.7f7d1cp-20f, r);
  float p = 1.9875691500e-4f;
  p = __builtin_fmaf(p, r, 1.3981999507e-3f);
  p = __builtin_fmaf(p, r, 8.3334519073e-3f);
  p = __builtin_fmaf(p, r, 4.1665795894e-2f);
  p = __builtin_fmaf(p, r, 1.6666665459e-1f);
  p = __builtin_fmaf(p, r, 5.0000001201e-1f);
  p = __builtin_fmaf(p * r, r, r) + 1.0f;
  int32_t power = (int32_t)(ck_bits(shifted) - ck_bits(shift));
  int32_t half = power >> 1;
  return p * ck_float((uint32_t)(half + 127) << 23) * ck_float((uint32_t)(power - half + 127) << 23);
}

/* tanh(x), within 2 units in the last place. Source: Cephes tanhf.c. */
static inline float ck_tanh(float x) {
#pragma clang fp reassociate(off)
  float a = __builtin_fabsf(x);
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = __builtin_fmaf(p, z, 2.06390887954e-2f);
  p = __builtin_fmaf(p, z, -5.37397155531e-2f);
  p = __builtin_fmaf(p, z, 1.33314422036e-1f);
  p = __builtin_fmaf(p, z, -3.33332819422e-1f);
  float near = __builtin_fmaf(p * z, x, x);
  float far = __builtin_copysignf(1.0f - 2.0f / (ck_exp(2.0f * a) + 1.0f), x);
  return a < 0.625f ? near : far;
}

/*
 * 64 random bits: SplitMix64's finaliser at word + index · golden ratio, like RandomKey.bits(at:) in
 * Random.swift.
 */
static inline uint64_t ck_random(uint64_t word, uint64_t index) {
  uint64_t z = word + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
