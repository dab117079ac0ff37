#include "bfloat16.h"

#if defined(__x86_64__)

enum { LANES = 16, GROUP = 16, MOST_LANES = 64, STEP = 32 };

/* Elements k ..< k + 32 of a row, zero from `inner` on. */
BF16_INLINE __m512bh elements(const uint16_t *row, size_t k, size_t inner) {
    size_t left = inner - k;
    if (left >= STEP) return (__m512bh)_mm512_loadu_si512(row + k);
    return (__m512bh)_mm512_maskz_loadu_epi16((__mmask32)((1u << left) - 1), row + k);
}

/* Asks for a line of w that is needed soon; past w's end nothing happens. */
BF16_INLINE void fetch(const uint16_t *w) { _mm_prefetch((const char *)w, _MM_HINT_T1); }

/* Dot products of `xs` rows of x with `ws` rows of w along their length; both are constants where this is inlined. */
BF16_INLINE void dot_products(const struct ck_thin_pairs *p, size_t x0, size_t xs, size_t w0, size_t ws) {
    __m512 sums[4][4];
    const uint16_t *w = p->w + w0 * p->inner;
    UNROLLED
    for (size_t i = 0; i < xs; i++)
        UNROLLED
        for (size_t j = 0; j < ws; j++) sums[i][j] = _mm512_setzero_ps();
    for (size_t k = 0; k < p->inner; k += STEP) {
        __m512bh rows[4];
        UNROLLED
        for (size_t j = 0; j < ws; j++) {
            rows[j] = elements(w + j * p->inner, k, p->inner);
            if (x0 == 0) fetch(w + (j + GROUP) * p->inner + k);
        }
        UNROLLED
        for (size_t i = 0; i < xs; i++) {
            __m512bh x = elements(p->x + (x0 + i) * p->inner, k, p->inner);
            UNROLLED
            for (size_t j = 0; j < ws; j++) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], x, rows[j]);
        }
    }
    UNROLLED
    for (size_t i = 0; i < xs; i++)
        UNROLLED
        for (size_t j = 0; j < ws; j++) {
            __m512 sum = _mm512_set1_ps(_mm512_reduce_add_ps(sums[i][j]));
            bf16_store(&p->target, (x0 + i) * p->target.stride + w0 + j, 1, sum);
        }
}

/* The same with all rows of x. */
BF16_INLINE void row_dot_products(const struct ck_thin_pairs *p, size_t w, size_t ws) {
    size_t x = 0;
    for (; x + 4 <= p->x_rows; x += 4) dot_products(p, x, 4, w, ws);
    if (p->x_rows - x == 3) dot_products(p, x, 3, w, ws);
    if (p->x_rows - x == 2) dot_products(p, x, 2, w, ws);
    if (p->x_rows - x == 1) dot_products(p, x, 1, w, ws);
}

BF16_INLINE void all_dot_products(const struct ck_thin_pairs *p) {
    size_t w = 0;
    for (; w + 4 <= p->w_rows; w += 4) row_dot_products(p, w, 4);
    for (; w < p->w_rows; w++) row_dot_products(p, w, 1);
}

/* One step of `lane_products`: pair k of each row, of which `bytes` exist. */
BF16_INLINE void lane_step(const char *const quads[4], ptrdiff_t stride, ptrdiff_t three, size_t bytes, size_t ws,
                           size_t vectors, const uint32_t *x, __m512 s[GROUP][4]) {
    __m512bh lanes[4];
    UNROLLED
    for (size_t v = 0; v < vectors; v++) lanes[v] = (__m512bh)_mm512_loadu_si512(x + v * LANES);
    UNROLLED
    for (size_t j = 0; j < ws; j++) {
        const char *at = quads[j / 4] + (j % 4 == 3 ? three : (ptrdiff_t)(j % 4) * stride);
        uint32_t pair = 0;
        __builtin_memcpy(&pair, at, bytes);
        __m512bh both = (__m512bh)_mm512_set1_epi32((int)pair);
        UNROLLED
        for (size_t v = 0; v < vectors; v++) s[j][v] = _mm512_dpbf16_ps(s[j][v], both, lanes[v]);
    }
}

/*
 * sums[ws][16 · vectors] of `ws` rows of w with the lanes of x, from element `from` on; added to sums unless from is 0.
 * As many bytes as are read here are asked for from the next group's rows.
 */
