#include "ck_geglu.h"
#include "elements.h"

#define SQRT_2_OVER_PI 0.79788456080286535588f
#define CUBIC 0.044715f

/*
 * (1 + tanh(u)) / 2 with u = sqrt(2/pi) · (x + CUBIC x³). In the form 1 / (1 + e^-2u), nothing cancels for
 * negative x.
 */
CK_TEMPLATE float gate_share(float x) {
  return 1.0f / (1.0f + ck_exp(-2.0f * SQRT_2_OVER_PI * (x + CUBIC * x * x * x)));
}

CK_TEMPLATE void forward(int type, const void *restrict gate, const void *restrict up, void *restrict y,
                         size_t count) {
  for (size_t i = 0; i < count; i++) {
    float x = ck_load(type, gate, i);
    ck_store(type, y, i, x * gate_share(x) * ck_load(type, up, i));
  }
}

CK_CLONES void ck_geglu_forward(int type, const void *gate, const void *up, void *y, size_t count) {
  CK_BY_TYPE(type, forward, gate, up, y, count);
}

CK_TEMPLATE void backward(int type, const void *restrict dy, const void *restrict gate, const void *restrict up,
                          void *restrict dgate, void *restrict dup, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float x = ck_load(type, gate, i), d = ck_load(type, dy, i);
    float share = gate_share(x);
    float slope = 2.0f * SQRT_2_OVER_PI * (1.0f + 3.0f * CUBIC * x * x) * share * (1.0f - share);
    ck_store(type, dgate, i, d * ck_load(type, up, i) * (share + x * slope));
    ck_store(type, dup, i, d * x * share);
  }
}

CK_CLONES void ck_geglu_backward(int type, const void *dy, const void *gate, const void *up, void *dgate, void *dup,
                                 size_t count) {
  CK_BY_TYPE(type, backward, dy, gate, up, dgate, dup, count);
}
