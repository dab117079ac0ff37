#pragma once
/*
 * CPU loops that need vector instructions. Each computes rows or elements that the caller picked, on one thread.
 * An element type is CK_FLOAT32 or CK_BFLOAT16; bfloat16 is widened on reading and rounded to nearest even on writing.
 */
#include <stddef.h>
#include <stdint.h>

enum { CK_FLOAT32 = 0, CK_BFLOAT16 = 1 };
#include "ck_matrix.h"
#include "ck_bfloat16.h"
#include "ck_lowrank.h"
#include "ck_adamw.h"
#include "ck_attention.h"
#include "ck_check.h"
#include "ck_memory.h"
#include "ck_operations.h"
#include "ck_processor.h"
#include "ck_screen.h"
#include "ck_team.h"
