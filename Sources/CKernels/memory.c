#include "ck_memory.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>
#include <sys/mman.h>

/* What glibc itself arrives at after blocks of 32 MiB have been freed; larger ones go back to the system. */
enum { LARGEST_KEPT = 32 << 20, MOST_KEPT = 64 << 20 };

void ck_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT);
    mallopt(M_TRIM_THRESHOLD, MOST_KEPT);
}

void ck_use_large_pages(void *memory, size_t count) {
#ifdef MADV_HUGEPAGE
    enum { PAGE = 2 << 20 };
    uintptr_t first = ((uintptr_t)memory + PAGE - 1) / PAGE * PAGE, end = ((uintptr_t)memory + count) / PAGE * PAGE;
    if (end > first) madvise((void *)first, end - first, MADV_HUGEPAGE);
#endif
}

#else

void ck_keep_freed_memory(void) {}
void ck_use_large_pages(void *memory, size_t count) {}

#endif
