#include "ck_embedding.h"
#include "elements.h"

CK_TEMPLATE void scale_add(int type, const void *restrict x, float scale, float *restrict sum, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += scale * ck_load(type, x, i);
}

CK_CLONES void ck_scale_add(int type, const void *x, float scale, float *sum, size_t count) {
  CK_BY_TYPE(type, scale_add, x, scale, sum, count);
}
