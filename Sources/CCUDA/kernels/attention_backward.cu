/*
 * Gradients of the attention of attention.cu:
 *   dV = Pᵀ · dO, dS = P ∘ (dO · vᵀ - delta) ∘ (1 - tanh²), dQ = scale · dS · k, dK = scale · dSᵀ · q.
 * P = e^(score - lse) is computed again, and delta is the sums of dO ∘ o over each head. There is one kernel
 * for dQ, and one for dK and dV, so that every sum has one owner and a fixed order.
 * Source: Dao 2023, "FlashAttention-2", algorithm 2.
 *
 *   attention_delta_{f32,bf16}                  first
 *   attention_backward_q_bf16_{64,128,256}      tensor cores; tiles of 64 rows
 *   attention_backward_kv_bf16_{64,128,256}     tensor cores; tiles of 64, 64, 32 keys
 *   attention_backward_{q,kv}_{f32,bf16}        any head size, float32 arithmetic; tiles of 16 rows or keys
 *   attention_merge_kv_{f32,bf16}               adds the gradients of the parts of a group
 */
#include "attention.cuh"

constexpr int THREADS = 128, ROWS = 64;

/*
 * delta[rows, N] = the sum of dO ∘ o, [rows, N · H], over each head. grid: any, of use up to
 * ceil(rows · N / 8); block: 256.
 */
template <class T> GPU void head_sums(const T *dO, const T *o, float *delta, i64 heads, i32 H) {
    const int lane = threadIdx.x % 32;
    for (i64 head = thread_number() / 32; head < heads; head += thread_count() / 32) {
        float sum = 0;
        for (int h = lane; h < H; h += 32)
            sum = __fmaf_rn(widened(dO[head * H + h]), widened(o[head * H + h]), sum);
        sum = warp_sum(sum);
        if (lane == 0) delta[head] = sum;
    }
}
#define DELTA(T, suffix)                                                                                             \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        attention_delta_##suffix(const T *dO, const T *o, float *delta, i32 rows, i32 N, i32 H) {                    \
        head_sums(dO, o, delta, i64(rows) * N, H);                                                                   \
    }
DELTA(float, f32)
DELTA(bf16, bf16)
#undef DELTA

/* --- dQ by tensor cores: four warps of 16 rows. --- */

template <int H, int KEYS>
GPU void query_gradient_tile(const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dO, const float *lse,
                             const float *delta, bf16 *dQ, const Group &group, const Attention &a, i32 first_row,
                             char *shared) {
    char *q_tile = shared, *dO_tile = q_tile + ROWS * H * 2, *k_tile = dO_tile + ROWS * H * 2;
    char *v_tile = k_tile + KEYS * H * 2;
    const int warp_row = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    const i32 rows = smaller(ROWS, group.rows() - first_row);
    const i32 begin = group.first_key(first_row), end = group.end_key(first_row + rows);

    auto row_offset = [&](int row) { return row < rows ? group.query_index(first_row + row) * H : -1; };
    auto copy_keys = [&](char *tile, const bf16 *x, i32 key) {
        copy_rows<KEYS, H, THREADS>(tile, x, [&](int i) { return key + i < end ? group.key_offset(key + i) : -1; });
        commit_copies();
    };
    copy_rows<ROWS, H, THREADS>(q_tile, q, row_offset);
    copy_rows<ROWS, H, THREADS>(dO_tile, dO, row_offset);
    copy_keys(k_tile, k, begin);
    copy_keys(v_tile, v, begin);

    float *logs = reinterpret_cast<float *>(v_tile + KEYS * H * 2), *deltas = logs + ROWS;
    if (threadIdx.x < ROWS) {
        const bool is_row = int(threadIdx.x) < rows;
        const i64 index = is_row ? group.query_index(first_row + threadIdx.x) : 0;
        logs[threadIdx.x] = is_row ? lse[index] * LOG2_E : 0.0f;
        deltas[threadIdx.x] = is_row ? delta[index] : 0.0f;
    }
    float sums[H / 8][4] = {};
#pragma unroll 1
    for (i32 key = begin; key < end; key += KEYS) {
        wait_for_copies<0>();
        __syncthreads(); /* keys and values have arrived */
        float scores[KEYS / 8][4] = {}, slopes[KEYS / 8][4] = {};
        add_products_transposed<H>(scores, q_tile, warp_row, k_tile, 0);
        add_products_transposed<H>(slopes, dO_tile, warp_row, v_tile, 0);
        __syncthreads(); /* values are free */
        if (key + KEYS < end) copy_keys(v_tile, v, key + KEYS);
        to_scores(scores, a.scale, a.soft_cap);
        if (!group.all_see(first_row, rows, key, KEYS)) mask_scores(scores, group, first_row + warp_row, key);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = warp_row + half * 8 + lane / 4;
            const float log = logs[row], row_delta = deltas[row];
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                for (int i = half * 2; i < half * 2 + 2; i++) {
                    slopes[j][i] = exp2f(scores[j][i] - log) * (slopes[j][i] - row_delta);
                    if (a.soft_cap > 0) slopes[j][i] *= score_slope(scores[j][i], a.soft_cap);
                }
        }
        const LaneOffset<H> place;
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            u32 left[4];
            as_left(left, slopes[2 * i], slopes[2 * i + 1]);
            add_products(sums, left, k_tile, place, i * 16, 0);
        }
        __syncthreads(); /* keys are free */
        if (key + KEYS < end) copy_keys(k_tile, k, key + KEYS);
    }
    /* q is free: each warp writes dQ through its own rows of q. */
    const float factors[2] = {a.scale, a.scale};
    store_rounded<H>(q_tile, sums, warp_row, 0, factors);
    __syncwarp();