BF16_INLINE void lane_products(const struct ck_thin_pairs *p, const uint16_t *w, size_t ws, size_t vectors, size_t from,
                               size_t count, float *sums) {
    const uint32_t *x = (const uint32_t *)p->x + from / 2 * vectors * LANES;
    ptrdiff_t stride = (ptrdiff_t)p->inner * 2, three = 3 * stride;
    const char *quads[4], *next = (const char *)(w + GROUP * p->inner + ws * from);
    UNROLLED
    for (size_t j = 0; j < ws; j += 4) quads[j / 4] = (const char *)(w + j * p->inner + from);
    __m512 s[GROUP][4];
    UNROLLED
    for (size_t j = 0; j < ws; j++)
        UNROLLED
        for (size_t v = 0; v < vectors; v++) s[j][v] = _mm512_setzero_ps();
    for (size_t k = 0; k < count / 2; k++, x += vectors * LANES, next += 4 * ws) {
        lane_step(quads, stride, three, 4, ws, vectors, x, s);
        UNROLLED
        for (size_t j = 0; j < ws; j += 4) quads[j / 4] += 4;
        _mm_prefetch(next, _MM_HINT_T1);
    }
    if (count % 2) lane_step(quads, stride, three, 2, ws, vectors, x, s);
    UNROLLED
    for (size_t j = 0; j < ws; j++)
        UNROLLED
        for (size_t v = 0; v < vectors; v++) {
            float *to = sums + j * MOST_LANES + v * LANES;
            _mm512_storeu_ps(to, from ? _mm512_add_ps(_mm512_loadu_ps(to), s[j][v]) : s[j][v]);
        }
}

/* Writes sums[GROUP][lanes] of w's rows from `w0` on as columns of c. */
BF16_INLINE void store_columns(const struct ck_thin_pairs *p, const float *sums, size_t w0, size_t count) {
    __mmask16 columns = bf16_lanes(count);
    for (size_t x = 0; x < p->x_rows; x += LANES) {
        __m512i r[LANES];
        UNROLLED
        for (size_t j = 0; j < GROUP; j++) r[j] = _mm512_loadu_si512(sums + j * MOST_LANES + x);
        bf16_transpose(r);
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            if (x + i < p->x_rows)
                bf16_store(&p->target, (x + i) * p->target.stride + w0, columns, _mm512_castsi512_ps(r[i]));
    }
}

/* Groups of sixteen rows of w, `ws` at a time. */
BF16_INLINE void all_lane_products(const struct ck_thin_pairs *p, size_t vectors, size_t ws) {
    float sums[GROUP * MOST_LANES] __attribute__((aligned(64))) = {0};
    for (size_t w = 0; w < p->w_rows; w += GROUP) {
        size_t count = p->w_rows - w < GROUP ? p->w_rows - w : GROUP;
        const uint16_t *rows = p->w + w * p->inner;
        for (size_t k = 0; k < p->inner; k += CK_INNER_BLOCK) {
            size_t part = p->inner - k < CK_INNER_BLOCK ? p->inner - k : CK_INNER_BLOCK, j = 0;
            for (; j + ws <= count; j += ws)
                lane_products(p, rows + j * p->inner, ws, vectors, k, part, sums + j * MOST_LANES);
            for (; j < count; j++)
                lane_products(p, rows + j * p->inner, 1, vectors, k, part, sums + j * MOST_LANES);
        }
        store_columns(p, sums, w, count);
    }
}

BF16_TARGET
void ck_thin_pair_product(const struct ck_thin_pairs *p) {
    switch (ck_thin_lanes(p->x_rows) / LANES) {
        case 0: all_dot_products(p); break;
        case 1:
            /* Sixteen rows at such distances would fall into one or two sets of the first cache, of twelve lines each. */
            if (p->inner % 1024 == 0) all_lane_products(p, 1, 8);
            else all_lane_products(p, 1, 16);
            break;
        case 2: all_lane_products(p, 2, 8); break;
        case 3: all_lane_products(p, 3, 8); break;
        default: all_lane_products(p, 4, 4); break;
    }
}

#else

void ck_thin_pair_product(const struct ck_thin_pairs *product) {}

#endif
