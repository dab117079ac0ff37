#include "ck_memory.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>

/* What glibc itself arrives at after blocks of 32 MiB have been freed; larger ones go back to the system. */
enum { LARGEST_KEPT = 32 << 20, MOST_KEPT = 64 << 20 };

void ck_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT);
    mallopt(M_TRIM_THRESHOLD, MOST_KEPT);
}

#else

void ck_keep_freed_memory(void) {}

#endif
