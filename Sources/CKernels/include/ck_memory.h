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
 * Memory that is too large for the C library to keep, not initialised, to be freed with `free`: in pages of 2 MiB where the
 * system has them, which are handed out and cleared in a fraction of the time of 512 small ones each. Null when there is
 * none.
 */
void *ck_allocate_large(size_t size);
