/*
 * The attention of attention.cu for segments of one query each, which read many keys. Blocks share the keys,
 * and a second kernel merges their results. Everything that changes from token to token is in device memory,
 * so that a CUDA graph can be replayed.
 *
 *   attention_decode_{f32,bf16}     sums over `keys_per_split` keys each
 *   attention_merge_{f32,bf16}      o and the log-sum-exp from these sums
 */
#include "attention.cuh"

/* Heads and keys that a block takes at a time; most elements of a head that a thread sums. */
constexpr int THREADS = 128, HEADS = 8, KEYS = 32, LANES = 8, PAIRS = 2;

/* Some neighbours, widened. */
template <int count, class T> GPU void load_widened(float (&values)[count], const T *x) {
    struct alignas(count * sizeof(T) < 16 ? count * sizeof(T) : 16) Run {
        T at[count];
    };
    Run run = *reinterpret_cast<const Run *>(x);
#pragma unroll
    for (int i = 0; i < count; i++) values[i] = widened(run.at[i]);
}

/* What a block has summed of a head: e^(score - most) · v in o [H], and the sum of e^(score - most). */
struct PartialPlace {
    float *o, *statistics;

    GPU PartialPlace(float *partials, i64 parts, i64 part, i32 H)
        : o(partials + part * H), statistics(partials + parts * H + part * 2) {}
};

/*
 * Products of HEADS queries with the keys `own` and `own` + 16 of a chunk: a group of 8 lanes has two keys.
 * Lanes take runs of `run` elements at a time.
 */
template <int run, class T>
GPU void multiply_keys(float (&products)[2][HEADS], const float *queries, const T *const keys[2], int lane, i32 H) {
    for (int h = lane * run; h < H; h += LANES * run) {
        float values[2][run];
#pragma unroll
        for (int i = 0; i < 2; i++)
            if (keys[i]) load_widened(values[i], keys[i] + h);
#pragma unroll
        for (int head = 0; head < HEADS; head++)
#pragma unroll
            for (int e = 0; e < run; e++) {
                float query = queries[head * H + h + e];
#pragma unroll
                for (int i = 0; i < 2; i++)
                    if (keys[i]) products[i][head] = __fmaf_rn(query, values[i][e], products[i][head]);
            }
    }
}

/* sums += weights [HEADS, KEYS] times the `count` keys' values in elements h and h + 1. */
template <bool is_pair, class T>
GPU void add_values(float (&sums)[HEADS][2], const float *weights, const T *values, i64 stride, int count, int h) {
#pragma unroll 8
    for (int j = 0; j < count; j++) {
        float pair[2] = {};
        if (is_pair)
            load_widened(pair, values + j * stride + h);
        else
            pair[0] = widened(values[j * stride + h]);
#pragma unroll
        for (int head = 0; head < HEADS; head++)
#pragma unroll
            for (int e = 0; e < 2; e++) sums[head][e] = __fmaf_rn(weights[head * KEYS + j], pair[e], sums[head][e]);
    }
}

template <class T>
GPU void decode(const T *q, const T *k, const T *v, float *partials, const Segment &segment, const Attention &a,
                i32 keys_per_split, float *shared) {
    const i32 H = a.H, group_heads = a.N / a.K, chunks = (group_heads + HEADS - 1) / HEADS;
    const i32 key_head = blockIdx.y / chunks, chunk = blockIdx.y % chunks;
    const i32 heads = smaller(HEADS, group_heads - chunk * HEADS), first_head = key_head * group_heads + chunk * HEADS;
    const i32 seen = a.window ? larger(0, segment.key_count - a.window) : 0;
    const i32 begin = larger(seen, blockIdx.x * keys_per_split);
    const i32 end = smaller(segment.key_count, (blockIdx.x + 1) * keys_per_split);
    const i64 stride = i64(a.K) * H, first = (i64(segment.key_start) * a.K + key_head) * H;
    float *queries = shared, *weights = queries + HEADS * H, *facts = weights + HEADS * KEYS;
    float *most = facts, *denominators = facts + HEADS, *factors = facts + 2 * HEADS;

    for (int i = threadIdx.x; i < HEADS * H; i += THREADS)
        queries[i] = i < heads * H ? widened(q[(i64(segment.query_start) * a.N + first_head) * H + i]) : 0.0f;
    if (threadIdx.x < HEADS) {
        most[threadIdx.x] = negative_infinity();
        denominators[threadIdx.x] = 0;
    }
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, own = threadIdx.x / LANES;
    const bool is_vector = H % LANES == 0 && is_aligned(k) && is_aligned(v), is_even = H % 2 == 0 && is_aligned(v);
    float sums[PAIRS][HEADS][2] = {};
    for (i32 key = begin; key < end; key += KEYS) {
        const int count = smaller(KEYS, end - key);
        const T *keys[2];
#pragma unroll
        for (int i = 0; i < 2; i++)
            keys[i] = own + i * 16 < count ? k + first + (key + own + i * 16) * stride : nullptr;
        __syncthreads(); /* queries have arrived, the last weights are free */
        float products[2][HEADS] = {};
        if (is_vector)
            multiply_keys<LANES>(products, queries, keys, lane % LANES, H);
        else
            multiply_keys<1>(products, queries, keys, lane % LANES, H);
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int head = 0; head < HEADS; head++) {
                float product = products[i][head];
#pragma unroll
                for (int lanes = LANES / 2; lanes; lanes >>= 1) product += __shfl_xor_sync(0xFFFFFFFFu, product, lanes);
                if (lane % LANES == head) weights[head * KEYS + own + i * 16] = product;
            }
        __syncthreads(); /* products are written */
        for (int head = warp; head < HEADS; head += THREADS / 32) {
            float score = lane < count ? Score(weights[head * KEYS + lane], a.scale, a.soft_cap).value
                                       : negative_infinity();
            float old = most[head], top = fmaxf(old, warp_maximum(score)), weight = expf(score - top);
            float sum = warp_sum(weight);
            weights[head * KEYS + lane] = weight;
            if (lane == 0) {
                factors[head] = expf(old - top);
                denominators[head] = denominators[head] * factors[head] + sum;
                most[head] = top;
            }
        }
        __syncthreads(); /* weights are written */
#pragma unroll
        for (int pair = 0; pair < PAIRS; pair++) {
            const int h = (threadIdx.x + pair * THREADS) * 2;
            if (h >= H) continue;
#pragma unroll
            for (int head = 0; head < HEADS; head++)
#pragma unroll
                for (int e = 0; e < 2; e++) sums[pair][head][e] *= factors[head];
            const T *values = v + first + key * stride;
            if (is_even) {
                add_values<true>(sums[pair], weights, values, stride, count, h);
            } else {
                float left[HEADS][2], right[HEADS][2];
#pragma unroll
                for (int head = 0; head < HEADS; head++) {
                    left[head][0] = sums[pair][head][0], right[head][0] = sums[pair][head][1];
                    left[head][1] = right[head][1] = 0;
                }
                add_values<false>(left, weights, values, stride, count, h);
                if (h + 1 < H) add_values<false>(right, weights, values, stride, count, h + 1);
#pragma unroll
                for (int head = 0; head < HEADS; head++)
                    sums[pair][head][0] = left[head][0], sums[pair][head][1] = right[head][0];
            }
        }
    }
    __syncthreads();
    const i64 parts = i64(gridDim.z) * gridDim.x * a.N, first_part = (i64(blockIdx.z) * gridDim.x + blockIdx.x) * a.N;
