#include <math.h>

#include "ck_operations.h"
#include "elements.h"

/* Lanes of a maximum: compilers vectorise a sum when allowed to reorder it, but not this. */
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

CK_TEMPLATE void widen(int type, const void *restrict x, float *restrict y, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = ck_load(type, x, i);
}

CK_TEMPLATE float dot(const float *restrict a, const float *restrict b, size_t count) {
#pragma clang fp reassociate(on)
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

CK_TEMPLATE void add_scaled(float scale, const float *restrict x, float *restrict sum, size_t count) {
    for (size_t i = 0; i < count; i++) sum[i] += scale * x[i];
}

CK_TEMPLATE void decode(int type, const ck_attention_cache *c, const float *query, float *scratch, float *output,
                        float *log_sum_exp) {
    size_t count = c->last - c->first, width = c->width;
    float *scores = scratch, *row = scratch + c->heads * count;
    for (size_t j = 0; j < count; j++) {
        widen(type, ck_at(type, c->keys, (c->first + j) * c->stride), row, width);
        for (size_t h = 0; h < c->heads; h++) scores[h * count + j] = dot(query + h * width, row, width);
    }
    for (size_t h = 0; h < c->heads; h++) {
        ck_attention_row all = {count, 0, count, c->scale, c->cap};
        float factor = softmax(all, scores + h * count, log_sum_exp + h);
        for (size_t j = 0; j < count; j++) scores[h * count + j] *= factor;
    }
    clear(output, 0, c->heads * width);
    for (size_t j = 0; j < count; j++) {
        widen(type, ck_at(type, c->values, (c->first + j) * c->stride), row, width);
        for (size_t h = 0; h < c->heads; h++) add_scaled(scores[h * count + j], row, output + h * width, width);
    }
}

CK_CLONES void ck_attention_decode(ck_attention_cache cache, const float *query, float *scratch, float *output,
                                   float *log_sum_exp) {
    CK_BY_TYPE(cache.type, decode, &cache, query, scratch, output, log_sum_exp);
}
