/* Rows of an embedding table, and their gradient. All kernels: grid: rows (tokens); block: 256. */
#include "gpu.cuh"

/* y[row] = scale · table[ids[row]] */
template <class T> GPU void forward(const i32 *ids, const T *table, T *y, i32 D, float scale) {
    const T *source = table + i64(ids[blockIdx.x]) * D;
    T *target = y + i64(blockIdx.x) * D;
    for_each(has_vectors(D, source, target), D, threadIdx.x, 256, [&](i64 i, auto count) {
        float x[count.value];
        load(source + i, x);
        for (int k = 0; k < count.value; k++) x[k] *= scale;
        store(target + i, x);
    });
}

/*
 * dTable[id] += scale · dY of all rows with that id, in their order. The block of the first such row does
 * this. The other blocks end at once.
 */
template <class T> GPU void backward(const T *dY, const i32 *ids, float scale, float *dTable, i32 rows, i32 D) {
    __shared__ u32 masks[8];
    const i32 own = blockIdx.x, thread = threadIdx.x, id = ids[own];
    bool is_first = true;
    for (i32 row = thread; row < own; row += 256) is_first = is_first && ids[row] != id;
    if (__syncthreads_or(!is_first)) return;
    float *target = dTable + i64(id) * D;
    const bool vectors = has_vectors(D, dY, target);
    /* All threads take part in the search for rows, even those without a column. */
    const i32 width = vectors ? 8 : 1;
    for (i64 start = 0; start < D; start += 256 * width) {
        const i64 column = start + i64(thread) * width;
        float sum[8];
        if (column < D && vectors) load(target + column, sum);
        if (column < D && !vectors) sum[0] = target[column];
        for_each_match(ids, own, rows, id, masks, [&](i32 row) {
            const T *source = dY + i64(row) * D + column;
            float x[8];
            if (column >= D) return;
            if (vectors) {
                load(source, x);
                for (int k = 0; k < 8; k++) sum[k] += scale * x[k];
            } else {
                sum[0] += scale * widened(source[0]);
            }
        });
        if (column < D && vectors) store(target + column, sum);
        if (column < D && !vectors) target[column] = sum[0];
    }
}

#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#define KERNELS(T, suffix)                                                                                           \
    KERNEL embedding_forward_##suffix(const i32 *ids, const T *table, T *y, i32 rows, i32 D, float scale) {          \
        if (i32(blockIdx.x) < rows) forward(ids, table, y, D, scale);                                                \
    }                                                                                                                \
    KERNEL embedding_backward_##suffix(const T *dY, const i32 *ids, float scale, float *dTable, i32 rows, i32 D) {   \
        if (i32(blockIdx.x) < rows) backward(dY, ids, scale, dTable, rows, D);                                       \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
#undef KERNELS
#undef KERNEL
