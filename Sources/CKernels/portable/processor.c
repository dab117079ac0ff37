#include "ck_processor.h"

#if defined(__x86_64__)

int ck_processor_features(void) {
  __builtin_cpu_init();
  int features = 0;
  if (__builtin_cpu_supports("avx")) features |= CK_AVX;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) features |= CK_AVX2;
  if (__builtin_cpu_supports("x86-64-v4")) features |= CK_AVX512;
  if ((features & CK_AVX512) && __builtin_cpu_supports("avx512bf16")) features |= CK_AVX512_BF16;
  if (__builtin_cpu_is("amd")) features |= CK_AMD;
  return features;
}

#else

int ck_processor_features(void) { return 0; }

#endif
