#pragma once
/* The features of a processor on which a choice of kernels depends. */

/* Bits of `ck_processor_features`. A bit is set only if the operating system also saves the registers. */
enum {
  /* 256-bit vectors. */
  CK_AVX = 1,
  /* 256-bit integers, and fused multiply-add. */
  CK_AVX2 = 2,
  /* 512-bit vectors with all their extensions on servers: F, CD, BW, DQ, VL. */
  CK_AVX512 = 4,
  /* Products of pairs of bfloat16. */
  CK_AVX512_BF16 = 8,
  /* Made by AMD. */
  CK_AMD = 16,
};

/* The features of this machine's processor; 0 on processors other than x86-64. */
int ck_processor_features(void);
