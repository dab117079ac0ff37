/*
 * Rows picked from a matrix, rows written to a matrix, and the gradient of picking. All kernels: block: 256.
 */
#include "gpu.cuh"

template <class T> GPU void copy_row(const T *source, T *target, i32 D) {
    for_each(has_vectors(D, source, target), D, threadIdx.x, 256, [&](i64 i, auto count) {
        float x[count.value];
        load(source + i, x);
        store(target + i, x);
    });
}

/*
 * dX[row] = sum of the rows of dY whose index is `row`, in their order; zero if there are none. grid: rows of
 * dX.
 */
template <class T> GPU void scatter(const T *dY, const i32 *rows, T *dX, i32 M, i32 D) {
    __shared__ u32 masks[8];
    const i32 own = blockIdx.x, thread = threadIdx.x;
    T *target = dX + i64(own) * D;
    const bool vectors = has_vectors(D, dY, target);
    const i32 width = vectors ? 8 : 1;
    for (i64 start = 0; start < D; start += 256 * width) {
        const i64 column = start + i64(thread) * width;
        float sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        for_each_match(rows, 0, M, own, masks, [&](i32 row) {
            const T *source = dY + i64(row) * D + column;
            float x[8];
            if (column >= D) return;
            if (vectors) {
                load(source, x);
                for (int k = 0; k < 8; k++) sum[k] += x[k];
            } else {
                sum[0] += widened(source[0]);
            }
        });
        if (column < D && vectors) store(target + column, sum);
        if (column < D && !vectors) target[column] = rounded<T>(sum[0]);
    }
}

/*
 * gather_rows: y[i] = x[rows[i]]; copy_rows: target[rows[i]] = x[i], with distinct indices. grid of both: M.
 */
#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#define KERNELS(T, suffix)                                                                                           \
    KERNEL gather_rows_##suffix(const T *x, const i32 *rows, T *y, i32 M, i32 D) {                                   \
        const i64 row = blockIdx.x;                                                                                  \
        if (row < M) copy_row(x + i64(rows[row]) * D, y + row * D, D);                                               \
    }                                                                                                                \
    KERNEL copy_rows_##suffix(const T *x, const i32 *rows, T *target, i32 M, i32 D) {                                \
        const i64 row = blockIdx.x;                                                                                  \
        if (row < M) copy_row(x + row * D, target + i64(rows[row]) * D, D);                                          \
    }                                                                                                                \
    KERNEL scatter_rows_##suffix(const T *dY, const i32 *rows, T *dX, i32 M, i32 count, i32 D) {                     \
        if (i32(blockIdx.x) < count) scatter(dY, rows, dX, M, D);                                                    \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
#undef KERNELS
#undef KERNEL
