#pragma once
/*
 * AdamW, element by element as bitsandbytes' CUDA kernels order it, with IEEE 1/x, square root and fma.
 * Source: bitsandbytes 0.50.2, csrc/kernels.cu (kOptimizerStatic8bit2StateBlockwise, kOptimizer32bit2State).
 */
#include <stddef.h>
#include <stdint.h>

/* How a bfloat16 parameter is rounded. */
enum { CK_NEAREST = 0, CK_STOCHASTIC = 1 };

/* Numbers that all elements of one step share. */
typedef struct {
  float beta1, beta2;
  float gradient_scale;
  float root;      /* sqrt(1 - beta2^step) */
  float step_size; /* -root · learning rate / (1 - beta1^step) */
  float epsilon;
  float decay_before, decay; /* 1 - learning rate · weight decay, before or after the step; 1 is none */
  int type;        /* type of the parameter */
  int gradient_type;
  int rounding;    /* rounding of a bfloat16 parameter */
  uint64_t key;    /* word of the random key that stochastic rounding draws from */
} ck_adamw_step;

/* One run of elements: what is updated, and from what. */
typedef struct {
  void *parameter;
  const void *gradient;
  uint16_t *weights; /* bfloat16 copy of a float32 parameter, or null */
  uint64_t first;    /* index of the run's first element in its tensor */
  size_t count;
} ck_adamw_run;

/*
 * For the search of the code nearest to a number. Numbers fall into buckets. The table has the code of each
 * bucket's least number, and the number at which the next code begins.
 */
typedef struct {
  float edges[256];    /* the smallest float with a code above this one; NaN for the last */
  uint32_t negative;   /* codes of negative values */
  uint8_t first[6146]; /* buckets of positive numbers, then of negative ones */
} ck_code_table;

/*
 * Returns the number of buckets that hold more than two codes. It is 0 unless the map is too dense for a
 * table.
 */
size_t ck_make_code_table(const float *map, ck_code_table *table);

/* Moments as codes into maps of 256 ascending values. Each block of 256 elements has one absolute maximum. */
typedef struct {
  uint8_t *codes1, *codes2;
  float *absmax1, *absmax2;
  const float *map1, *map2;
  const ck_code_table *table1, *table2; /* tables of these maps */
} ck_adamw_codes;

/*
 * One step with 8-bit moments of a run that begins at a block. Returns the number of stored weights that
 * changed.
 */
size_t ck_adamw_8bit(const ck_adamw_step *step, const ck_adamw_run *run, const ck_adamw_codes *state);
/* One step with float32 moments. Returns the number of stored weights that changed. */
size_t ck_adamw_32bit(const ck_adamw_step *step, const ck_adamw_run *run, float *moment1, float *moment2);

/* Sum of x², in float64, in an order that does not depend on the type of x. */
double ck_sum_of_squares(int type, const void *x, size_t count);
