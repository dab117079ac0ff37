/*
 * Root-mean-square norm over rows of D elements, Gemma's: y = x / sqrt(mean(x²) + epsilon) · (1 + weight).
 *
 * Kernels of rows: grid: `rows`, or ceil(rows / 8) when D <= 512; block: 256. One block has a row, or one
 * warp. Outputs may be inputs of the same shape.
 */
#include "gpu.cuh"

/* Rows of up to this many elements have one warp each. */
const i32 warp_width = 512;

/* The threads that share a row, and the row's index, which may lie past the end. */
struct Team {
    i64 row;
    i32 thread, threads;
    float *scratch;

    GPU Team(i32 D, float *scratch) : scratch(scratch) {
        const bool is_warp = D <= warp_width;
        row = is_warp ? i64(blockIdx.x) * 8 + threadIdx.x / 32 : i64(blockIdx.x);
        thread = is_warp ? threadIdx.x % 32 : threadIdx.x;
        threads = is_warp ? 32 : 256;
    }
    /* The sum over the threads, in a fixed order. */
    GPU float sum(float x) const { return threads == 32 ? warp_sum(x) : block_sum(x, scratch); }
};

/* Writes y and rstd of a row. The row is x, or `sum` after x + other was written there. */
template <bool has_other, class T>
GPU void forward(const T *x, const T *other, const T *weight, T *sum, T *y, float *rstd, i32 rows, i32 D,
                 float epsilon) {
    __shared__ float scratch[32];
    const Team team(D, scratch);
    if (team.row >= rows) return;
    const i64 start = team.row * D;
    x += start;
    other += start;
    sum += start;
    y += start;
    const bool vectors = has_vectors(D, x, weight, y) && (!has_other || has_vectors(D, other, sum));
    float squares = 0;
    for_each(vectors, D, team.thread, team.threads, [&](i64 i, auto count) {
        float a[count.value];
        load(x + i, a);
        if (has_other) {
            float b[count.value];
            load(other + i, b);
            for (int k = 0; k < count.value; k++) a[k] = widened(rounded<T>(a[k] + b[k]));
            store(sum + i, a);
        }
        for (int k = 0; k < count.value; k++) squares += a[k] * a[k];
    });
    const float factor = 1.0f / sqrtf(team.sum(squares) / float(D) + epsilon);
    if (team.thread == 0) rstd[team.row] = factor;
    /* Each thread reads only elements that it wrote itself. */
    const T *normed = has_other ? sum : x;
    for_each(vectors, D, team.thread, team.threads, [&](i64 i, auto count) {
        float a[count.value], gain[count.value];
        load(normed + i, a);
        load(weight + i, gain);
        for (int k = 0; k < count.value; k++) a[k] = a[k] * factor * (1.0f + gain[k]);
        store(y + i, a);
    });
}

/* dX = rstd · (dY · gain - x · rstd² · mean(dY · gain · x)), plus dSum unless that is null. */
template <class T>
GPU void backward(const T *dY, const T *x, const T *weight, const float *rstd, const T *dSum, T *dX, i32 rows, i32 D) {
    __shared__ float scratch[32];
    const Team team(D, scratch);
    if (team.row >= rows) return;
    const i64 start = team.row * D;
    dY += start;
    x += start;
    dX += start;
    if (dSum) dSum += start;
    const bool vectors = has_vectors(D, dY, x, weight, dX, dSum);
    float projection = 0;
    for_each(vectors, D, team.thread, team.threads, [&](i64 i, auto count) {
        float d[count.value], a[count.value], gain[count.value];
        load(dY + i, d);
        load(x + i, a);
        load(weight + i, gain);
        for (int k = 0; k < count.value; k++) projection += d[k] * (1.0f + gain[k]) * a[k];
    });
    const float factor = rstd[team.row];
    const float c = team.sum(projection) * factor * factor / float(D);
    for_each(vectors, D, team.thread, team.threads, [&](i64 i, auto count) {
        float d[count.value], a[count.value], gain[count.value];
        load(dY + i, d);
        load(x + i, a);
        load(weight + i, gain);
        for (int k = 0; k < count.value; k++) d[k] = factor * (d[k] * (1.0f + gain[k]) - c * a[k]);
        if (dSum) {
            load(dSum + i, a);
            for (int k = 0; k < count.value; k++) d[k] += a[k];
        }
        store(dX + i, d);
    });
}