#pragma unroll
    for (int head = 0; head < HEADS; head++) {
        if (head >= heads) continue;
        const PartialPlace place(partials, parts, first_part + first_head + head, H);
#pragma unroll
        for (int pair = 0; pair < PAIRS; pair++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                const int h = (threadIdx.x + pair * THREADS) * 2 + e;
                if (h < H) place.o[h] = sums[pair][head][e];
            }
        if (threadIdx.x == 0) {
            place.statistics[0] = most[head];
            place.statistics[1] = denominators[head];
        }
    }
}

/*
 * grid: (splits, K · ceil(N / K / 8), segments); block: 128; dynamic shared memory: 32 · H + 1,152 bytes. H
 * is at most 512. keys_per_split · splits is at least the keys of the longest segment (a block without keys
 * writes an empty part). Only the first query of a segment is computed. partials: float32
 * [segments · splits · N · (H + 2)].
 */
#define DECODE(T, suffix)                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, 3) attention_decode_##suffix(                              \
        const T *q, const T *k, const T *v, float *partials, const Segment *segments, i32 N, i32 K, i32 H,           \
        float scale, i32 window, float soft_cap, i32 keys_per_split) {                                               \
        DYNAMIC_SHARED(float, shared);                                                                               \
        const Attention a{N, K, H, scale, window, soft_cap};                                                         \
        decode(q, k, v, partials, segments[blockIdx.z], a, keys_per_split, shared);                                  \
    }
DECODE(float, f32)
DECODE(bf16, bf16)
#undef DECODE

template <class T>
GPU void merge(const float *partials, T *o, float *lse, const Segment &segment, i32 N, i32 H, i32 splits) {
    const i64 head = blockIdx.x, parts = i64(gridDim.y) * splits * N, part = i64(blockIdx.y) * splits * N + head;
    auto place = [&](i32 split) {
        return PartialPlace(const_cast<float *>(partials), parts, part + i64(split) * N, H);
    };
    float most = negative_infinity(), denominator = 0;
    for (i32 split = 0; split < splits; split++) most = fmaxf(most, place(split).statistics[0]);
    for (i32 split = 0; split < splits; split++)
        denominator += place(split).statistics[1] * expf(place(split).statistics[0] - most);
    const i64 row = i64(segment.query_start) * N + head;
    for (int h = threadIdx.x; h < H; h += THREADS) {
        float sum = 0;
        for (i32 split = 0; split < splits; split++)
            sum = __fmaf_rn(place(split).o[h], expf(place(split).statistics[0] - most), sum);
        o[row * H + h] = rounded<T>(sum / denominator);
    }
    if (threadIdx.x == 0) lse[row] = most + logf(denominator);
}

/* grid: (N, segments); block: 128. */
#define MERGE(T, suffix)                                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_merge_##suffix(                                  \
        const float *partials, T *o, float *lse, const Segment *segments, i32 N, i32 H, i32 splits) {                \
        merge(partials, o, lse, segments[blockIdx.y], N, H, splits);                                                 \
    }
MERGE(float, f32)
MERGE(bf16, bf16)
#undef MERGE
