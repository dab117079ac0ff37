/*
 * Operations on each element by itself. An output may be an input.
 * All kernels: block: 256; grid: any, of use up to ceil(n / 2048), with one result for all.
 */
#include "gpu.cuh"

/* Calls body(i, Count) for all elements: for eight at a time when all pointers are aligned. */
template <class Body, class... Pointers> GPU void for_all(i64 n, Body body, Pointers... pointers) {
    for_each((is_aligned(pointers) && ...), n, thread_number(), thread_count(), body);
}

/* y = a + b */
template <class T> GPU void add(const T *a, const T *b, T *y, i64 n) {
    for_all(
        n,
        [=](i64 i, auto count) {
            float x[count.value], z[count.value];
            load(a + i, x);
            load(b + i, z);
            for (int k = 0; k < count.value; k++) x[k] += z[k];
            store(y + i, x);
        },
        a, b, y);
}

/* sum += x */
template <class T> GPU void accumulate(const T *x, float *sum, i64 n) {
    for_all(
        n,
        [=](i64 i, auto count) {
            float a[count.value], b[count.value];
            load(x + i, a);
            load(sum + i, b);
            for (int k = 0; k < count.value; k++) b[k] += a[k];
            store(sum + i, b);
        },
        x, sum);
}

/* y = scale · x */
template <class Source, class Result> GPU void convert(const Source *x, Result *y, float scale, i64 n) {
    for_all(
        n,
        [=](i64 i, auto count) {
            float a[count.value];
            load(x + i, a);
            for (int k = 0; k < count.value; k++) a[k] *= scale;
            store(y + i, a);
        },
        x, y);
}

/* y = 0 if the uniform number of (key, i) is below `probability`, otherwise x / (1 - probability). */
template <class T> GPU void dropout(const T *x, T *y, float probability, u64 key, i64 n) {
    const float kept = 1.0f / (1.0f - probability);
    for_all(
        n,
        [=](i64 i, auto count) {
            float a[count.value];
            load(x + i, a);
            for (int k = 0; k < count.value; k++) {
                const float uniform = float(i32(random_bits(key, u64(i + k)) >> 40)) * 0x1p-24f;
                a[k] = uniform < probability ? 0.0f : a[k] * kept;
            }
            store(y + i, a);
        },
        x, y);
}

const float root_2_over_pi = 0.79788456080286535588f;
const float cubic = 0.044715f;

/*
 * (1 + tanh(u)) / 2 with u = sqrt(2/pi) · (x + cubic · x³). In the form 1 / (1 + e^-2u), nothing cancels for
 * negative x.
 */
template <class T> GPU float gate_share(float x) {
    return reciprocal<T>(1.0f + exponential<T>(-2.0f * root_2_over_pi * (x + cubic * x * x * x)));
}

/* y = gelu(gate) · up, gelu with the tanh approximation. */
template <class T> GPU void geglu_forward(const T *gate, const T *up, T *y, i64 n) {
    for_all(
        n,
        [=](i64 i, auto count) {
            float x[count.value], u[count.value];
            load(gate + i, x);
            load(up + i, u);
            for (int k = 0; k < count.value; k++) x[k] = x[k] * gate_share<T>(x[k]) * u[k];
            store(y + i, x);
        },
        gate, up, y);
}

/* dGate = dY · up · gelu'(gate); dUp = dY · gelu(gate). */
template <class T> GPU void geglu_backward(const T *dY, const T *gate, const T *up, T *dGate, T *dUp, i64 n) {
    for_all(
        n,
        [=](i64 i, auto count) {
            float d[count.value], x[count.value], u[count.value];
            load(dY + i, d);
            load(gate + i, x);
            load(up + i, u);
            for (int k = 0; k < count.value; k++) {
                const float share = gate_share<T>(x[k]);
                const float slope =
                    2.0f * root_2_over_pi * (1.0f + 3.0f * cubic * x[k] * x[k]) * share * (1.0f - share);
                u[k] = d[k] * u[k] * (share + x[k] * slope);
                d[k] = d[k] * x[k] * share;
            }
            store(dGate + i, u);
            store(dUp + i, d);
        },
        dY, gate, up, dGate, dUp);
}

#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#define KERNELS(T, suffix)                                                                                           \
    KERNEL add_##suffix(const T *a, const T *b, T *y, i64 n) { add(a, b, y, n); }                                    \
    KERNEL accumulate_##suffix(const T *x, float *sum, i64 n) { accumulate(x, sum, n); }                             \
    KERNEL convert_##suffix##_f32(const T *x, float *y, float scale, i64 n) { convert(x, y, scale, n); }             \
    KERNEL convert_##suffix##_bf16(const T *x, bf16 *y, float scale, i64 n) { convert(x, y, scale, n); }             \
    KERNEL dropout_##suffix(const T *x, T *y, float probability, u64 key, i64 n) {                                   \
        dropout(x, y, probability, key, n);                                                                          \
    }                                                                                                                \
    KERNEL geglu_forward_##suffix(const T *gate, const T *up, T *y, i64 n) { geglu_forward(gate, up, y, n); }        \
    KERNEL geglu_backward_##suffix(const T *dY, const T *gate, const T *up, T *dGate, T *dUp, i64 n) {               \
        geglu_backward(dY, gate, up, dGate, dUp, n);                                                                 \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
#undef KERNELS
#undef KERNEL