/*
 * partials[part, D] = sum of dY · x · rstd over the part's rows. grid: (ceil(D / 256), parts); block: 256. A
 * warp adds up every eighth row of its part, with 8 columns for each lane. Then the warps are added up in
 * order.
 */
template <class T>
GPU void weight_gradient(const T *dY, const T *x, const float *rstd, float *partials, i32 rows, i32 D,
                         i32 rowsPerPart) {
    __shared__ float sums[8][256];
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const i64 column = i64(blockIdx.x) * 256 + lane * 8;
    const i64 first = i64(blockIdx.y) * rowsPerPart, end = first + rowsPerPart < rows ? first + rowsPerPart : rows;
    const bool vectors = has_vectors(D, dY, x);
    float sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (i64 row = first + warp; row < end && column < D; row += 8) {
        float d[8], a[8];
        const T *of_dY = dY + row * D + column, *of_x = x + row * D + column;
        if (vectors) {
            load(of_dY, d);
            load(of_x, a);
        } else {
            for (int k = 0; k < 8; k++) {
                d[k] = column + k < D ? widened(of_dY[k]) : 0.0f;
                a[k] = column + k < D ? widened(of_x[k]) : 0.0f;
            }
        }
        const float factor = rstd[row];
        for (int k = 0; k < 8; k++) sum[k] += d[k] * a[k] * factor;
    }
    for (int k = 0; k < 8; k++) sums[warp][lane * 8 + k] = sum[k];
    __syncthreads();
    const i64 own = i64(blockIdx.x) * 256 + threadIdx.x;
    if (own >= D) return;
    float total = 0;
    for (int i = 0; i < 8; i++) total += sums[i][threadIdx.x];
    partials[i64(blockIdx.y) * D + own] = total;
}

/* dWeight += the partial sums, in order. grid: ceil(D / 256); block: 256. */
extern "C" __global__ void __launch_bounds__(256)
add_partials(const float *partials, float *dWeight, i32 parts, i32 D) {
    const i64 column = thread_number();
    if (column >= D) return;
    float sum = 0;
    for (i32 part = 0; part < parts; part++) sum += partials[i64(part) * D + column];
    dWeight[column] += sum;
}

#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#define KERNELS(T, suffix)                                                                                           \
    KERNEL rms_norm_forward_##suffix(const T *x, const T *weight, T *y, float *rstd, i32 rows, i32 D,                \
                                     float epsilon) {                                                                \
        forward<false>(x, x, weight, y, y, rstd, rows, D, epsilon);                                                  \
    }                                                                                                                \
    KERNEL add_rms_norm_forward_##suffix(const T *a, const T *b, const T *weight, T *sum, T *y, float *rstd,         \
                                         i32 rows, i32 D, float epsilon) {                                           \
        forward<true>(a, b, weight, sum, y, rstd, rows, D, epsilon);                                                 \
    }                                                                                                                \
    KERNEL rms_norm_backward_##suffix(const T *dY, const T *x, const T *weight, const float *rstd, const T *dSum,    \
                                      T *dX, i32 rows, i32 D) {                                                      \
        backward(dY, x, weight, rstd, dSum, dX, rows, D);                                                            \
    }                                                                                                                \
    KERNEL rms_norm_weight_gradient_##suffix(const T *dY, const T *x, const float *rstd, float *partials, i32 rows,  \
                                             i32 D, i32 rowsPerPart) {                                               \
        weight_gradient(dY, x, rstd, partials, rows, D, rowsPerPart);                                                \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
#undef KERNELS
#undef KERNEL
