#include <math.h>

#include "ck_rmsnorm.h"
#include "elements.h"

CK_TEMPLATE void gain_of(int type, const void *restrict weight, float *restrict gain, size_t count) {
  for (size_t i = 0; i < count; i++) gain[i] = 1.0f + ck_load(type, weight, i);
}

CK_CLONES void ck_rmsnorm_gain(int type, const void *weight, float *gain, size_t count) {
  CK_BY_TYPE(type, gain_of, weight, gain, count);
}

CK_TEMPLATE float sum_of_squares(int type, const void *restrict x, size_t width) {
#pragma clang fp reassociate(on)
  float sum = 0;
  for (size_t i = 0; i < width; i++) {
    float value = ck_load(type, x, i);
    sum += value * value;
  }
  return sum;
}

CK_TEMPLATE void forward_row(int type, const void *restrict x, const float *restrict gain, float rstd, size_t width,
                             void *restrict y) {
  for (size_t i = 0; i < width; i++) ck_store(type, y, i, ck_load(type, x, i) * rstd * gain[i]);
}

CK_TEMPLATE void forward(int type, const void *x, const float *gain, float epsilon, size_t rows, size_t width,
                         void *y, float *rstd) {
  for (size_t row = 0; row < rows; row++) {
    const void *in = ck_at(type, x, row * width);
    rstd[row] = 1.0f / sqrtf(sum_of_squares(type, in, width) / (float)width + epsilon);
    forward_row(type, in, gain, rstd[row], width, (void *)ck_at(type, y, row * width));
  }
}

CK_CLONES void ck_rmsnorm_forward(int type, const void *x, const float *gain, float epsilon, size_t rows,
                                  size_t width, void *y, float *rstd) {
  CK_BY_TYPE(type, forward, x, gain, epsilon, rows, width, y, rstd);
}

/* sum(dy · gain · x) */
CK_TEMPLATE float projection(int type, const void *restrict dy, const void *restrict x, const float *restrict gain,
                             size_t width) {
#pragma clang fp reassociate(on)
  float sum = 0;
  for (size_t i = 0; i < width; i++) sum += ck_load(type, dy, i) * gain[i] * ck_load(type, x, i);
  return sum;
}

/* dx = rstd · (dy · gain - x · c) */
CK_TEMPLATE void backward_row(int type, const void *restrict dy, const void *restrict x, const float *restrict gain,
                              float rstd, float c, size_t width, void *restrict dx) {
  for (size_t i = 0; i < width; i++)
    ck_store(type, dx, i, rstd * (ck_load(type, dy, i) * gain[i] - c * ck_load(type, x, i)));
}

CK_TEMPLATE void backward_weight(int type, const void *restrict dy, const void *restrict x, float rstd, size_t width,
                                 float *restrict dweight) {
  for (size_t i = 0; i < width; i++) dweight[i] += ck_load(type, dy, i) * ck_load(type, x, i) * rstd;
}

CK_TEMPLATE void backward(int type, const void *dy, const void *x, const float *gain, const float *rstd, size_t rows,
                          size_t width, void *dx, float *dweight) {
  for (size_t row = 0; row < rows; row++) {
    const void *dout = ck_at(type, dy, row * width), *in = ck_at(type, x, row * width);
    float c = projection(type, dout, in, gain, width) * rstd[row] * rstd[row] / (float)width;
    backward_row(type, dout, in, gain, rstd[row], c, width, (void *)ck_at(type, dx, row * width));
    if (dweight) backward_weight(type, dout, in, rstd[row], width, dweight);
  }
}

CK_CLONES void ck_rmsnorm_backward(int type, const void *dy, const void *x, const float *gain, const float *rstd,
                                   size_t rows, size_t width, void *dx, float *dweight) {
  CK_BY_TYPE(type, backward, dy, x, gain, rstd, rows, width, dx, dweight);
}
