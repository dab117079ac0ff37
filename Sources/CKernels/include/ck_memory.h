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
 * A block of memory that is too large for the C library to keep, aligned to 64 bytes, not initialised: the last one that
 * was returned, if it is large enough, whose pages need not be handed out and cleared again. One at most is kept.
 * Null when there is no memory.
 */
void *ck_borrow_block(size_t size);
void ck_return_block(void *memory);
