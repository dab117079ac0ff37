#include "ck_adamw.h"
#include "elements.h"

#include <string.h>

/* Every product and sum below is rounded separately, except where fma is written. */
#pragma STDC FP_CONTRACT OFF

enum { BLOCK = 256 };

/* The gradient of a run of at most BLOCK elements: in its own memory, or widened into `wide`. */
CK_TEMPLATE const float *gradient_of(const ck_adamw_step *s, const ck_adamw_run *run, float *wide) {
  if (s->gradient_type == CK_FLOAT32) return run->gradient;
  const uint16_t *gradient = run->gradient;
  for (size_t i = 0; i < run->count; i++) wide[i] = ck_from_bf16(gradient[i]);
  return wide;
}

CK_TEMPLATE int is_finite(float x) { return (ck_bits(x) & 0x7F800000) != 0x7F800000; }

CK_TEMPLATE uint16_t rounded_stochastically(float x, uint32_t random) {
  return is_finite(x) ? (uint16_t)((ck_bits(x) + random) >> 16) : ck_to_bf16(x);
}

/*
 * A parameter after the decay that comes before its step; p itself without decay. It is rounded if results
 * are rounded to the nearest bfloat16.
 */
CK_TEMPLATE float decayed(const ck_adamw_step *s, float p) {
  int rounds = s->type == CK_BFLOAT16 && s->rounding == CK_NEAREST;
  return rounds ? ck_from_bf16(ck_to_bf16(p * s->decay_before)) : p * s->decay_before;
}

/* The parameter after its step, not rounded. */
CK_TEMPLATE float stepped(const ck_adamw_step *s, float p, float m, float v) {
  float denominator = 1.0f / __builtin_fmaf(s->root, s->epsilon, __builtin_sqrtf(v));
  return __builtin_fmaf(s->step_size, m * denominator, p);
}

/* Updates the parameters of a run of at most BLOCK elements. Skips those whose `use` is 0. */
CK_TEMPLATE size_t update(const ck_adamw_step *s, const ck_adamw_run *run, const float *m, const float *v, const uint8_t *use) {
  size_t changed = 0, n = run->count;
  if (s->type == CK_FLOAT32) {
    float *p = run->parameter;
    float next[BLOCK];
    for (size_t i = 0; i < n; i++) {
      float x = stepped(s, decayed(s, p[i]), m[i], v[i]) * s->decay;
      next[i] = use[i] ? x : p[i];
    }
    if (run->weights) {
      for (size_t i = 0; i < n; i++) {
        uint16_t bits = ck_to_bf16(next[i]);
        changed += bits != run->weights[i];
        run->weights[i] = bits;
      }
    } else {
      for (size_t i = 0; i < n; i++) changed += ck_bits(next[i]) != ck_bits(p[i]);
    }
    memcpy(p, next, n * sizeof *p);
    return changed;
  }
  uint16_t *p = run->parameter;
  for (size_t i = 0; i < n; i++) {
    float x = stepped(s, decayed(s, ck_from_bf16(p[i])), m[i], v[i]);
    uint16_t bits;
    if (s->rounding == CK_STOCHASTIC) {
      uint32_t random = (uint32_t)(ck_random(s->key, run->first + i) >> 48);
      bits = rounded_stochastically(x * s->decay, random);
    } else {
      bits = ck_to_bf16(ck_from_bf16(ck_to_bf16(x)) * s->decay);
    }
    bits = use[i] ? bits : p[i];
    changed += bits != p[i];
    p[i] = bits;
  }
  return changed;
}

/* The largest |x| of a block. The bits of floats without their sign are ordered as the values are. */
CK_TEMPLATE float absolute_maximum(const float *x) {
  uint32_t largest = 0;
  for (size_t i = 0; i < BLOCK; i++) {
    uint32_t bits = ck_bits(x[i]) & 0x7FFFFFFF;
    largest = bits > largest ? bits : largest;
  }
  return ck_float(largest);
}

/*
 * The code nearest to x: seven halvings from 127, which end at an even code, then one comparison with the
 * middle between it and its neighbour. A middle belongs to the even code. NaN gives 0.
 */
static uint32_t searched_code(const float *map, float x) {
  uint32_t k = 127;
  for (uint32_t step = 64; step; step >>= 1) k = x > map[k] ? k + step : k - step;
  int above = x > map[k];
  uint32_t other = above ? k + 1 : k - (k > 0);
  float middle = (map[other] + map[k]) * 0.5f;
  return (above ? x > middle : x < middle) ? other : k;
}