#pragma unroll 4
    for (int i = lane; i < 16 * H / 8; i += 32) {
        int row = warp_row + i / (H / 8), column = i % (H / 8) * 8;
        if (row < rows)
            store_vector(dQ + group.query_index(first_row + row) * H + column,
                         load_vector(reinterpret_cast<const bf16 *>(q_tile + piece_offset<H>(row, column))));
    }
}

/*
 * grid: (tiles of 64 rows, K); block: 128; dynamic shared memory: H · (256 + 4 · KEYS) + 512 bytes. With 64,
 * 64 and 32 keys for H = 64, 128, 256 that is 33,280, 66,048 and 98,816. All matrices at multiples of 16
 * bytes.
 */
#define QUERY_GRADIENT(H, KEYS, blocks)                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS, blocks) attention_backward_q_bf16_##H(                     \
        const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dO, const float *lse, const float *delta, bf16 *dQ, \
        const Segment *segments, const Tile *tiles, i32 N, i32 K, float scale, i32 window, float soft_cap) {         \
        DYNAMIC_SHARED(char, shared);                                                                                \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        const Tile tile = tiles[blockIdx.x];                                                                         \
        const Group group(a, segments[tile.segment], blockIdx.y, N / K, 0);                                          \
        query_gradient_tile<H, KEYS>(q, k, v, dO, lse, delta, dQ, group, a, tile.start, shared);                     \
    }
QUERY_GRADIENT(64, 64, 3)
QUERY_GRADIENT(128, 64, 2)
QUERY_GRADIENT(256, 32, 2)
#undef QUERY_GRADIENT

/* --- dK and dV by tensor cores. --- */

/*
 * Where the gradients of keys are written: T, or float32 partials [gridDim.z, 2, keys, K · H] for
 * attention_merge_kv.
 */
template <class T> struct KeyGradients {
    T *dK, *dV;
    float *partials;
    i64 count; /* elements of dK */

    /* Writes elements from i on: of dK if which is 0, otherwise of dV. */
    template <int elements> GPU void store(int which, i64 i, const float *values) const {
#pragma unroll
        for (int e = 0; e < elements; e++) {
            if (gridDim.z > 1)
                partials[(i64(blockIdx.z) * 2 + which) * count + i + e] = values[e];
            else
                (which ? dV : dK)[i + e] = rounded<T>(values[e]);
        }
    }
};

/* Facts about the rows that are multiplied at a time, read one turn ahead. */
constexpr int STEP = 32;
struct RowFacts {
    i64 index[STEP]; /* index of the row's log-sum-exp; negative past the last row */
    i32 position[STEP];
    float log[STEP], delta[STEP];

    GPU void read(const Group &group, i32 first, i32 end, const float *lse, const float *deltas) {
        const int i = threadIdx.x;
        if (i >= STEP) return;
        const bool is_row = first + i < end;
        index[i] = is_row ? group.query_index(first + i) : -1;
        position[i] = is_row ? group.position(first + i) : -1; /* -1 sees no key */
        log[i] = is_row ? lse[index[i]] * LOG2_E : 0.0f;
        delta[i] = is_row ? deltas[index[i]] : 0.0f;
    }
};

