#include "vector.h"

CK_CLONES
void ck_add(int type, const void *a, const void *b, void *y, size_t count) {
  if (type == CK_BFLOAT16) {
    const uint16_t *ab = a, *bb = b;
    uint16_t *yb = y;
    for (size_t i = 0; i < count; i++) yb[i] = ck_to_bf16(ck_from_bf16(ab[i]) + ck_from_bf16(bb[i]));
  } else {
    const float *af = a, *bf = b;
    float *yf = y;
    for (size_t i = 0; i < count; i++) yf[i] = af[i] + bf[i];
  }
}

CK_CLONES
void ck_accumulate(int type, const void *restrict x, float *restrict sum, size_t count) {
  const uint16_t *xb = x;
  const float *xf = x;
  if (type == CK_BFLOAT16) {
    for (size_t i = 0; i < count; i++) sum[i] += ck_from_bf16(xb[i]);
  } else {
    for (size_t i = 0; i < count; i++) sum[i] += xf[i];
  }
}

const char *ck_vector_name(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return "AVX-512";
  return __builtin_cpu_supports("x86-64-v3") ? "AVX2" : "SSE2";
#else
  return "NEON";
#endif
}
