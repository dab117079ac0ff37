#pragma once
/*
 * Loops over elements of either type are written once, as a CK_TEMPLATE with the type as a parameter.
 * CK_BY_TYPE calls it with a constant, so that the compiler makes one loop for each type.
 */
#include "vector.h"

#define CK_BY_TYPE(type, function, ...)                                                                              \
  do {                                                                                                               \
    if ((type) == CK_BFLOAT16) function(CK_BFLOAT16, __VA_ARGS__);                                                   \
    else function(CK_FLOAT32, __VA_ARGS__);                                                                          \
  } while (0)

/* Element i, widened. */
CK_TEMPLATE float ck_load(int type, const void *elements, size_t i) {
  return type == CK_BFLOAT16 ? ck_from_bf16(((const uint16_t *)elements)[i]) : ((const float *)elements)[i];
}

/* Element i = value, rounded. */
CK_TEMPLATE void ck_store(int type, void *elements, size_t i, float value) {
  if (type == CK_BFLOAT16) ((uint16_t *)elements)[i] = ck_to_bf16(value);
  else ((float *)elements)[i] = value;
}

/* Address of element i. */
CK_TEMPLATE const void *ck_at(int type, const void *elements, size_t i) {
  return (const char *)elements + i * (type == CK_BFLOAT16 ? 2 : 4);
}