/*
 * Four warps. Each computes weights of 16 keys with some of the rows, which all warps share as tiles
 * [KEYS, STEP]. Each also computes gradients of 16 keys in some of the head's columns.
 */
template <int H, int KEYS>
GPU void key_gradient_tile(const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dO, const float *lse,
                           const float *delta, const KeyGradients<bf16> &target, const Group &group,
                           const Attention &a, i32 first_key, char *shared) {
    constexpr int shares = 64 / KEYS, columns = H / shares, row_tiles = STEP / shares / 8;
    char *k_tile = shared, *v_tile = k_tile + KEYS * H * 2, *q_tile = v_tile + KEYS * H * 2;
    char *dO_tile = q_tile + STEP * H * 2, *p_tile = dO_tile + STEP * H * 2, *dS_tile = p_tile + KEYS * STEP * 2;
    /* [2]: those of this turn and of the next. */
    RowFacts *facts = reinterpret_cast<RowFacts *>(dS_tile + KEYS * STEP * 2);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_key = warp / shares * 16, share = warp % shares, share_row = share * (STEP / shares);
    const i32 keys = smaller(KEYS, group.segment.key_count - first_key);
    const i32 begin = group.first_row(first_key), end = group.end_row(first_key + keys);

    auto key_offset = [&](int i) { return i < keys ? group.key_offset(first_key + i) : -1; };
    auto copy_queries = [&](char *tile, const bf16 *x, const RowFacts &rows) {
        copy_rows<STEP, H, THREADS>(tile, x, [&](int i) { return rows.index[i] < 0 ? -1 : rows.index[i] * H; });
        commit_copies();
    };
    copy_rows<KEYS, H, THREADS>(k_tile, k, key_offset);
    copy_rows<KEYS, H, THREADS>(v_tile, v, key_offset);
    facts[0].read(group, begin, end, lse, delta);
    __syncthreads();
    copy_queries(q_tile, q, facts[0]);
    copy_queries(dO_tile, dO, facts[0]);

    float dK[columns / 8][4] = {}, dV[columns / 8][4] = {};
    int turn = 0;
#pragma unroll 1
    for (i32 row = begin; row < end; row += STEP, turn ^= 1) {
        const RowFacts &now = facts[turn], &next = facts[turn ^ 1];
        facts[turn ^ 1].read(group, row + STEP, end, lse, delta);
        wait_for_copies<0>();
        __syncthreads(); /* queries have arrived, the last weights are free */
        float scores[row_tiles][4] = {}, slopes[row_tiles][4] = {};
        add_products_transposed<H>(scores, k_tile, warp_key, q_tile, share_row);
        add_products_transposed<H>(slopes, v_tile, warp_key, dO_tile, share_row);
        to_scores(scores, a.scale, a.soft_cap);
#pragma unroll
        for (int j = 0; j < row_tiles; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int r = share_row + j * 8 + lane % 4 * 2 + i % 2;
                i32 key = first_key + warp_key + i / 2 * 8 + lane / 4;
                bool is_seen = group.sees(now.position[r], key);
                float p = is_seen ? exp2f(scores[j][i] - now.log[r]) : 0.0f;
                slopes[j][i] = p * (slopes[j][i] - now.delta[r]);
                if (a.soft_cap > 0) slopes[j][i] *= score_slope(scores[j][i], a.soft_cap);
                scores[j][i] = p;
            }
        const float ones[2] = {1, 1};
        store_rounded<STEP>(p_tile, scores, warp_key, share_row, ones);
        store_rounded<STEP>(dS_tile, slopes, warp_key, share_row, ones);
        __syncthreads(); /* weights are written */
        const LaneOffset<STEP> left_place;
        const LaneOffset<H> place;
#pragma unroll
        for (int r = 0; r < STEP; r += 16) {
            u32 left[4];
            load_matrix_4(left, p_tile + left_place.at(left_place.direct, warp_key, r));
            add_products(dV, left, dO_tile, place, r, share * columns);
        }
        __syncthreads(); /* gradients of o are free */
        if (row + STEP < end) copy_queries(dO_tile, dO, next);
#pragma unroll
        for (int r = 0; r < STEP; r += 16) {
            u32 left[4];
            load_matrix_4(left, dS_tile + left_place.at(left_place.direct, warp_key, r));
            add_products(dK, left, q_tile, place, r, share * columns);
        }
        __syncthreads(); /* queries are free */
        if (row + STEP < end) copy_queries(q_tile, q, next);
    }
    wait_for_copies<0>();

#pragma unroll
    for (int half = 0; half < 2; half++) {
        int key = warp_key + half * 8 + lane / 4;
        if (key >= keys) continue;
        i64 offset = group.key_offset(first_key + key) + share * columns + lane % 4 * 2;
#pragma unroll
        for (int j = 0; j < columns / 8; j++) {
            float pair[2] = {dK[j][half * 2] * a.scale, dK[j][half * 2 + 1] * a.scale};
            target.template store<2>(0, offset + j * 8, pair);
            target.template store<2>(1, offset + j * 8, dV[j] + half * 2);
        }
    }
}

