#include "ck_operations.h"
#include "elements.h"

/* SplitMix64's finaliser at word + index · golden ratio, as in Random.swift. */
CK_TEMPLATE uint64_t random_bits(uint64_t word, uint64_t index) {
    uint64_t z = word + (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t ck_random(uint64_t word, uint64_t index) { return random_bits(word, index); }

CK_TEMPLATE void drop(int type, const void *restrict x, float probability, uint64_t word, uint64_t first,
                      void *restrict y, size_t count) {
    float kept = 1.0f / (1.0f - probability);
    for (size_t i = 0; i < count; i++) {
        float uniform = (float)(int32_t)(random_bits(word, first + i) >> 40) * 0x1p-24f;
        float value = ck_load(type, x, i) * kept;
        ck_store(type, y, i, uniform < probability ? 0.0f : value);
    }
}

CK_CLONES void ck_dropout(int type, const void *x, float probability, uint64_t word, uint64_t first, void *y,
                          size_t count) {
    CK_BY_TYPE(type, drop, x, probability, word, first, y, count);
}
