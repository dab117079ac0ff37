/*
 * Variable-length causal attention with grouped heads: o = softmax(cap(scale · q · kᵀ)) · v. The soft-max is
 * float32.
 * Source: Dao 2023, "FlashAttention-2", algorithm 1.
 *
 * q, o: [T, N · H]; k, v: [S, K · H]; lse: the log of each soft-max's denominator, float32 [T, N].
 * attention.cuh explains rows and tiles. Tiles lie at multiples of the kernel's rows, in query_count · N / K
 * rows.
 *
 *   attention_forward_bf16_{64,128,256}   that head size, tensor cores; tiles of 64 rows
 *   attention_forward_{f32,bf16}          any head size, float32 arithmetic; tiles of 16 rows
 */
#include "attention.cuh"

constexpr int THREADS = 128, ROWS = 64, KEYS = 64;
static_assert(ROWS <= KEYS, "each row sees one of a tile's first keys: its soft-max starts with a number");

/* The soft-max of a lane's two rows, which is updated along the keys. Scores are in units of ln 2. */
struct OnlineSoftmax {
    float most[2], sums[2]; /* sums: this lane's share */

    /* Turns scores into e^(score - most). factors: the numbers by which earlier sums must be multiplied. */
    template <int tiles> GPU void add(float (&scores)[tiles][4], float factors[2]) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float top = most[half];
#pragma unroll
            for (int j = 0; j < tiles; j++) top = fmaxf(top, fmaxf(scores[j][half * 2], scores[j][half * 2 + 1]));
            top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFu, top, 1));
            top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFu, top, 2));
            factors[half] = exp2f(most[half] - top);
            most[half] = top;
            float sum = 0;
#pragma unroll
            for (int j = 0; j < tiles; j++)
#pragma unroll
                for (int i = half * 2; i < half * 2 + 2; i++) {
                    scores[j][i] = exp2f(scores[j][i] - top);
                    sum += scores[j][i];
                }
            sums[half] = sums[half] * factors[half] + sum;
        }
    }

    /* Adds the sums of the four lanes of a row. */
    GPU void finish() {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            sums[half] += __shfl_xor_sync(0xFFFFFFFFu, sums[half], 1);
            sums[half] += __shfl_xor_sync(0xFFFFFFFFu, sums[half], 2);
        }
    }
};

/*
 * Four warps of 16 rows. Keys are copied asynchronously while the last values are used, and values while keys
 * are.
 */
template <int H>
GPU void forward_tile(const bf16 *q, const bf16 *k, const bf16 *v, bf16 *o, float *lse, const Group &group,
                      const Attention &a, i32 first_row, char *shared) {
    char *q_tile = shared, *k_tile = q_tile + ROWS * H * 2, *v_tile = k_tile + KEYS * H * 2;
    const int warp_row = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    const i32 rows = smaller(ROWS, group.rows() - first_row);
    const i32 begin = group.first_key(first_row), end = group.end_key(first_row + rows);

    auto row_offset = [&](int row) { return row < rows ? group.query_index(first_row + row) * H : -1; };
    auto copy_keys = [&](char *tile, const bf16 *x, i32 key) {
        copy_rows<KEYS, H, THREADS>(tile, x, [&](int i) { return key + i < end ? group.key_offset(key + i) : -1; });
        commit_copies();
    };
    copy_rows<ROWS, H, THREADS>(q_tile, q, row_offset);
    copy_keys(k_tile, k, begin);

    float sums[H / 8][4] = {};
    OnlineSoftmax softmax{{negative_infinity(), negative_infinity()}, {}};
#pragma unroll 1
    for (i32 key = begin; key < end; key += KEYS) {
        wait_for_copies<0>();
        __syncthreads(); /* keys have arrived, the last values are free */
        copy_keys(v_tile, v, key);
        float scores[KEYS / 8][4] = {}, factors[2];
        add_products_transposed<H>(scores, q_tile, warp_row, k_tile, 0);
        to_scores(scores, a.scale, a.soft_cap);
        if (!group.all_see(first_row, rows, key, KEYS)) mask_scores(scores, group, first_row + warp_row, key);
        softmax.add(scores, factors);
        /* Most tiles except for the first have no new largest score. */
        if (__any_sync(0xFFFFFFFFu, factors[0] != 1 || factors[1] != 1)) {
#pragma unroll
            for (int j = 0; j < H / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) sums[j][i] *= factors[i / 2];
        }
        wait_for_copies<0>();
        __syncthreads(); /* values have arrived, the keys are free */
        if (key + KEYS < end) copy_keys(k_tile, k, key + KEYS);
        const LaneOffset<H> place;
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            u32 weights[4];
            as_left(weights, scores[2 * i], scores[2 * i + 1]);
            add_products(sums, weights, v_tile, place, i * 16, 0);
        }
    }

    softmax.finish();
    float inverses[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = warp_row + half * 8 + lane / 4;
        inverses[half] = 1 / softmax.sums[half];
        if (row < rows && lane % 4 == 0)
            lse[group.query_index(first_row + row)] = softmax.most[half] * LN_2 + logf(softmax.sums[half]);
    }
    /* q is free: each warp writes o through its own rows of q, in pieces of 16 bytes. */
    store_rounded<H>(q_tile, sums, warp_row, 0, inverses);
    __syncwarp();
#pragma unroll 4
    for (int i = lane; i < 16 * H / 8; i += 32) {
        int row = warp_row + i / (H / 8), column = i % (H / 8) * 8;
        if (row < rows)
            store_vector(o + group.query_index(first_row + row) * H + column,
                         load_vector(reinterpret_cast<const bf16 *>(q_tile + piece_offset<H>(row, column))));
    }
}

