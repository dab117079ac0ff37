#pragma once
/* Search for elements that are not finite, which no file and no gradient may hold. */
#include <stddef.h>

/* Index of the first NaN or infinity; `count` when there is none. */
size_t ck_first_non_finite(const void *x, int type, size_t count);
