#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CCUDA.h"

/* Where a function's pointer is stored in its structure, and the function's name in the library. */
struct slot {
  size_t offset;
  const char *symbol;
  int isOptional;
};

/* Fills `functions`, a structure of `bytes` bytes. It is kept for good, or freed after a failure. */
static const void *opened(
    const char *path, const struct slot *slots, size_t count, size_t bytes, cc_opening *opening) {
  memset(opening, 0, sizeof *opening);
  /* RTLD_LOCAL: one process may open two versions of one library. */
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *words = dlerror();
    opening->state = CC_NOT_OPENED;
    snprintf(opening->detail, sizeof opening->detail, "%s", words ? words : "cannot be loaded");
    return NULL;
  }
  char *functions = calloc(1, bytes);
  if (!functions) abort();
  for (size_t i = 0; i < count; i++) {
    void *function = dlsym(library, slots[i].symbol);
    if (!function && !slots[i].isOptional) {
      opening->state = CC_MISSING_SYMBOL;
      snprintf(opening->detail, sizeof opening->detail, "%s", slots[i].symbol);
    }
    memcpy(functions + slots[i].offset, &function, sizeof function);
    Dl_info where;
    if (function && dladdr(function, &where) && where.dli_fname)
      snprintf(opening->file, sizeof opening->file, "%s", where.dli_fname);
    if (opening->state == CC_OPENED) continue;
    free(functions);
    dlclose(library);
    return NULL;
  }
  return functions;
}

#define LENGTH(slots) (sizeof(slots) / sizeof *(slots))

#define SLOT(name, symbol, parameters) {offsetof(cc_driver, name), symbol, 0},
#define OPTIONAL_SLOT(name, symbol, parameters) {offsetof(cc_driver, name), symbol, 1},

const cc_driver *cc_open_driver(const char *path, cc_opening *opening) {
  static const struct slot slots[] = {CC_DRIVER_FUNCTIONS(SLOT) CC_DRIVER_OPTIONAL_FUNCTIONS(OPTIONAL_SLOT)};
  return opened(path, slots, LENGTH(slots), sizeof(cc_driver), opening);
}

#undef SLOT
#define SLOT(name, symbol, parameters) {offsetof(cc_compiler, name), symbol, 0},

const cc_compiler *cc_open_compiler(const char *path, cc_opening *opening) {
  static const struct slot slots[] = {CC_COMPILER_FUNCTIONS(SLOT) SLOT(nvrtcGetErrorString, "nvrtcGetErrorString", )};
  return opened(path, slots, LENGTH(slots), sizeof(cc_compiler), opening);
}

#undef SLOT
#define SLOT(name, symbol, parameters) {offsetof(cc_matmul, name), symbol, 0},

const cc_matmul *cc_open_matmul(const char *path, cc_opening *opening) {
  static const struct slot slots[] = {CC_MATMUL_FUNCTIONS(SLOT) SLOT(cublasLtGetVersion, "cublasLtGetVersion", )
                                          SLOT(cublasLtGetStatusString, "cublasLtGetStatusString", )};
  return opened(path, slots, LENGTH(slots), sizeof(cc_matmul), opening);
}
