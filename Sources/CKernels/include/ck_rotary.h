#pragma once
/* Rotary position embedding. `type` is the element type of every `void` array of a call. */
#include "CKernels.h"

/* cosines and sines of position · frequencies[i] (a float32 product), the sines times `sign`. */
void ck_rotary_angles(float position, const float *frequencies, size_t half, float sign, float *cosines,
                      float *sines);
/* y = each head of x (2 · half elements) with its pairs (i, i + half) rotated. */
void ck_rotary(int type, const void *x, const float *cosines, const float *sines, size_t heads, size_t half,
               void *y);
