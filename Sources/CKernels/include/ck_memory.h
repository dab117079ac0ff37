#pragma once

#include <stddef.h>

/* Bytes of the largest block that `ck_keep_freed_memory` is about; larger ones go back to the system. */
enum { CK_LARGEST_KEPT = 32 << 20 };

/*
 * Asks the C library to keep freed memory for the next step in place of giving it back to the system at once: its pages
 * would have to be handed out and cleared anew. Does nothing where the C library is not glibc.
 */
void ck_keep_freed_memory(void);

/*
 * `size` bytes at a multiple of `alignment` (a power of 2, at least a pointer's size), not initialised, to be freed with
 * `free`. Where there are none, the handler below is called; the process ends if that returns.
 */
void *ck_allocate(size_t size, size_t alignment);

/* Sets what `ck_allocate` calls, on whichever thread, with the bytes that it could not get. */
void ck_on_exhaustion(void (*handler)(size_t bytes));

/*
 * Memory that is too large for the C library to keep, not initialised, to be freed with `free`: in pages of 2 MiB where the
 * system has them, which are handed out and cleared in a fraction of the time of 512 small ones each. Null when there is
 * none.
 */
void *ck_allocate_large(size_t size);
