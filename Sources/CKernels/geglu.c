#include "ck_operations.h"
#include "elements.h"

#define SQRT_2_OVER_PI 0.79788456080286535588f
#define CUBIC 0.044715f

CK_TEMPLATE void forward(int type, const void *restrict gate, const void *restrict up, void *restrict y,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        float x = ck_load(type, gate, i);
        float t = ck_tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        ck_store(type, y, i, 0.5f * x * (1.0f + t) * ck_load(type, up, i));
    }
}

CK_CLONES void ck_geglu_forward(int type, const void *gate, const void *up, void *y, size_t count) {
    CK_BY_TYPE(type, forward, gate, up, y, count);
}

CK_TEMPLATE void backward(int type, const void *restrict dy, const void *restrict gate, const void *restrict up,
                          void *restrict dgate, void *restrict dup, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float x = ck_load(type, gate, i), d = ck_load(type, dy, i);
        float t = ck_tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        float cdf = 0.5f * (1.0f + t);
        float slope = 0.5f * SQRT_2_OVER_PI * (1.0f + 3.0f * CUBIC * x * x) * (1.0f - t * t);
        ck_store(type, dgate, i, d * ck_load(type, up, i) * (cdf + x * slope));
        ck_store(type, dup, i, d * x * cdf);
    }
}

CK_CLONES void ck_geglu_backward(int type, const void *dy, const void *gate, const void *up, void *dgate, void *dup,
                                 size_t count) {
    CK_BY_TYPE(type, backward, dy, gate, up, dgate, dup, count);
}
