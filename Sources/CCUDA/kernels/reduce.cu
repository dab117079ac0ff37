/* Sums over whole tensors, in double precision and a fixed order. All kernels: block: 256. */
#include "gpu.cuh"

/* A tensor. */
struct TensorRun {
    const void *values;
    i64 count;
    i32 type;                  /* 0 float32, 1 bfloat16 */
    i32 unused;
};

/* Up to 16384 elements of a tensor, from index · 16384 on. */
struct Chunk {
    i32 tensor, index;
};
const i64 chunk_elements = 16384;

/*
 * This thread's share of the squares of `count` elements. It is equal for a bfloat16 tensor and its float32
 * copy.
 */
template <class T> GPU double sum_of_squares(const T *values, i64 count) {
    double sum = 0;
    for_each(is_aligned(values), count, threadIdx.x, 256, [&](i64 i, auto width) {
        float x[width.value];
        load(values + i, x);
        for (int k = 0; k < width.value; k++) sum += double(x[k]) * double(x[k]);
    });
    return sum;
}

/* partials[chunk] = sum of the chunk's squares. grid: chunks. */
extern "C" __global__ void __launch_bounds__(256)
square_sums(const TensorRun *runs, const Chunk *chunks, double *partials) {
    __shared__ double scratch[32];
    const Chunk chunk = chunks[blockIdx.x];
    const TensorRun run = runs[chunk.tensor];
    const i64 start = chunk.index * chunk_elements, left = run.count - start;
    const i64 count = left < chunk_elements ? left : chunk_elements;
    double sum = run.type ? sum_of_squares(static_cast<const bf16 *>(run.values) + start, count)
                          : sum_of_squares(static_cast<const float *>(run.values) + start, count);
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

/*
 * norms[t] = norm of tensor t, whose chunks are firstChunk[t] ..< firstChunk[t + 1]; norms[count] = norm of
 * all; norms[count + 1] = min(1, maxNorm / (norm + 1e-6)), or 1 when maxNorm is 0; NaN when the norm is not
 * finite. grid: 1.
 */
extern "C" __global__ void __launch_bounds__(256)
norm_and_clip(const double *partials, const i32 *firstChunk, i32 count, double maxNorm, float *norms) {
    __shared__ double scratch[32];
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    double total = 0;
    for (i32 tensor = warp; tensor < count; tensor += 8) {
        double sum = 0;
        for (i32 chunk = firstChunk[tensor] + lane; chunk < firstChunk[tensor + 1]; chunk += 32) sum += partials[chunk];
        sum = warp_reduce(sum, Sum());
        if (lane == 0) norms[tensor] = float(sqrt(sum));
        total += sum;
    }
    total = sqrt(block_sum(lane == 0 ? total : 0.0, scratch));
    if (threadIdx.x != 0) return;
    const double factor = maxNorm / (total + 1e-6);
    norms[count] = float(total);
    norms[count + 1] = !(total < 1.0 / 0.0) ? __uint_as_float(0x7FC00000u)
        : maxNorm == 0 || factor > 1        ? 1.0f
                                            : float(factor);
}

/* *y = sum of x. grid: 1. */
extern "C" __global__ void __launch_bounds__(256) sum_float(const float *x, i64 n, float *y) {
    __shared__ double scratch[32];
    double sum = 0;
    for_each(is_aligned(x), n, threadIdx.x, 256, [&](i64 i, auto count) {
        float a[count.value];
        load(x + i, a);
        for (int k = 0; k < count.value; k++) sum += double(a[k]);
    });
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *y = float(sum);
}
