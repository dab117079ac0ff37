#pragma once
/* What the processor can do, as far as a choice of kernels depends on it. */

/* Bits of `ck_processor_features`. A set holds only what the operating system saves as well. */
enum {
  /* 256-bit vectors. */
  CK_AVX = 1,
  /* 256-bit integers, and fused multiply-add. */
  CK_AVX2 = 2,
  /* 512-bit vectors with all that came with them on servers: F, CD, BW, DQ, VL. */
  CK_AVX512 = 4,
  /* Products of pairs of bfloat16. */
  CK_AVX512_BF16 = 8,
  /* Made by AMD. */
  CK_AMD = 16,
};

/* The features of the processor that this runs on; 0 on others than x86-64. */
int ck_processor_features(void);
