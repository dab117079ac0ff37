#include "ck_dropout.h"
#include "elements.h"

CK_TEMPLATE void drop(int type, const void *restrict x, float probability, uint64_t word, uint64_t first,
                      void *restrict y, size_t count) {
  float kept = 1.0f / (1.0f - probability);
  for (size_t i = 0; i < count; i++) {
    float uniform = (float)(int32_t)(ck_random(word, first + i) >> 40) * 0x1p-24f;
    float value = ck_load(type, x, i) * kept;
    ck_store(type, y, i, uniform < probability ? 0.0f : value);
  }
}

CK_CLONES void ck_dropout(int type, const void *x, float probability, uint64_t word, uint64_t first, void *y,
                          size_t count) {
  CK_BY_TYPE(type, drop, x, probability, word, first, y, count);
}