/*
 * grid: (tiles of 64 rows, K); block: 128; dynamic shared memory: 384 · H bytes (98,304 for H = 256).
 * q, k, v, o at multiples of 16 bytes.
 */
#define FORWARD(H, blocks)                                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS, blocks) attention_forward_bf16_##H(                        \
        const bf16 *q, const bf16 *k, const bf16 *v, bf16 *o, float *lse, const Segment *segments,                   \
        const Tile *tiles, i32 N, i32 K, float scale, i32 window, float soft_cap) {                                  \
        DYNAMIC_SHARED(char, shared);                                                                                \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        const Tile tile = tiles[blockIdx.x];                                                                         \
        const Group group(a, segments[tile.segment], blockIdx.y, N / K, 0);                                          \
        forward_tile<H>(q, k, v, o, lse, group, a, tile.start, shared);                                              \
    }
FORWARD(64, 4)
FORWARD(128, 3)
FORWARD(256, 2)
#undef FORWARD

/* --- Any head size. --- */

constexpr int PLAIN_ROWS = 16, PLAIN_KEYS = 32, WARP_ROWS = 4;
static_assert(PLAIN_ROWS <= PLAIN_KEYS, "as above");

/* Four warps of four rows. For the scores each lane takes a key, and then every 32nd element of the head. */
template <class T>
GPU void plain_forward_tile(const T *q, const T *k, const T *v, T *o, float *lse, const Group &group,
                            const Attention &a, i32 first_row, float *shared) {
    const int H = a.H, stride = plain_stride(H), lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * WARP_ROWS;
    float *q_tile = shared, *sums = q_tile + PLAIN_ROWS * stride, *keys = sums + PLAIN_ROWS * stride;
    float *weights = keys + PLAIN_KEYS * stride; /* [PLAIN_ROWS, PLAIN_KEYS] */
    const i32 rows = smaller(PLAIN_ROWS, group.rows() - first_row);
    const i32 end = group.end_key(first_row + rows);
    load_plain(q_tile, q, PLAIN_ROWS, H,
               [&](int row) { return row < rows ? group.query_index(first_row + row) * H : -1; });
    for (int i = threadIdx.x; i < PLAIN_ROWS * stride; i += THREADS) sums[i] = 0;

    float most[WARP_ROWS], denominators[WARP_ROWS] = {};
    for (int i = 0; i < WARP_ROWS; i++) most[i] = negative_infinity();
    for (i32 key = group.first_key(first_row); key < end; key += PLAIN_KEYS) {
        auto key_offset = [&](int i) { return key + i < end ? group.key_offset(key + i) : -1; };
        __syncthreads();
        load_plain(keys, k, PLAIN_KEYS, H, key_offset);
        __syncthreads();
        float products[WARP_ROWS] = {}, factors[WARP_ROWS];
        for (int h = 0; h < H; h++)
#pragma unroll
            for (int i = 0; i < WARP_ROWS; i++)
                products[i] = __fmaf_rn(q_tile[(warp_row + i) * stride + h], keys[lane * stride + h], products[i]);
#pragma unroll
        for (int i = 0; i < WARP_ROWS; i++) {
            bool is_seen = group.sees(group.position(first_row + warp_row + i), key + lane);
            float score = is_seen ? Score(products[i], a.scale, a.soft_cap).value : negative_infinity();
            float top = fmaxf(most[i], warp_maximum(score)), weight = expf(score - top);
            factors[i] = expf(most[i] - top);
            most[i] = top;
            denominators[i] = denominators[i] * factors[i] + warp_sum(weight);
            weights[(warp_row + i) * PLAIN_KEYS + lane] = weight;
        }
        __syncthreads();
        load_plain(keys, v, PLAIN_KEYS, H, key_offset);
        __syncthreads();
        for (int h = lane; h < H; h += 32) {
            float own[WARP_ROWS];
#pragma unroll
            for (int i = 0; i < WARP_ROWS; i++) own[i] = sums[(warp_row + i) * stride + h] * factors[i];
            for (int j = 0; j < PLAIN_KEYS; j++)
#pragma unroll
                for (int i = 0; i < WARP_ROWS; i++)
                    own[i] = __fmaf_rn(weights[(warp_row + i) * PLAIN_KEYS + j], keys[j * stride + h], own[i]);
#pragma unroll
            for (int i = 0; i < WARP_ROWS; i++) sums[(warp_row + i) * stride + h] = own[i];
        }
    }
#pragma unroll
    for (int i = 0; i < WARP_ROWS; i++) {
        if (warp_row + i >= rows) continue;
        i64 index = group.query_index(first_row + warp_row + i);
        for (int h = lane; h < H; h += 32)
            o[index * H + h] = rounded<T>(sums[(warp_row + i) * stride + h] / denominators[i]);
        if (lane == 0) lse[index] = most[i] + logf(denominators[i]);
    }
}

/*
 * grid: (tiles of 16 rows, K); block: 128; dynamic shared memory: 256 · (H | 1) + 2,048 bytes (67,840 for
 * H = 256).
 */
#define PLAIN_FORWARD(T, suffix)                                                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_forward_##suffix(                                \
        const T *q, const T *k, const T *v, T *o, float *lse, const Segment *segments, const Tile *tiles, i32 N,     \
        i32 K, i32 H, float scale, i32 window, float soft_cap) {                                                     \
        DYNAMIC_SHARED(float, shared);                                                                               \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        const Tile tile = tiles[blockIdx.x];                                                                         \
        const Group group(a, segments[tile.segment], blockIdx.y, N / K, 0);                                          \
        plain_forward_tile(q, k, v, o, lse, group, a, tile.start, shared);                                           \
    }
PLAIN_FORWARD(float, f32)
PLAIN_FORWARD(bf16, bf16)
#undef PLAIN_FORWARD
