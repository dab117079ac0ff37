#include "ck_rotary.h"
#include "elements.h"

/*
 * Angles reach the length of the context, so the multiple of pi/2 is subtracted in double precision. The
 * rest, within pi/4, enters Cephes' sinf and cosf polynomials (2 units in the last place).
 */
CK_CLONES void ck_rotary_angles(float position, const float *restrict frequencies, size_t half, float sign,
                                float *restrict cosines, float *restrict sines) {
  const double shift = 0x1.8p52;
  for (size_t i = 0; i < half; i++) {
    float angle = position * frequencies[i];
    double shifted = (double)angle * 0.63661977236758134308 + shift;
    double n = shifted - shift;
    float r = (float)((double)angle - n * 1.57079632679489661923);
    uint64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    uint32_t quadrant = (uint32_t)bits;
    float z = r * r;
    float sine = __builtin_fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    sine = __builtin_fmaf(sine, z, -1.6666654611e-1f);
    sine = __builtin_fmaf(sine * z, r, r);
    float cosine = __builtin_fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    cosine = __builtin_fmaf(cosine, z, 4.166664568298827e-2f);
    cosine = __builtin_fmaf(cosine, z * z, __builtin_fmaf(-0.5f, z, 1.0f));
    uint32_t odd = 0u - (quadrant & 1);
    uint32_t s = (ck_bits(cosine) & odd) | (ck_bits(sine) & ~odd);
    uint32_t c = (ck_bits(sine) & odd) | (ck_bits(cosine) & ~odd);
    sines[i] = sign * ck_float(s ^ ((quadrant & 2) << 30));
    cosines[i] = ck_float(c ^ (((quadrant + 1) & 2) << 30));
  }
}

CK_TEMPLATE void rotate(int type, const void *restrict x, const float *restrict cosines, const float *restrict sines,
                        size_t half, void *restrict y) {
  for (size_t i = 0; i < half; i++) {
    float a = ck_load(type, x, i), b = ck_load(type, x, half + i);
    ck_store(type, y, i, a * cosines[i] - b * sines[i]);
    ck_store(type, y, half + i, b * cosines[i] + a * sines[i]);
  }
}

CK_TEMPLATE void rotate_heads(int type, const void *x, const float *cosines, const float *sines, size_t heads,
                              size_t half, void *y) {
  for (size_t head = 0; head < heads; head++) {
    size_t start = head * 2 * half;
    rotate(type, ck_at(type, x, start), cosines, sines, half, (void *)ck_at(type, y, start));
  }
}

CK_CLONES void ck_rotary(int type, const void *x, const float *cosines, const float *sines, size_t heads, size_t half,
                         void *y) {
  CK_BY_TYPE(type, rotate_heads, x, cosines, sines, heads, half, y);
}
