#include "ck_memory.h"

#include <stdlib.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__GLIBC__)
#include <malloc.h>

/* The value that glibc itself reaches after blocks of CK_LARGEST_KEPT have been freed. */
enum { MOST_KEPT = 64 << 20 };

void ck_keep_freed_memory(void) {
  mallopt(M_MMAP_THRESHOLD, CK_LARGEST_KEPT);
  mallopt(M_TRIM_THRESHOLD, MOST_KEPT);
}

#else

void ck_keep_freed_memory(void) {}

#endif

static void (*on_exhaustion)(size_t) = NULL;

void ck_on_exhaustion(void (*handler)(size_t bytes)) { on_exhaustion = handler; }

void *ck_allocate(size_t size, size_t alignment) {
  void *memory = NULL;
  if (posix_memalign(&memory, alignment, size) == 0) return memory;
  if (on_exhaustion) on_exhaustion(size);
  abort();
}

void *ck_allocate_large(size_t size) {
  enum { PAGE = 2 << 20 };
  size_t whole = (size + PAGE - 1) / PAGE * PAGE;
  void *memory = aligned_alloc(PAGE, whole);
#ifdef MADV_HUGEPAGE
  if (memory) madvise(memory, whole, MADV_HUGEPAGE);
#endif
  return memory;
}
