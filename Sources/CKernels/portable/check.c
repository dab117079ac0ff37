#include "ck_check.h"
#include "vector.h"

/* Runs have no early exit, so that they vectorise. A run with a find is searched again. */
#define FIND(TYPE, EXPONENT)                                                                   \
  const TYPE *bits = x;                                                                        \
  for (size_t start = 0; start < count; start += RUN) {                                        \
    size_t end = start + RUN < count ? start + RUN : count;                                    \
    TYPE found = 0;                                                                            \
    for (size_t i = start; i < end; i++) found |= (TYPE)((bits[i] & EXPONENT) == EXPONENT);     \
    if (!found) continue;                                                                      \
    for (size_t i = start; i < end; i++) {                                                     \
      if ((bits[i] & EXPONENT) == EXPONENT) return i;                                          \
    }                                                                                          \
  }                                                                                            \
  return count;

enum { RUN = 1024 };

CK_CLONES
size_t ck_first_non_finite(const void *x, int type, size_t count) {
  if (type == CK_BFLOAT16) {
    FIND(uint16_t, 0x7F80)
  } else {
    FIND(uint32_t, 0x7F800000)
  }
}
