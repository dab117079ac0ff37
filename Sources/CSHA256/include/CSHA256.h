#ifndef CSHA256_H
#define CSHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The compression function of SHA-256. Source: FIPS 180-4, sections 4.1.2, 4.2.2 and 6.2.
//
// `state` holds the eight words a to h; `blocks` are `count` blocks of 64 bytes, at any address.

/// Updates the state with blocks, on any processor.
void csha256_update_portable(uint32_t state[8], const void *blocks, size_t count);

/// Updates the state with blocks by the processor's SHA instructions. The processor must have them.
void csha256_update_instructions(uint32_t state[8], const void *blocks, size_t count);

/// Whether the processor has the SHA instructions that are used here.
bool csha256_has_instructions(void);

#endif
