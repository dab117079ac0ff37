#pragma once
/* GeGLU. `type` is the element type of every `void` array of a call. */
#include "CKernels.h"

/* y = gelu(gate) · up, gelu with the tanh approximation. */
void ck_geglu_forward(int type, const void *gate, const void *up, void *y, size_t count);
/* dgate = dy · up · gelu'(gate); dup = dy · gelu(gate). */
void ck_geglu_backward(int type, const void *dy, const void *gate, const void *up, void *dgate, void *dup,
                       size_t count);
