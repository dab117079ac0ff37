#pragma once
/* OpenBLAS, loaded while the program runs: the kernels that it computes with are chosen when it is loaded, from the
 * variable OPENBLAS_CORETYPE or from the processor. */

/* A loaded OpenBLAS. All pointers are set, or none. */
typedef struct {
  void *library;
  void *sgemm;
  /* How it was built, which begins with "OpenBLAS" and its version, and the processor that its kernels are made for. */
  const char *build;
  const char *core;
} ob_library;

/* A matrix in memory: rows that lie `stride` floats apart. `is_transposed`: these rows are the columns of the factor. */
typedef struct {
  const float *elements;
  int stride;
  int is_transposed;
} ob_matrix;

/* Loads the library `name` with the kernels of `core` (NULL: those that it chooses itself), without worker threads.
 * Changes the environment for the time of the call, one call at a time: no other part of the program may read or change
 * it then. Returns NULL, or what is wrong: a text that lasts until this thread's next call. */
const char *ob_open(const char *name, const char *core, ob_library *loaded);

/* Unloads it: nothing of it may be used any more. */
void ob_close(ob_library *loaded);

/* c = alpha a b + beta c for float32 matrices in rows: a is rows x inner, b inner x columns, on this thread. */
void ob_sgemm(const ob_library *loaded, int rows, int columns, int inner, float alpha, ob_matrix a, ob_matrix b,
              float beta, float *c, int c_stride);
