#pragma once

#include <stddef.h>

/* Bytes of the largest block that `ck_keep_freed_memory` keeps. Larger blocks go back to the system. */
enum { CK_LARGEST_KEPT = 32 << 20 };

/*
 * Asks the C library to keep freed memory for the next step, and not to give it back to the system at once.
 * Otherwise the system would have to hand out and clear its pages anew. Does nothing if the C library is not
 * glibc.
 */
void ck_keep_freed_memory(void);

/*
 * `size` bytes at a multiple of `alignment` (a power of 2, at least the size of a pointer), not initialised.
 * Free them with `free`. Without memory, the handler below is called; the process ends if the handler
 * returns.
 */
void *ck_allocate(size_t size, size_t alignment);

/*
 * Sets the handler of `ck_allocate`. It may be called on any thread, with the bytes that could not be
 * allocated.
 */
void ck_on_exhaustion(void (*handler)(size_t bytes));

/*
 * Memory that is too large for the C library to keep, not initialised. Free it with `free`. Null without
 * memory.
 *
 * It has pages of 2 MiB if the system has such pages. They are handed out and cleared in a fraction of the
 * time that 512 small pages take.
 */
void *ck_allocate_large(size_t size);
