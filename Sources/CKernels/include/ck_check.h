#pragma once
/* Search for what no file and no gradient may hold. */
#include <stddef.h>

/* Place of the first NaN or infinity, `count` when there is none. */
size_t ck_first_non_finite(const void *x, int type, size_t count);
