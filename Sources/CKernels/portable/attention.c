#include <math.h>

#include "ck_attention.h"
#include "elements.h"

/* Lanes of a maximum. Compilers vectorise a sum when they may reorder it, but not a maximum. */
enum { LANES = 16 };

CK_TEMPLATE float maximum(const float *x, size_t count) {
  float lanes[LANES];
  for (size_t lane = 0; lane < LANES; lane++) lanes[lane] = -INFINITY;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (size_t lane = 0; lane < LANES; lane++) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
  for (; i < count; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  for (size_t lane = 1; lane < LANES; lane++) lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
  return lanes[0];
}

/* scores = s: scaled, then capped. */
CK_TEMPLATE void scale_and_cap(float *scores, size_t count, float scale, float cap) {
  if (cap > 0)
    for (size_t j = 0; j < count; j++) scores[j] = cap * ck_tanh(scores[j] * scale / cap);
  else
    for (size_t j = 0; j < count; j++) scores[j] *= scale;
}

CK_TEMPLATE void clear(float *x, size_t from, size_t to) {
  for (size_t j = from; j < to; j++) x[j] = 0;
}

CK_TEMPLATE float softmax(ck_attention_row row, float *scores, float *log_sum_exp) {
#pragma clang fp reassociate(on)
  float *visible = scores + row.first;
  size_t count = row.last - row.first;
  scale_and_cap(visible, count, row.scale, row.cap);
  float max = maximum(visible, count), sum = 0;
  for (size_t j = 0; j < count; j++) {
    visible[j] = ck_exp(visible[j] - max);
    sum += visible[j];
  }
  clear(scores, 0, row.first);
  clear(scores, row.last, row.count);
  *log_sum_exp = max + logf(sum);
  return 1.0f / sum;
}

CK_CLONES float ck_attention_softmax(ck_attention_row row, float *scores, float *log_sum_exp) {
  return softmax(row, scores, log_sum_exp);
}

CK_CLONES void ck_attention_softmax_backward(ck_attention_row row, float log_sum_exp, float *restrict scores,
                                             float *restrict dp) {
#pragma clang fp reassociate(on)
  scale_and_cap(scores + row.first, row.last - row.first, row.scale, row.cap);
  float delta = 0;
  for (size_t j = row.first; j < row.last; j++) delta += ck_exp(scores[j] - log_sum_exp) * dp[j];
  /* d(cap · tanh(u / cap)) / du = 1 - tanh² */
  float inverse = row.cap > 0 ? 1.0f / row.cap : 0.0f;
  for (size_t j = row.first; j < row.last; j++) {
    float t = scores[j] * inverse;
    float p = ck_exp(scores[j] - log_sum_exp);
    dp[j] = p * (dp[j] - delta) * row.scale * (1.0f - t * t);
    scores[j] = p;
  }
  clear(scores, 0, row.first);
  clear(scores, row.last, row.count);
  clear(dp, 0, row.first);
  clear(dp, row.last, row.count);
}

/*
 * Decoding: one query against a cache that is read once, without copies. Blocks of keys and heads share what
 * they load. `js`, `hs` and `ws` are constants where these functions are inlined.
 */
typedef float lanes __attribute__((ext_vector_type(LANES)));
typedef uint32_t lanes_u32 __attribute__((ext_vector_type(LANES)));
typedef uint16_t lanes_u16 __attribute__((ext_vector_type(LANES)));

enum { KEY_STEP = 4, HEAD_STEP = 4, VECTOR_STEP = 4 };


CK_TEMPLATE void load(int type, const void *elements, size_t i, lanes *value) {
  if (type == CK_BFLOAT16) {
    lanes_u16 bits;
    __builtin_memcpy(&bits, ck_at(type, elements, i), sizeof bits);
    lanes_u32 wide = __builtin_convertvector(bits, lanes_u32) << 16;
    __builtin_memcpy(value, &wide, sizeof wide);
  } else {
    __builtin_memcpy(value, ck_at(type, elements, i), sizeof *value);
  }
}

CK_TEMPLATE float lane_sum(const lanes *x) {
  __auto_type eight = x->lo + x->hi;
  __auto_type four = eight.lo + eight.hi;
  __auto_type two = four.lo + four.hi;
  return two.x + two.y;
}

/* Raw scores of heads from h0 on and keys from j0 on. */
CK_TEMPLATE void score_block(int type, const ck_attention_cache *c, const float *query, size_t h0, int hs, size_t j0,
                             int js, float *scores) {
  lanes sums[HEAD_STEP][KEY_STEP] = {0};
  size_t count = c->last - c->first, width = c->width, whole = width / LANES * LANES;
  size_t first = (c->first + j0) * c->stride;
  for (size_t i = 0; i < whole; i += LANES) {
    lanes key[KEY_STEP];
    CK_UNROLLED
    for (int j = 0; j < js; j++) load(type, c->keys, first + j * c->stride + i, &key[j]);
    CK_UNROLLED
    for (int h = 0; h < hs; h++) {
      lanes q;
      load(CK_FLOAT32, query, (h0 + h) * width + i, &q);
      CK_UNROLLED
      for (int j = 0; j < js; j++) sums[h][j] += q * key[j];
    }
  }
  CK_UNROLLED
  for (int h = 0; h < hs; h++)
    CK_UNROLLED
    for (int j = 0; j < js; j++) {
      float sum = lane_sum(&sums[h][j]);
      for (size_t i = whole; i < width; i++)
        sum += query[(h0 + h) * width + i] * ck_load(type, c->keys, first + j * c->stride + i);
      scores[(h0 + h) * count + j0 + j] = sum;
    }
}

CK_TEMPLATE void score_heads(int type, const ck_attention_cache *c, const float *query, size_t h0, int hs,
                             float *scores) {
  size_t count = c->last - c->first, j = 0;
  for (; j + KEY_STEP <= count; j += KEY_STEP) score_block(type, c, query, h0, hs, j, KEY_STEP, scores);
  for (; j < count; j++) score_block(type, c, query, h0, hs, j, 1, scores);
}

/*
 * output = scale · the weighted sum of values, for heads from h0 on and `ws` vectors of the head from element
 * i0 on.
 */
CK_TEMPLATE void value_block(int type, const ck_attention_cache *c, const float *weights, const float *scale,
                             size_t h0, int hs, size_t i0, int ws, float *output) {
  lanes sums[HEAD_STEP][VECTOR_STEP] = {0};
  size_t count = c->last - c->first;
  for (size_t j = 0; j < count; j++) {
    lanes value[VECTOR_STEP];
    CK_UNROLLED
    for (int w = 0; w < ws; w++)
      load(type, c->values, (c->first + j) * c->stride + i0 + w * LANES, &value[w]);
    CK_UNROLLED
    for (int h = 0; h < hs; h++)
      CK_UNROLLED
      for (int w = 0; w < ws; w++) sums[h][w] += weights[(h0 + h) * count + j] * value[w];
  }
  CK_UNROLLED
  for (int h = 0; h < hs; h++)
    CK_UNROLLED
    for (int w = 0; w < ws; w++) {
      lanes sum = sums[h][w] * scale[h0 + h];
      __builtin_memcpy(output + (h0 + h) * c->width + i0 + w * LANES, &sum, sizeof sum);
    }
}

CK_TEMPLATE void value_heads(int type, const ck_attention_cache *c, const float *weights, const float *scale,
                             size_t h0, int hs, float *output) {
  size_t count = c->last - c->first, i = 0;
  for (; i + VECTOR_STEP * LANES <= c->width; i += VECTOR_STEP * LANES)
    value_block(type, c, weights, scale, h0, hs, i, VECTOR_STEP, output);
  for (; i + LANES <= c->width; i += LANES) value_block(type, c, weights, scale, h0, hs, i, 1, output);
  for (; i < c->width; i++)
    for (int h = 0; h < hs; h++) {
      float sum = 0;
      for (size_t j = 0; j < count; j++)
        sum += weights[(h0 + h) * count + j] * ck_load(type, c->values, (c->first + j) * c->stride + i);
      output[(h0 + h) * c->width + i] = sum * scale[h0 + h];
    }
}

CK_TEMPLATE void decode(int type, const ck_attention_cache *c, const float *query, float *scratch, float *output,
                        float *log_sum_exp) {
  size_t count = c->last - c->first, heads = c->heads, h = 0;
  float *scores = scratch, *factors = scratch + heads * count;
  for (; h + HEAD_STEP <= heads; h += HEAD_STEP) score_heads(type, c, query, h, HEAD_STEP, scores);
  for (; h + 2 <= heads; h += 2) score_heads(type, c, query, h, 2, scores);
  for (; h < heads; h++) score_heads(type, c, query, h, 1, scores);
  for (h = 0; h < heads; h++) {
    ck_attention_row all = {count, 0, count, c->scale, c->cap};
    factors[h] = softmax(all, scores + h * count, log_sum_exp + h);
  }
  h = 0;
  for (; h + HEAD_STEP <= heads; h += HEAD_STEP) value_heads(type, c, scores, factors, h, HEAD_STEP, output);
  for (; h + 2 <= heads; h += 2) value_heads(type, c, scores, factors, h, 2, output);
  for (; h < heads; h++) value_heads(type, c, scores, factors, h, 1, output);
}

CK_CLONES void ck_attention_decode(ck_attention_cache cache, const float *query, float *scratch, float *output,
                                   float *log_sum_exp) {
  CK_BY_TYPE(cache.type, decode, &cache, query, scratch, output, log_sum_exp);
}
