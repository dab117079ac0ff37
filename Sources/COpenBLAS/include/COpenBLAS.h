#pragma once
/*
 * OpenBLAS, loaded while the program runs. Its kernels are chosen when it is loaded: by the variable
 * OPENBLAS_CORETYPE, or by the processor.
 */

/* A loaded OpenBLAS. Either all pointers are set, or none. */
typedef struct {
  void *library;
  void *sgemm;
  /*
   * Its build, as a text that begins with "OpenBLAS" and its version; and the processor that its kernels are
   * made for.
   */
  const char *build;
  const char *core;
} ob_library;

/*
 * A matrix in memory: rows that lie `stride` floats apart. If `is_transposed`, these rows are the factor's
 * columns.
 */
typedef struct {
  const float *elements;
  int stride;
  int is_transposed;
} ob_matrix;

/*
 * Loads the library `name` with the kernels of `core`, without worker threads. With NULL, the library
 * chooses.
 *
 * The call changes the environment and restores it. Only one such call runs at a time, and no other part of
 * the program may read or change the environment meanwhile. Returns NULL, or a text that says what is wrong
 * and lasts until this thread's next call.
 */
const char *ob_open(const char *name, const char *core, ob_library *loaded);

/* Unloads the library. Nothing of it may be used afterwards. */
void ob_close(ob_library *loaded);

/*
 * c = alpha a b + beta c for float32 matrices stored by rows, on this thread. a is rows x inner, b inner x
 * columns.
 */
void ob_sgemm(const ob_library *loaded, int rows, int columns, int inner, float alpha, ob_matrix a, ob_matrix b,
              float beta, float *c, int c_stride);
