// Every function of the three libraries, doing nothing: stub.c replaces those that matter to a test.
#include "CCUDA.h"

#define DEFAULT(name, symbol, parameters)                      \
  __attribute__((weak)) int stub_##name parameters __asm__(symbol); \
  int stub_##name parameters { return 0; }
CC_DRIVER_FUNCTIONS(DEFAULT)
CC_DRIVER_OPTIONAL_FUNCTIONS(DEFAULT)
CC_COMPILER_FUNCTIONS(DEFAULT)
CC_MATMUL_FUNCTIONS(DEFAULT)
