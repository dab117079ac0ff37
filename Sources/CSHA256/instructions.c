#include "CSHA256.h"
#include "constants.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

bool csha256_has_instructions(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  // SSSE3 is bit 9, SSE4.1 bit 19. The system need not support them: they use registers that every system
  // saves.
  if (!(c >> 9 & 1) || !(c >> 19 & 1)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))

/// Four words of a block, the first in the lowest lane.
TARGET static inline __m128i message_words(const uint8_t *bytes) {
  const __m128i reversed = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes), reversed);
}

/// Four words of the schedule from the sixteen before them, the earliest in `w0`.
///
/// SHA256MSG1 adds sigma0 of words 1 to 4 to words 0 to 3. Words 9 to 12 are added here. SHA256MSG2 adds
/// sigma1 of words 14 and 15, and of the two new words that it makes on the way.
TARGET static inline __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
  __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
  return _mm_sha256msg2_epu32(sum, w3);
}

// SHA256RNDS2 does two rounds. It takes the state as two registers, with a b e f and c d g h from the highest
// lane down. It returns a b e f after these rounds. The old a b e f are then c d g h. So the registers change
// roles with each call.
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, SHA256RNDS2, SHA256MSG1,
// SHA256MSG2.
TARGET void csha256_update_instructions(uint32_t state[8], const void *blocks, size_t count) {
  __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
  __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
  for (size_t block = 0; block < count; block++) {
    const uint8_t *bytes = (const uint8_t *)blocks + 64 * block;
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i words[4];
    for (int i = 0; i < 4; i++) words[i] = message_words(bytes + 16 * i);
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; group++) {
      const __m128i constants = _mm_loadu_si128((const __m128i *)(round_constants + 4 * group));
      const __m128i inputs = _mm_add_epi32(words[group & 3], constants);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, inputs);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(inputs, 0x0e));
      if (group < 12)
        words[group & 3] = next_words(
            words[group & 3], words[(group + 1) & 3], words[(group + 2) & 3], words[(group + 3) & 3]);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  uint32_t first[4], second[4];
  _mm_storeu_si128((__m128i *)first, abef);
  _mm_storeu_si128((__m128i *)second, cdgh);
  state[0] = first[3], state[1] = first[2], state[4] = first[1], state[5] = first[0];
  state[2] = second[3], state[3] = second[2], state[6] = second[1], state[7] = second[0];
}

#else

bool csha256_has_instructions(void) { return false; }

void csha256_update_instructions(uint32_t state[8], const void *blocks, size_t count) {
  csha256_update_portable(state, blocks, count);
}

#endif
