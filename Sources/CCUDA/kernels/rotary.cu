/* Rotary position embedding, half-split. */
#include "gpu.cuh"

/*
 * Cosine and sine within 2 units in the last place, as the CPU computes them: the multiple of pi/2 is
 * subtracted in double precision, and the rest enters Cephes' sinf and cosf polynomials.
 */
GPU void cosine_and_sine(float angle, float &cosine, float &sine) {
    const double shift = 0x1.8p52;
    const double shifted = double(angle) * 0.63661977236758134308 + shift;
    const double n = shifted - shift;
    const float r = float(double(angle) - n * 1.57079632679489661923);
    const u32 quadrant = u32(__double_as_longlong(shifted));
    const float z = r * r;
    float s = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f);
    s = fmaf(s * z, r, r);
    float c = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f);
    c = fmaf(c, z * z, fmaf(-0.5f, z, 1.0f));
    const bool is_odd = quadrant & 1;
    sine = is_odd ? c : s;
    cosine = is_odd ? s : c;
    if (quadrant & 2) sine = -sine;
    if ((quadrant + 1) & 2) cosine = -cosine;
}

/*
 * y = each head of x with its pairs (i, i + H/2) turned by positions[row] · inverseFrequencies[i] · sign.
 * grid: rows; block: 256; shared: 4 H bytes. x, y: [rows, heads, H]; y may be x.
 */
template <class T>
GPU void rotary(const T *x, const i32 *positions, const float *inverseFrequencies, T *y, i32 heads, i32 H, float sign) {
    DYNAMIC_SHARED(float, cosines);
    const i32 half = H / 2, thread = threadIdx.x;
    float *sines = cosines + half;
    const float position = float(positions[blockIdx.x]);
    for (i32 i = thread; i < half; i += 256) {
        float cosine, sine;
        cosine_and_sine(position * inverseFrequencies[i], cosine, sine);
        cosines[i] = cosine;
        sines[i] = sign * sine;
    }
    __syncthreads();
    const i64 row = i64(blockIdx.x) * heads * H;
    /* Runs of pairs do not cross heads: if they are longer than one pair, half is a multiple of 8. */
    for_each(has_vectors(half, x, y), i64(heads) * half, thread, 256, [&](i64 pair, auto count) {
        const i64 head = pair / half, i = pair % half, first = row + head * H + i;
        float a[count.value], b[count.value];
        load(x + first, a);
        load(x + first + half, b);
        for (int k = 0; k < count.value; k++) {
            const float cosine = cosines[i + k], sine = sines[i + k], old = a[k];
            a[k] = old * cosine - b[k] * sine;
            b[k] = b[k] * cosine + old * sine;
        }
        store(y + first, a);
        store(y + first + half, b);
    });
}

#define KERNELS(T, suffix)                                                                                           \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
    rotary_##suffix(const T *x, const i32 *positions, const float *inverseFrequencies, T *y, i32 rows, i32 heads,    \
                    i32 H, float sign) {                                                                             \
        if (i32(blockIdx.x) < rows) rotary(x, positions, inverseFrequencies, y, heads, H, sign);                     \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
#undef KERNELS
