/*
 * Operations on each element by itself. All of them: grid: as many blocks as are useful, at most
 * ceil(n / (16 bytes of elements · 256)); block: 256. Any grid gives the same result. y may be an input.
 */
#include "gpu.cuh"

/* Calls body(i) for each i < n; runs of Vector<T>::count elements by bodies of vectors when `is_vector`. */
template <int lanes, class VectorBody, class Body>
GPU void for_each(bool is_vector, i64 n, VectorBody vector_body, Body body) {
    i64 vectors = is_vector ? n / lanes : 0;
    for (i64 i = thread_number(); i < vectors; i += thread_count()) vector_body(i * lanes);
    for (i64 i = vectors * lanes + thread_number(); i < n; i += thread_count()) body(i);
}

/* y = a + b */
template <class T> GPU void add(const T *a, const T *b, T *y, i64 n) {
    for_each<Vector<T>::count>(
        is_aligned(a) && is_aligned(b) && is_aligned(y), n,
        [=](i64 i) {
            Vector<T> x = load_vector(a + i), z = load_vector(b + i);
            for (int k = 0; k < Vector<T>::count; k++) x.at[k] = rounded<T>(widened(x.at[k]) + widened(z.at[k]));
            store_vector(y + i, x);
        },
        [=](i64 i) { y[i] = rounded<T>(widened(a[i]) + widened(b[i])); });
}

#define KERNELS(T, suffix)                                                                                           \
    extern "C" __global__ void __launch_bounds__(256) add_##suffix(const T *a, const T *b, T *y, i64 n) {            \
        add(a, b, y, n);                                                                                             \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
#undef KERNELS