/*
 * Buckets of a code table: floats with one sign, one exponent and the same first seven digits. Those at or
 * below SMALLEST share one bucket, and those at or above LARGEST another.
 */
enum { SMALLEST = (127 - 24) << 7, LARGEST = 127 << 7, SIDE = LARGEST - SMALLEST + 1 };

CK_TEMPLATE uint32_t bucket_of(float x) {
  uint32_t bits = ck_bits(x), size = (bits & 0x7FFFFFFF) >> 16;
  size = size < SMALLEST ? SMALLEST : size;
  size = size > LARGEST ? LARGEST : size;
  return size - SMALLEST + (bits >> 31) * SIDE;
}

size_t ck_make_code_table(const float *map, ck_code_table *table) {
  size_t crowded = 0;
  table->negative = 0;
  for (uint32_t code = 0; code < 255; code++) {
    uint32_t middle = ck_bits((map[code] + map[code + 1]) * 0.5f);
    /* The float after the middle, if the middle itself belongs to the lower code. */
    uint32_t next = middle == 0x80000000 ? 1 : middle >> 31 ? middle - 1 : middle + 1;
    table->edges[code] = ck_float(code % 2 ? middle : next);
    table->negative += ck_bits(map[code]) >> 31;
  }
  table->edges[255] = ck_float(0x7FC00000);
  for (uint32_t bucket = 0; bucket < 2 * SIDE; bucket++) {
    uint32_t size = bucket % SIDE, is_negative = bucket / SIDE;
    uint32_t near = size == 0 ? 0 : (size + SMALLEST) << 16;
    uint32_t far = size == SIDE - 1 ? 0x7F800000 : (size + SMALLEST) << 16 | 0xFFFF;
    float low = is_negative ? -ck_float(far) : ck_float(near), high = is_negative ? -ck_float(near) : ck_float(far);
    uint32_t first = searched_code(map, low);
    crowded += searched_code(map, high) > first + 1;
    table->first[bucket] = (uint8_t)first;
  }
  return crowded;
}

/* The codes nearest to x times `reciprocal`. */
CK_TEMPLATE void quantize(const ck_code_table *table, const float *x, float reciprocal, uint8_t *codes) {
  float scaled[BLOCK];
  uint16_t buckets[BLOCK];
  for (size_t i = 0; i < BLOCK; i++) {
    scaled[i] = reciprocal * x[i];
    buckets[i] = (uint16_t)bucket_of(scaled[i]);
  }
  for (size_t i = 0; i < BLOCK; i++) {
    uint32_t first = table->first[buckets[i]];
    codes[i] = (uint8_t)(first + (scaled[i] >= table->edges[first]));
  }
  for (size_t i = 0; i < BLOCK; i++) codes[i] = scaled[i] == scaled[i] ? codes[i] : 0;
}

CK_TEMPLATE void quantize1(const ck_code_table *table, const float *m, float maximum, uint8_t *codes) {
  quantize(table, m, 1.0f / maximum, codes);
  for (size_t i = 0; i < BLOCK; i++) {
    uint32_t differ = (codes[i] < table->negative) ^ (ck_bits(m[i]) >> 31);
    /*
     * A wrong sign moves the code by one, towards the right sign. The code of an all-zero block wraps to 255.
     */
    codes[i] = (uint8_t)(codes[i] + (differ ? (m[i] > 0 ? 1 : -1) : 0));
  }
}

