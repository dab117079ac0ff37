#pragma once
#include <stddef.h>

#pragma clang assume_nonnull begin

/* How opening a library went. */
enum {
  CC_OPENED = 0,
  /* dlopen failed: `detail` holds its words. */
  CC_NOT_OPENED = 1,
  /* The library lacks a function: `detail` holds the symbol. */
  CC_MISSING_SYMBOL = 2
};

/* What opening a library gave: a state, the file that was loaded, and what was wrong. */
typedef struct {
  int state;
  /* The file that the loader chose; empty when it is not known. */
  char file[1024];
  /* dlopen's words, or the missing symbol; empty when opened. */
  char detail[1024];
} cc_opening;

#pragma clang assume_nonnull end
