#include "CSHA256.h"
#include "constants.h"

static inline uint32_t rotated(uint32_t x, int count) { return x >> count | x << (32 - count); }

static inline uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/// The message schedule of one block.
static void expand(const uint8_t *block, uint32_t words[64]) {
  for (int i = 0; i < 16; i++) words[i] = big_endian(block + 4 * i);
  for (int i = 16; i < 64; i++) {
    uint32_t low = words[i - 15], high = words[i - 2];
    uint32_t sum0 = rotated(low, 7) ^ rotated(low, 18) ^ low >> 3;
    uint32_t sum1 = rotated(high, 17) ^ rotated(high, 19) ^ high >> 10;
    words[i] = words[i - 16] + sum0 + words[i - 7] + sum1;
  }
}

/// The 64 rounds of one block.
static void compress(uint32_t state[8], const uint32_t words[64]) {
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    uint32_t sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    uint32_t first = h + sum1 + ((e & f) ^ (~e & g)) + round_constants[i] + words[i];
    uint32_t sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    uint32_t second = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first;
    d = c, c = b, b = a, a = first + second;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void csha256_update_portable(uint32_t state[8], const void *blocks, size_t count) {
  uint32_t words[64];
  for (size_t block = 0; block < count; block++) {
    expand((const uint8_t *)blocks + 64 * block, words);
    compress(state, words);
  }
}
