#pragma once
#include <stddef.h>

#pragma clang assume_nonnull begin

/* One file of Sources/CCUDA/kernels. */
typedef struct {
  /* Such as "norm.cu". */
  const char *name;
  /* Its whole text, UTF-8, ended by a 0. */
  const char *text;
} cc_kernel_file;

/* The kernel files, each of which is a module, and their number. */
const cc_kernel_file *cc_kernel_files(size_t *count);
/* The headers that kernel files include, such as "gpu.cuh". */
const cc_kernel_file *cc_kernel_headers(size_t *count);

#pragma clang assume_nonnull end
