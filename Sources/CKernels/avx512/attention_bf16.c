#include <math.h>

#include "bf16.h"

/*
 * LEFT rows at a time: first their scores over whole panels of keys, from the first key that one of the rows
 * sees to the last; then soft-max; then the sums. Left factors are read without packing. The backward pass
 * keeps probabilities and gradients of scores for the whole tile, with the elements of two rows side by side.
 * These are the pairs of the products that sum over rows.
 */
enum { LEFT = CK_LEFT_LINES, RIGHT = CK_RIGHT_LINES, LANES = 16 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t up_to_panel(size_t count) { return (count + RIGHT - 1) / RIGHT * RIGHT; }

/* Keys first ..< end that a row sees. */
static size_t first_key(const ck_attention_tile *t, size_t row) {
  size_t end = t->position + row / t->group + 1;
  return t->window > 0 && end > t->window ? end - t->window : 0;
}
static size_t end_key(const ck_attention_tile *t, size_t row) { return t->position + row / t->group + 1; }

size_t ck_attention_first_column(const ck_attention_tile *tile) { return first_key(tile, 0) / RIGHT * RIGHT; }
size_t ck_attention_columns(const ck_attention_tile *tile) {
  return up_to_panel(end_key(tile, tile->rows - 1)) - ck_attention_first_column(tile);
}

/* Elements from row to row of the scores of LEFT rows. It is no multiple of the cache's period. */
static size_t score_stride(const ck_attention_tile *tile) { return ck_attention_columns(tile) + LANES; }

size_t ck_attention_forward_scratch(const ck_attention_tile *tile) { return (LEFT + LEFT / 2) * score_stride(tile); }
size_t ck_attention_backward_scratch(const ck_attention_tile *tile) {
  size_t pairs = (tile->rows + 1) / 2;
  return (2 * LEFT + LEFT / 2 + 2) * score_stride(tile) + 2 * pairs * score_stride(tile);
}

#if defined(__x86_64__)

/* Lines of a left factor that is not packed: pair k of line i is x[i · line_step + k · pair_step]. */
typedef struct {
  const uint32_t *x;
  size_t line_step, pair_step;
} left_lines;

/*
 * `rows` lines of a left factor times one right panel. `rows` is a constant where this is inlined, as in
 * CASES.
 */
BF16_INLINE void block_product(left_lines left, size_t rows, const uint32_t *right, size_t pairs,
                               const ck_product_target *target, size_t column) {
  __m512 sums[LEFT][2];
  CK_UNROLLED
  for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
  for (size_t k = 0; k < pairs; k++, left.x += left.pair_step, right += RIGHT) {
    __m512bh right0 = (__m512bh)_mm512_loadu_si512(right), right1 = (__m512bh)_mm512_loadu_si512(right + LANES);
    CK_UNROLLED
    for (size_t i = 0; i < rows; i++) {
      __m512bh pair = (__m512bh)_mm512_set1_epi32((int)left.x[i * left.line_step]);
      sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, right0);
      sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, right1);
    }
  }
  CK_UNROLLED
  for (size_t i = 0; i < rows; i++) {
    bf16_store(target, i * target->stride + column, 0xFFFF, sums[i][0]);
    bf16_store(target, i * target->stride + column + LANES, 0xFFFF, sums[i][1]);
  }
}

#define CASE(n)                                                           \
  case n:                                                                 \
    block_product(left, n, right, pairs, &target, column);                \
    break;
#define CASES                                                             \
  CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7)                 \
  CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)

/* Up to LEFT rows, whose pairs lie end to end, times right panels that lie `panel` pairs apart. */
BF16_TARGET
static void multiply_rows(const uint32_t *x, size_t stride, size_t rows, const uint32_t *right, size_t panel,
                          size_t columns, size_t pairs, ck_product_target target) {
  const left_lines left = {x, stride, 1};
  for (size_t column = 0; column < columns; column += RIGHT, right += panel * RIGHT) {
    switch (rows) { CASES }
  }
}

/*
 * Up to LEFT neighbouring columns of x, whose rows hold pairs of rows of the factor, times right panels that
 * lie `panel` pairs apart.
 */
BF16_TARGET
static void multiply_columns(const uint32_t *x, size_t stride, size_t rows, const uint32_t *right, size_t panel,
                             size_t columns, size_t pairs, ck_product_target target) {
  const left_lines left = {x, 1, stride};
  for (size_t column = 0; column < columns; column += RIGHT, right += panel * RIGHT) {
    switch (rows) { CASES }
  }
}

