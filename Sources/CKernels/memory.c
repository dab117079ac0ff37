#include "ck_memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__GLIBC__)
#include <malloc.h>

/* What glibc itself arrives at after blocks of CK_LARGEST_KEPT have been freed. */
enum { MOST_KEPT = 64 << 20 };

void ck_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, CK_LARGEST_KEPT);
    mallopt(M_TRIM_THRESHOLD, MOST_KEPT);
}

#else

void ck_keep_freed_memory(void) {}

#endif

/* What stands before a block. */
struct block {
    size_t size;
    char rest[64 - sizeof(size_t)];
};

static struct block *_Atomic returned;

/* Pages of 2 MiB, where whole ones lie in the memory, are handed out and cleared sooner than 512 small ones each. */
static void use_large_pages(void *memory, size_t size) {
#ifdef MADV_HUGEPAGE
    enum { PAGE = 2 << 20 };
    uintptr_t first = ((uintptr_t)memory + PAGE - 1) / PAGE * PAGE, end = ((uintptr_t)memory + size) / PAGE * PAGE;
    if (end > first) madvise((void *)first, end - first, MADV_HUGEPAGE);
#endif
}

void *ck_borrow_block(size_t size) {
    struct block *block = atomic_exchange(&returned, NULL);
    if (block && block->size >= size) return block + 1;
    free(block);
    block = aligned_alloc(64, sizeof(struct block) + (size + 63) / 64 * 64);
    if (!block) return NULL;
    use_large_pages(block, sizeof(struct block) + size);
    block->size = size;
    return block + 1;
}

void ck_return_block(void *memory) {
    free(atomic_exchange(&returned, (struct block *)memory - 1));
}