/*
 * grid: (tiles of KEYS keys, K, splits); block: 128; dynamic shared memory:
 * H · (128 + 4 · KEYS) + 128 · KEYS + 1,280 bytes. With 64, 64 and 32 keys for H = 64, 128, 256 that is
 * 34,048, 58,624 and 70,912. Matrices at multiples of 16 bytes.
 *
 * splits: a divisor of N / K; each takes that share of a group's heads. The kernel writes dK and dV, or with
 * more than one split `partials`, float32 [splits, 2, keys, K · H]. `keys`: rows of k. Only keys of tiles are
 * written.
 */
#define KEY_GRADIENT(H, KEYS, blocks)                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS, blocks) attention_backward_kv_bf16_##H(                    \
        const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dO, const float *lse, const float *delta, bf16 *dK, \
        bf16 *dV, float *partials, const Segment *segments, const Tile *tiles, i32 keys, i32 N, i32 K, float scale,  \
        i32 window, float soft_cap) {                                                                                \
        DYNAMIC_SHARED(char, shared);                                                                                \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        const Tile tile = tiles[blockIdx.x];                                                                         \
        const i32 heads = N / K / gridDim.z;                                                                         \
        const Group group(a, segments[tile.segment], blockIdx.y, heads, blockIdx.z * heads);                         \
        const KeyGradients<bf16> target{dK, dV, partials, i64(keys) * K * H};                                        \
        key_gradient_tile<H, KEYS>(q, k, v, dO, lse, delta, target, group, a, tile.start, shared);                   \
    }
KEY_GRADIENT(64, 64, 3)
KEY_GRADIENT(128, 64, 2)
KEY_GRADIENT(256, 32, 2)
#undef KEY_GRADIENT

/*
 * dK and dV, `count` elements each, as the sums of partials [splits, 2, count], in their order. grid: any, of
 * use up to ceil(2 · count / 256); block: 256.
 */
template <class T> GPU void merge_keys(const float *partials, T *dK, T *dV, i64 count, i32 splits) {
    for (i64 i = thread_number(); i < 2 * count; i += thread_count()) {
        float sum = 0;
        for (i32 split = 0; split < splits; split++) sum += partials[split * 2 * count + i];
        (i < count ? dK[i] : dV[i - count]) = rounded<T>(sum);
    }
}
#define MERGE(T, suffix)                                                                                             \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        attention_merge_kv_##suffix(const float *partials, T *dK, T *dV, i64 count, i32 splits) {                    \
        merge_keys(partials, dK, dV, count, splits);                                                                 \
    }
MERGE(float, f32)
MERGE(bf16, bf16)
#undef MERGE

/* --- Any head size. --- */

constexpr int PLAIN_ROWS = 16, PLAIN_KEYS = 32, WARP_ROWS = 4;

/* sums[i] = the product of row `right_row` of `right` and a row of `left`, for each of WARP_ROWS rows. */
GPU void plain_products(float sums[WARP_ROWS], const float *left, int left_row, const float *right, int right_row,
                        int H) {
    const int stride = plain_stride(H);
#pragma unroll
    for (int i = 0; i < WARP_ROWS; i++) sums[i] = 0;
    for (int h = 0; h < H; h++)
#pragma unroll
        for (int i = 0; i < WARP_ROWS; i++)
            sums[i] = __fmaf_rn(left[(left_row + i) * stride + h], right[right_row * stride + h], sums[i]);
}

/*
 * sums[row + i] += the sum over j of weights[row + i, j] · x[j], for WARP_ROWS rows. A lane takes every 32nd
 * column.
 */
