#pragma once
/*
 * CPU loops that need vector instructions. Each computes the rows or elements that its caller names, on one
 * thread. An element type is CK_FLOAT32 or CK_BFLOAT16. bfloat16 is widened on reading, and rounded to
 * nearest even on writing.
 */
#include <stddef.h>
#include <stdint.h>

enum { CK_FLOAT32 = 0, CK_BFLOAT16 = 1 };

/* portable/ */
#include "ck_adamw.h"
#include "ck_attention.h"
#include "ck_check.h"
#include "ck_convert.h"
#include "ck_crossentropy.h"
#include "ck_dropout.h"
#include "ck_elementwise.h"
#include "ck_embedding.h"
#include "ck_geglu.h"
#include "ck_memory.h"
#include "ck_processor.h"
#include "ck_rmsnorm.h"
#include "ck_rotary.h"
#include "ck_team.h"
#include "ck_thin.h"

/* avx512/ */
#include "ck_product_bf16.h"
#include "ck_thin_bf16.h"
#include "ck_crossentropy_bf16.h"
#include "ck_attention_bf16.h"
#include "ck_lowrank.h"
#include "ck_screen.h"