/* scores = s: scaled, then capped. The count is a multiple of LANES. */
BF16_INLINE void scale_and_cap(float *scores, size_t count, float scale, float cap) {
  if (cap > 0)
    for (size_t j = 0; j < count; j += LANES)
      for (size_t lane = j; lane < j + LANES; lane++) scores[lane] = cap * ck_tanh(scores[lane] * scale / cap);
  else
    for (size_t j = 0; j < count; j += LANES)
      _mm512_storeu_ps(scores + j, _mm512_mul_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(scale)));
}

/*
 * Columns of a row's scores, counted from the start of a whole panel: the computed ones, and the visible
 * among them.
 */
typedef struct {
  size_t count, first, end;
} row_columns;

static row_columns columns_of(const ck_attention_tile *t, size_t row, size_t low, size_t high) {
  return (row_columns){high - low, first_key(t, row) - low, end_key(t, row) - low};
}

/* Sets scores that the row does not see to -infinity. */
static void mask(float *scores, row_columns c) {
  for (size_t j = 0; j < c.first; j++) scores[j] = -INFINITY;
  for (size_t j = c.end; j < c.count; j++) scores[j] = -INFINITY;
}

/* probabilities = soft-max of the scores, rounded. Returns the log of the sum. */
BF16_INLINE float softmax_row(const ck_attention_tile *t, row_columns c, float *scores, uint16_t *probabilities) {
  scale_and_cap(scores, c.count, t->scale, t->cap);
  mask(scores, c);
  __m512 most = _mm512_set1_ps(-INFINITY), sums = _mm512_setzero_ps();
  for (size_t j = 0; j < c.count; j += LANES) most = _mm512_max_ps(_mm512_loadu_ps(scores + j), most);
  float max = _mm512_reduce_max_ps(most);
  for (size_t j = 0; j < c.count; j += LANES) {
    __m512 e = bf16_exp(_mm512_sub_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(max)));
    sums = _mm512_add_ps(sums, e);
    _mm512_storeu_ps(scores + j, e);
  }
  float sum = _mm512_reduce_add_ps(sums);
  __m512 factor = _mm512_set1_ps(1.0f / sum);
  for (size_t j = 0; j < c.count; j += 2 * LANES) {
    __m512 low = _mm512_mul_ps(_mm512_loadu_ps(scores + j), factor);
    __m512 high = _mm512_mul_ps(_mm512_loadu_ps(scores + j + LANES), factor);
    _mm512_storeu_si512(probabilities + j, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
  return max + logf(sum);
}

BF16_TARGET
void ck_attention_forward_pairs(const ck_attention_tile *t, const ck_attention_operands *p, float *scratch) {
  size_t stride = score_stride(t), pairs = t->width / 2, panel = (t->key_count + 1) / 2;
  float *scores = scratch;
  uint16_t *weights = (uint16_t *)(scratch + LEFT * stride);
  for (size_t row = 0; row < t->rows; row += LEFT) {
    size_t rows = smaller(LEFT, t->rows - row);
    size_t low = first_key(t, row) / RIGHT * RIGHT, end = end_key(t, row + rows - 1), high = up_to_panel(end);
    multiply_rows((const uint32_t *)p->q + row * pairs, pairs, rows, (const uint32_t *)p->keys + low * pairs, pairs,
                  high - low, pairs, (ck_product_target){scores, stride, CK_FLOAT32, 0, 1});
    for (size_t i = 0; i < rows; i++)
      p->log_sum_exp[(row + i) / t->group * p->log_sum_exp_stride + (row + i) % t->group] =
        softmax_row(t, columns_of(t, row + i, low, high), scores + i * stride, weights + i * stride);
    multiply_rows((const uint32_t *)weights, stride / 2, rows, (const uint32_t *)p->values + low / 2 * RIGHT, panel,
                  t->width, (end - low + 1) / 2,
                  (ck_product_target){p->o + row * t->width, t->width, CK_BFLOAT16, 0, 1});
  }
}

/*
 * Memory for the tile's probabilities and gradients of scores: pairs of rows, with `stride` columns for each.
 */
typedef struct {
  float *scores, *d_scores;     /* of LEFT rows */
  float *slopes;                /* of two rows */
  uint16_t *d_rows;             /* of LEFT rows, rounded */
  uint32_t *weights, *d_scored; /* rounded, pair of rows by pair of rows */
  size_t stride;
} backward_room;

/*
 * Turns a row's scores into probabilities. With a cap, `slopes` = ds / dscore, which includes the scale.
 * Returns the sum of p · dp.
 */
BF16_INLINE float probabilities_row(const ck_attention_tile *t, row_columns c, float log_sum_exp, float *scores,
                                    const float *d_scores, float *slopes) {
  scale_and_cap(scores, c.count, t->scale, t->cap);
  if (t->cap > 0) {
    /* d(cap · tanh(u / cap)) / du = 1 - tanh² */
    __m512 inverse = _mm512_set1_ps(1.0f / t->cap), one = _mm512_set1_ps(1.0f), scale = _mm512_set1_ps(t->scale);
    for (size_t j = 0; j < c.count; j += LANES) {
      __m512 tanh = _mm512_mul_ps(_mm512_loadu_ps(scores + j), inverse);
      _mm512_storeu_ps(slopes + j, _mm512_mul_ps(scale, _mm512_fnmadd_ps(tanh, tanh, one)));
    }
  }
  mask(scores, c);
  __m512 sums = _mm512_setzero_ps(), shift = _mm512_set1_ps(log_sum_exp);
  for (size_t j = 0; j < c.count; j += LANES) {
    __m512 p = bf16_exp(_mm512_sub_ps(_mm512_loadu_ps(scores + j), shift));
    sums = _mm512_fmadd_ps(p, _mm512_loadu_ps(d_scores + j), sums);
    _mm512_storeu_ps(scores + j, p);
  }
  return _mm512_reduce_add_ps(sums);
}

/* Two rows of floats as pairs of bfloat16. */
BF16_INLINE __m512i row_pairs(__m512 first, __m512 second) {
  __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
  __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Gradients of sixteen raw scores: p · (dp - delta) · ds/dscore. */
BF16_INLINE __m512 score_gradients(__m512 p, const float *d_scores, float delta, __m512 slope) {
  __m512 above = _mm512_sub_ps(_mm512_loadu_ps(d_scores), _mm512_set1_ps(delta));
  return _mm512_mul_ps(_mm512_mul_ps(p, above), slope);
}

/*
 * Probabilities, and gradients of scores, of rows `row` and `row` + 1, which are `i` and `i` + 1 of the LEFT
 * rows.
 */
BF16_INLINE void softmax_backward_rows(const ck_attention_tile *t, const ck_attention_gradients *g,
                                       const backward_room *room, size_t row, size_t i, size_t low, size_t high) {
  size_t stride = room->stride, first = ck_attention_first_column(t), count = high - low;
  float *scores = room->scores + i * stride, *d_scores = room->d_scores + i * stride;
  float deltas[2] = {0};
  size_t rows = smaller(2, t->rows - row);
  for (size_t r = 0; r < rows; r++) {
    float log_sum_exp = g->log_sum_exp[(row + r) / t->group * g->log_sum_exp_stride + (row + r) % t->group];
    deltas[r] = probabilities_row(t, columns_of(t, row + r, low, high), log_sum_exp, scores + r * stride,
                                  d_scores + r * stride, room->slopes + r * stride);
  }
  size_t next = rows == 2 ? stride : 0;
  __m512 second = _mm512_castsi512_ps(_mm512_set1_epi32(rows == 2 ? -1 : 0));
  uint32_t *weights = room->weights + row / 2 * stride, *d_scored = room->d_scored + row / 2 * stride;
  uint16_t *d_rows = room->d_rows + i * stride;
  __m512 slope = _mm512_set1_ps(t->scale), next_slope = slope;
  for (size_t j = 0; j < count; j += LANES) {
    if (t->cap > 0) {
      slope = _mm512_loadu_ps(room->slopes + j);
      next_slope = _mm512_loadu_ps(room->slopes + next + j);
    }
    __m512 p = _mm512_loadu_ps(scores + j), p1 = _mm512_and_ps(second, _mm512_loadu_ps(scores + next + j));
    __m512 d = score_gradients(p, d_scores + j, deltas[0], slope);
    __m512 d1 = score_gradients(p1, d_scores + next + j, deltas[1], next_slope);
    _mm512_storeu_si512(weights + low - first + j, row_pairs(p, p1));
    _mm512_storeu_si512(d_scored + low - first + j, row_pairs(d, d1));
    _mm256_storeu_si256((__m256i *)(d_rows + next + j), (__m256i)_mm512_cvtneps_pbh(d1));
    _mm256_storeu_si256((__m256i *)(d_rows + j), (__m256i)_mm512_cvtneps_pbh(d));
  }
  size_t columns = ck_attention_columns(t);
  for (size_t j = 0; j < columns; j += LANES) {
    if (j == low - first) j = high - first;
    if (j >= columns) break;
    _mm512_storeu_si512(weights + j, _mm512_setzero_si512());
    _mm512_storeu_si512(d_scored + j, _mm512_setzero_si512());
  }
}

/* Computes dq of LEFT rows, and the pairs that d_keys and d_values need of them. */
BF16_TARGET
static void backward_rows(const ck_attention_tile *t, const ck_attention_gradients *g, const backward_room *room,
                          size_t row) {
  size_t stride = room->stride, pairs = t->width / 2, panel = (t->key_count + 1) / 2;
  size_t rows = smaller(LEFT, t->rows - row);
  size_t low = first_key(t, row) / RIGHT * RIGHT, end = end_key(t, row + rows - 1), high = up_to_panel(end);
  multiply_rows((const uint32_t *)g->q + row * pairs, pairs, rows, (const uint32_t *)g->keys + low * pairs, pairs,
                high - low, pairs, (ck_product_target){room->scores, stride, CK_FLOAT32, 0, 1});
  multiply_rows((const uint32_t *)g->d_o + row * pairs, pairs, rows, (const uint32_t *)g->values + low * pairs, pairs,
                high - low, pairs, (ck_product_target){room->d_scores, stride, CK_FLOAT32, 0, 1});
  for (size_t i = 0; i < rows; i += 2) softmax_backward_rows(t, g, room, row + i, i, low, high);
  multiply_rows((const uint32_t *)room->d_rows, stride / 2, rows,
                (const uint32_t *)g->key_columns + low / 2 * RIGHT, panel, t->width, (end - low + 1) / 2,
                (ck_product_target){g->dq + row * t->width, t->width, CK_BFLOAT16, 0, 1});
}

/* Pairs of rows that see any of the keys first ..< end. *count is their number. Returns the first. */
static size_t pairs_that_see(const ck_attention_tile *t, size_t first, size_t end, size_t *count) {
  size_t from = first > t->position ? (first - t->position) * t->group : 0, to = t->rows;
  if (t->window > 0) {
    size_t last = end - 1 + t->window;
    to = smaller(to, last > t->position ? (last - t->position) * t->group : 0);
  }
  *count = from < to ? (to + 1) / 2 - from / 2 : 0;
  return from / 2;
}

BF16_TARGET
void ck_attention_backward_pairs(const ck_attention_tile *t, const ck_attention_gradients *g, float *scratch) {
  size_t stride = score_stride(t), pairs = (t->rows + 1) / 2, width = t->width;
  backward_room room = {.scores = scratch, .d_scores = scratch + LEFT * stride, .stride = stride};
  room.slopes = room.d_scores + LEFT * stride;
  room.d_rows = (uint16_t *)(room.slopes + 2 * stride);
  room.weights = (uint32_t *)room.d_rows + LEFT / 2 * stride;
  room.d_scored = room.weights + pairs * stride;
  for (size_t row = 0; row < t->rows; row += LEFT) backward_rows(t, g, &room, row);
  size_t first = ck_attention_first_column(t), end = end_key(t, t->rows - 1);
  for (size_t key = first; key < end; key += LEFT) {
    size_t keys = smaller(LEFT, end - key), count, from = pairs_that_see(t, key, key + keys, &count);
    size_t at = from * stride + key - first;
    multiply_columns(room.weights + at, stride, keys, (const uint32_t *)g->d_o_columns + from * RIGHT, pairs, width,
                     count, (ck_product_target){g->d_values + key * width, width, CK_FLOAT32, 1, 1});
    multiply_columns(room.d_scored + at, stride, keys, (const uint32_t *)g->q_columns + from * RIGHT, pairs, width,
                     count, (ck_product_target){g->d_keys + key * width, width, CK_FLOAT32, 1, 1});
  }
}

#else

void ck_attention_forward_pairs(const ck_attention_tile *tile, const ck_attention_operands *operands, float *scratch) {}
void ck_attention_backward_pairs(const ck_attention_tile *tile, const ck_attention_gradients *gradients,
                                 float *scratch) {}

#endif