GPU void plain_update(float *sums, int row, const float *weights, int weights_stride, const float *x, int count,
                      int H) {
    const int stride = plain_stride(H), lane = threadIdx.x % 32;
    for (int h = lane; h < H; h += 32) {
        float own[WARP_ROWS];
#pragma unroll
        for (int i = 0; i < WARP_ROWS; i++) own[i] = sums[(row + i) * stride + h];
#pragma unroll 4
        for (int j = 0; j < count; j++)
#pragma unroll
            for (int i = 0; i < WARP_ROWS; i++)
                own[i] = __fmaf_rn(weights[(row + i) * weights_stride + j], x[j * stride + h], own[i]);
#pragma unroll
        for (int i = 0; i < WARP_ROWS; i++) sums[(row + i) * stride + h] = own[i];
    }
}

/* e^(score - lse) and d score / d product if the row sees the key, otherwise zeros. */
struct PlainWeight {
    float p, slope;

    GPU PlainWeight(float product, const Attention &a, float lse, bool is_seen) : p(0), slope(0) {
        if (!is_seen) return;
        Score score(product, a.scale, a.soft_cap);
        p = expf(score.value - lse);
        slope = score.slope * a.scale;
    }
};

template <class T>
GPU void plain_query_gradient(const T *q, const T *k, const T *v, const T *dO, const float *lse, const float *delta,
                              T *dQ, const Group &group, const Attention &a, i32 first_row, float *shared) {
    const int H = a.H, stride = plain_stride(H), lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * WARP_ROWS;
    float *q_tile = shared, *dO_tile = q_tile + PLAIN_ROWS * stride, *sums = dO_tile + PLAIN_ROWS * stride;
    float *keys = sums + PLAIN_ROWS * stride;
    float *weights = keys + PLAIN_KEYS * stride; /* [PLAIN_ROWS, PLAIN_KEYS] */
    const i32 rows = smaller(PLAIN_ROWS, group.rows() - first_row);
    const i32 end = group.end_key(first_row + rows);
    auto row_offset = [&](int row) { return row < rows ? group.query_index(first_row + row) * H : -1; };
    load_plain(q_tile, q, PLAIN_ROWS, H, row_offset);
    load_plain(dO_tile, dO, PLAIN_ROWS, H, row_offset);
    for (int i = threadIdx.x; i < PLAIN_ROWS * stride; i += THREADS) sums[i] = 0;
    float logs[WARP_ROWS], deltas[WARP_ROWS];
#pragma unroll
    for (int i = 0; i < WARP_ROWS; i++) {
        bool is_row = warp_row + i < rows;
        logs[i] = is_row ? lse[group.query_index(first_row + warp_row + i)] : 0.0f;
        deltas[i] = is_row ? delta[group.query_index(first_row + warp_row + i)] : 0.0f;
    }
    for (i32 key = group.first_key(first_row); key < end; key += PLAIN_KEYS) {
        auto key_offset = [&](int i) { return key + i < end ? group.key_offset(key + i) : -1; };
        float products[WARP_ROWS], slopes[WARP_ROWS];
        __syncthreads();
        load_plain(keys, v, PLAIN_KEYS, H, key_offset);
        __syncthreads();
        plain_products(slopes, dO_tile, warp_row, keys, lane, H);
        __syncthreads();
        load_plain(keys, k, PLAIN_KEYS, H, key_offset);
        __syncthreads();
        plain_products(products, q_tile, warp_row, keys, lane, H);
#pragma unroll
        for (int i = 0; i < WARP_ROWS; i++) {
            bool is_seen = warp_row + i < rows && group.sees(group.position(first_row + warp_row + i), key + lane);
            PlainWeight weight(products[i], a, logs[i], is_seen);
            weights[(warp_row + i) * PLAIN_KEYS + lane] = weight.p * (slopes[i] - deltas[i]) * weight.slope;
        }
        __syncwarp();
        plain_update(sums, warp_row, weights, PLAIN_KEYS, keys, PLAIN_KEYS, H);
    }
    for (int i = 0; i < WARP_ROWS && warp_row + i < rows; i++)
        for (int h = lane; h < H; h += 32)
            dQ[row_offset(warp_row + i) + h] = rounded<T>(sums[(warp_row + i) * stride + h]);
}