/* One block. Elements past `run->count` hold g = 0 and codes 128 and 0, and take part in the maxima only. */
CK_TEMPLATE size_t block8(const ck_adamw_step *s, const ck_adamw_run *run, const ck_adamw_codes *state) {
  float g[BLOCK] = {0}, m[BLOCK], v[BLOCK];
  uint8_t c1[BLOCK], c2[BLOCK], use[BLOCK];
  size_t n = run->count;
  memset(c1, 128, sizeof c1);
  memset(c2, 0, sizeof c2);
  const float *gradient = gradient_of(s, run, g);
  if (gradient != g) memcpy(g, gradient, n * sizeof *g);
  memcpy(c1, state->codes1, n);
  memcpy(c2, state->codes2, n);
  float absmax1 = *state->absmax1, absmax2 = *state->absmax2;
  for (size_t i = 0; i < BLOCK; i++) {
    float x = g[i] * s->gradient_scale;
    float next1 = __builtin_fmaf(x, 1.0f - s->beta1, (absmax1 * state->map1[c1[i]]) * s->beta1);
    float next2 = __builtin_fmaf(absmax2 * state->map2[c2[i]], s->beta2, x * (x * (1.0f - s->beta2)));
    use[i] = (uint8_t)is_finite(g[i]);
    m[i] = use[i] ? next1 : 0.0f;
    v[i] = use[i] ? next2 : 0.0f;
  }
  *state->absmax1 = absolute_maximum(m);
  *state->absmax2 = absolute_maximum(v);
  size_t changed = update(s, run, m, v, use);
  quantize1(state->table1, m, *state->absmax1, c1);
  quantize(state->table2, v, 1.0f / *state->absmax2, c2);
  memcpy(state->codes1, c1, n);
  memcpy(state->codes2, c2, n);
  return changed;
}

/* The BLOCK elements of `run` that begin at `i`, or those that are left. */
CK_TEMPLATE ck_adamw_run part(const ck_adamw_step *s, const ck_adamw_run *run, size_t i) {
  return (ck_adamw_run){
    .parameter = (void *)ck_at(s->type, run->parameter, i),
    .gradient = ck_at(s->gradient_type, run->gradient, i),
    .weights = run->weights ? run->weights + i : NULL,
    .first = run->first + i,
    .count = run->count - i < BLOCK ? run->count - i : BLOCK,
  };
}

CK_CLONES
size_t ck_adamw_8bit(const ck_adamw_step *step, const ck_adamw_run *run, const ck_adamw_codes *state) {
  size_t changed = 0;
  const ck_adamw_step s = *step;
  for (size_t i = 0; i < run->count; i += BLOCK) {
    ck_adamw_run block = part(&s, run, i);
    ck_adamw_codes codes = {
      state->codes1 + i, state->codes2 + i, state->absmax1 + i / BLOCK, state->absmax2 + i / BLOCK,
      state->map1, state->map2, state->table1, state->table2,
    };
    changed += block8(&s, &block, &codes);
  }
  return changed;
}

CK_CLONES
size_t ck_adamw_32bit(const ck_adamw_step *step, const ck_adamw_run *run, float *moment1, float *moment2) {
  size_t changed = 0;
  const ck_adamw_step s = *step;
  /* The kernel stores the scaled gradient in the parameter's type before it goes on. */
  int rounds = s.type == CK_BFLOAT16 && s.rounding == CK_NEAREST;
  uint8_t use[BLOCK];
  memset(use, 1, sizeof use);
  for (size_t start = 0; start < run->count; start += BLOCK) {
    ck_adamw_run block = part(&s, run, start);
    float *m = moment1 + start, *v = moment2 + start, wide[BLOCK];
    const float *g = gradient_of(&s, &block, wide);
    for (size_t i = 0; i < block.count; i++) {
      float x = g[i] * s.gradient_scale;
      x = rounds ? ck_from_bf16(ck_to_bf16(x)) : x;
      m[i] = __builtin_fmaf(m[i], s.beta1, x * (1.0f - s.beta1));
      v[i] = __builtin_fmaf(v[i], s.beta2, (x * x) * (1.0f - s.beta2));
    }
    changed += update(&s, &block, m, v, use);
  }
  return changed;
}

CK_TEMPLATE void sum_of_squares(int type, const void *x, size_t count, double *sum) {
  enum { LANES = 16 };
  double lanes[LANES] = {0};
  for (size_t i = 0; i + LANES <= count; i += LANES) {
    for (size_t lane = 0; lane < LANES; lane++) {
      double value = ck_load(type, x, i + lane);
      lanes[lane] += value * value;
    }
  }
  for (size_t i = count / LANES * LANES; i < count; i++) {
    double value = ck_load(type, x, i);
    lanes[i % LANES] += value * value;
  }
  for (size_t width = LANES / 2; width; width /= 2) {
    for (size_t lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  }
  *sum = lanes[0];
}

CK_CLONES
double ck_sum_of_squares(int type, const void *x, size_t count) {
  double sum;
  CK_BY_TYPE(type, sum_of_squares, x, count, &sum);
  return sum;
}
