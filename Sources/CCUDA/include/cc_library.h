#pragma once
#include <stddef.h>

#pragma clang assume_nonnull begin

/* The result of opening a library. */
enum {
  CC_OPENED = 0,
  /* dlopen failed: `detail` holds its message. */
  CC_NOT_OPENED = 1,
  /* The library lacks a function: `detail` holds the symbol. */
  CC_MISSING_SYMBOL = 2
};

/* The result of opening a library: a state, the file that was loaded, and the error. */
typedef struct {
  int state;
  /* The file that the loader chose; empty when it is unknown. */
  char file[1024];
  /* dlopen's message, or the missing symbol; empty when opened. */
  char detail[1024];
} cc_opening;

#pragma clang assume_nonnull end