template <class T>
GPU void plain_key_gradient(const T *q, const T *k, const T *v, const T *dO, const float *lse, const float *delta,
                            const KeyGradients<T> &target, const Group &group, const Attention &a, i32 first_key,
                            float *shared) {
    const int H = a.H, stride = plain_stride(H), size = 16 * stride, lane = threadIdx.x % 32;
    float *k_tile = shared, *v_tile = k_tile + size, *dK = v_tile + size, *dV = dK + size, *q_tile = dV + size;
    float *dO_tile = q_tile + size, *p = dO_tile + size, *dS = p + 256; /* [16 keys, 16 rows] */
    const i32 keys = smaller(16, group.segment.key_count - first_key);
    const i32 end = group.end_row(first_key + keys);
    auto key_offset = [&](int i) { return i < keys ? group.key_offset(first_key + i) : -1; };
    load_plain(k_tile, k, 16, H, key_offset);
    load_plain(v_tile, v, 16, H, key_offset);
    for (int i = threadIdx.x; i < 2 * size; i += THREADS) dK[i] = 0;
    for (i32 row = group.first_row(first_key); row < end; row += 16) {
        auto row_offset = [&](int i) { return row + i < end ? group.query_index(row + i) * H : -1; };
        __syncthreads();
        load_plain(q_tile, q, 16, H, row_offset);
        load_plain(dO_tile, dO, 16, H, row_offset);
        __syncthreads();
#pragma unroll 1
        for (int i = threadIdx.x; i < 256; i += THREADS) {
            const int key = i % 16, r = i / 16;
            float product = 0, slope = 0;
#pragma unroll 4
            for (int h = 0; h < H; h++) {
                product = __fmaf_rn(q_tile[r * stride + h], k_tile[key * stride + h], product);
                slope = __fmaf_rn(dO_tile[r * stride + h], v_tile[key * stride + h], slope);
            }
            const bool is_seen = row + r < end && key < keys && group.sees(group.position(row + r), first_key + key);
            const i64 index = is_seen ? group.query_index(row + r) : 0;
            PlainWeight weight(product, a, is_seen ? lse[index] : 0.0f, is_seen);
            p[key * 16 + r] = weight.p;
            dS[key * 16 + r] = is_seen ? weight.p * (slope - delta[index]) * weight.slope : 0.0f;
        }
        __syncthreads();
        plain_update(dV, threadIdx.x / 32 * WARP_ROWS, p, 16, dO_tile, 16, H);
        plain_update(dK, threadIdx.x / 32 * WARP_ROWS, dS, 16, q_tile, 16, H);
    }
    __syncthreads();
    for (int key = threadIdx.x / 32; key < keys; key += THREADS / 32)
        for (int h = lane; h < H; h += 32) {
            target.template store<1>(0, key_offset(key) + h, dK + key * stride + h);
            target.template store<1>(1, key_offset(key) + h, dV + key * stride + h);
        }
}

/*
 * Of queries: grid: (tiles of 16 rows, K); block: 128; dynamic shared memory: 320 · (H | 1) + 2,048 bytes
 * (84,288 for H = 256). Of keys: grid: (tiles of 16 keys, K, splits), with splits as in KEY_GRADIENT; block:
 * 128; dynamic shared memory: 384 · (H | 1) + 2,048 bytes (100,736 for H = 256).
 */
#define PLAIN_GRADIENTS(T, suffix)                                                                                   \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_backward_q_##suffix(                             \
        const T *q, const T *k, const T *v, const T *dO, const float *lse, const float *delta, T *dQ,                \
        const Segment *segments, const Tile *tiles, i32 N, i32 K, i32 H, float scale, i32 window, float soft_cap) {  \
        DYNAMIC_SHARED(float, shared);                                                                               \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        const Tile tile = tiles[blockIdx.x];                                                                         \
        const Group group(a, segments[tile.segment], blockIdx.y, N / K, 0);                                          \
        plain_query_gradient(q, k, v, dO, lse, delta, dQ, group, a, tile.start, shared);                             \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_backward_kv_##suffix(                            \
        const T *q, const T *k, const T *v, const T *dO, const float *lse, const float *delta, T *dK, T *dV,         \
        float *partials, const Segment *segments, const Tile *tiles, i32 keys, i32 N, i32 K, i32 H, float scale,     \
        i32 window, float soft_cap) {                                                                                \
        DYNAMIC_SHARED(float, shared);                                                                               \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        const Tile tile = tiles[blockIdx.x];                                                                         \
        const i32 heads = N / K / gridDim.z;                                                                         \
        const Group group(a, segments[tile.segment], blockIdx.y, heads, blockIdx.z * heads);                         \
        const KeyGradients<T> target{dK, dV, partials, i64(keys) * K * H};                                           \
        plain_key_gradient(q, k, v, dO, lse, delta, target, group, a, tile.start, shared);                           \
    }
PLAIN_GRADIENTS(float, f32)
PLAIN_GRADIENTS(bf16, bf16)
#undef PLAIN_GRADIENTS
