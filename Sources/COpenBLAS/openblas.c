#include "COpenBLAS.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __typeof__(&cblas_sgemm) sgemm_function;
typedef __typeof__(&openblas_set_num_threads) set_threads_function;
typedef const char *(*text_function)(void);

/* A variable of the environment, to be restored. */
typedef struct {
  const char *name;
  char *value;
} saved_variable;

static saved_variable saved(const char *name) {
  const char *value = getenv(name);
  return (saved_variable){name, value ? strdup(value) : NULL};
}

static void set(const char *name, const char *value) {
  if (value) setenv(name, value, 1);
  else unsetenv(name);
}

static void put_back(saved_variable variable) {
  set(variable.name, variable.value);
  free(variable.value);
}

/* Held while the environment is set for one load, so that no other load sees it. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static void *load(const char *name, const char *core) {
  pthread_mutex_lock(&loading);
  saved_variable coretype = saved("OPENBLAS_CORETYPE"), threads = saved("OPENBLAS_NUM_THREADS");
  set(coretype.name, core);
  /*
   * Its own threads are never used. Where memory is limited they fail to start, and the process hangs at its
   * end.
   */
  set(threads.name, "1");
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  put_back(threads);
  put_back(coretype);
  pthread_mutex_unlock(&loading);
  return library;
}

const char *ob_open(const char *name, const char *core, ob_library *loaded) {
  static _Thread_local char problem[512];
  *loaded = (ob_library){0};
  void *library = load(name, core);
  if (!library) {
    const char *text = dlerror();
    snprintf(problem, sizeof problem, "%s", text ? text : "cannot be loaded");
    return problem;
  }
  set_threads_function set_threads = (set_threads_function)dlsym(library, "openblas_set_num_threads");
  text_function build = (text_function)dlsym(library, "openblas_get_config");
  text_function core_name = (text_function)dlsym(library, "openblas_get_corename");
  void *sgemm = dlsym(library, "cblas_sgemm");
  if (!set_threads || !build || !core_name || !sgemm) {
    dlclose(library);
    snprintf(problem, sizeof problem, "%s: is not OpenBLAS", name);
    return problem;
  }
  *loaded = (ob_library){library, sgemm, build(), core_name()};
  set_threads(1);
  return NULL;
}

void ob_close(ob_library *loaded) {
  if (loaded->library) dlclose(loaded->library);
  *loaded = (ob_library){0};
}

void ob_sgemm(const ob_library *loaded, int rows, int columns, int inner, float alpha, ob_matrix a, ob_matrix b,
              float beta, float *c, int c_stride) {
  CBLAS_TRANSPOSE a_form = a.is_transposed ? CblasTrans : CblasNoTrans;
  CBLAS_TRANSPOSE b_form = b.is_transposed ? CblasTrans : CblasNoTrans;
  ((sgemm_function)loaded->sgemm)(CblasRowMajor, a_form, b_form, rows, columns, inner, alpha, a.elements, a.stride,
                                  b.elements, b.stride, beta, c, c_stride);
}
