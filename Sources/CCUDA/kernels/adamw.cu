/*
 * AdamW, element by element in the order of bitsandbytes' CUDA kernels. CKernels/portable/adamw.c is the
 * definition. On a GPU, 1/x and sqrt are the fast instructions, as in bitsandbytes. Under the emulator they
 * are exact, and the bytes are those of the CPU. Products and sums are rounded one by one, except where fmaf
 * is written: the compiler must not fuse them.
 * Source: bitsandbytes 0.50.2, csrc/kernels.cu (kOptimizerStatic8bit2StateBlockwise, kOptimizer32bit2State).
 *
 * One launch updates all tensors that share a kernel. Both kernels: block: 256; grid: any, of use up to
 * `count` (chunks), with one result for all (three blocks fit a multiprocessor). Nothing is updated when
 * *clip is not finite; a null clip is 1.
 */
#include "gpu.cuh"

/* One parameter and its state. */
struct AdamWTensor {
    void *parameter;
    const void *gradient;
    bf16 *weights;             /* rounded copy of a float32 parameter; or null */
    u8 *codes1, *codes2;       /* codes of the moments: adamw_8bit */
    float *state1, *state2;    /* maxima of blocks of 256 elements: adamw_8bit; the moments: adamw_32bit */
    i64 count;
    i32 type;                  /* type of the parameter: 0 float32, 1 bfloat16 */
    i32 rounding;              /* rounding of a bfloat16 parameter: 0 nearest, 1 stochastic */
    u64 key;                   /* word of the random key of stochastic rounding */
    float weightDecay;
    i32 decayBefore;           /* whether decay comes before the step */
    i32 gradientType;          /* 0 float32, 1 bfloat16 */
    i32 unused;
};

/* Up to 16384 elements of a tensor, from index · 16384 on. */
struct Chunk {
    i32 tensor, index;
};

/* Numbers that all tensors of a step share. */
struct AdamWStep {
    float learningRate, beta1, beta2, epsilon;
    float k1, k2;              /* 1 - beta1^step; sqrt(1 - beta2^step) */
    float gradientScale;
    i32 unused;
};

/*
 * For the search of the code nearest to a number, as ck_code_table of CKernels: the code of each bucket's
 * least number, and the number at which the next code begins.
 */
struct CodeTable {
    float edges[256];
    u32 negative;
    u8 first[6146];
};

const i32 chunk_elements = 16384, block_elements = 256;
/* Elements of one thread. A warp has a whole block of 256 elements. */
const i32 width = 8;

GPU bool is_finite(float x) { return (__float_as_uint(x) & 0x7F800000u) != 0x7F800000u; }

/* The numbers of a step for one tensor. */
struct Numbers {
    float beta1, beta2, rest1, rest2, epsilon, root, step_size, scale, decay_before, decay;

    GPU void set(const AdamWStep &step, const AdamWTensor &tensor, float clip) {
        beta1 = step.beta1;
        beta2 = step.beta2;
        rest1 = __fsub_rn(1.0f, beta1);
        rest2 = __fsub_rn(1.0f, beta2);
        epsilon = step.epsilon;
        root = step.k2;
        step_size = __fmul_rn(__fmul_rn(root, step.learningRate), -approximate_reciprocal(step.k1));
        scale = __fmul_rn(step.gradientScale, clip);
        const float factor = tensor.weightDecay > 0 ? fmaf(-step.learningRate, tensor.weightDecay, 1.0f) : 1.0f;
        decay_before = tensor.decayBefore ? factor : 1.0f;
        decay = tensor.decayBefore ? 1.0f : factor;
    }

    /* The parameter after its step, not rounded. */
    GPU float stepped(float p, float m, float v) const {
        const float denominator = approximate_reciprocal(fmaf(root, epsilon, approximate_root(v)));
        return fmaf(step_size, __fmul_rn(m, denominator), p);
    }
};

/* Eight neighbours of a tensor, or fewer at its end. */
struct Run {
    i64 first;
    i32 count;
    bool is_whole;             /* all eight exist, and their addresses are aligned */

    template <class T> GPU void read(const T *from, float (&x)[width], float otherwise = 0) const {
        if (is_whole) return load(from + first, x);
        for (i32 k = 0; k < width; k++) x[k] = k < count ? widened(from[first + k]) : otherwise;
    }
    template <class T> GPU void write(T *to, const float (&x)[width]) const {
        if (is_whole) return store(to + first, x);
        for (i32 k = 0; k < width; k++)
            if (k < count) to[first + k] = rounded<T>(x[k]);
    }
    GPU void read(const u8 *from, u8 (&codes)[width], u8 otherwise) const {
        if (is_whole) {
            const u64 word = *reinterpret_cast<const u64 *>(from + first);
            for (i32 k = 0; k < width; k++) codes[k] = u8(word >> 8 * k);
        } else {
            for (i32 k = 0; k < width; k++) codes[k] = k < count ? from[first + k] : otherwise;
        }
    }
    GPU void write(u8 *to, const u8 (&codes)[width]) const {
        if (is_whole) {
            u64 word = 0;
            for (i32 k = 0; k < width; k++) word |= u64(codes[k]) << 8 * k;
            *reinterpret_cast<u64 *>(to + first) = word;
        } else {
            for (i32 k = 0; k < width; k++)
                if (k < count) to[first + k] = codes[k];
        }
    }
};

GPU void read_gradient(const AdamWTensor &tensor, const Run &run, float (&g)[width]) {
    if (tensor.gradientType) run.read(static_cast<const bf16 *>(tensor.gradient), g);
    else run.read(static_cast<const float *>(tensor.gradient), g);
}

GPU bool all_aligned(const AdamWTensor &tensor) {
    return is_aligned(tensor.parameter) && is_aligned(tensor.gradient) && is_aligned(tensor.weights)
        && is_aligned(tensor.codes1) && is_aligned(tensor.codes2) && is_aligned(tensor.state1)
        && is_aligned(tensor.state2);
}

/*
 * Updates the parameters of a run, except where g is not finite and `skips` is set. Returns the number of
 * stored weights that changed.
 */
GPU i32 update(const AdamWTensor &tensor, const Numbers &numbers, const Run &run, const float (&m)[width],
               const float (&v)[width], u32 used) {
    i32 changed = 0;
    float p[width], next[width];
    const u32 present = run.count < width ? (1u << run.count) - 1 : 0xFFu;
    if (tensor.type == 0) {
        float *parameter = static_cast<float *>(tensor.parameter);
        run.read(parameter, p);
        for (i32 k = 0; k < width; k++) {
            const float x =
                __fmul_rn(numbers.stepped(__fmul_rn(p[k], numbers.decay_before), m[k], v[k]), numbers.decay);
            next[k] = used >> k & 1 ? x : p[k];
        }
        if (tensor.weights) {
            float old[width];
            run.read(tensor.weights, old);
            for (i32 k = 0; k < width; k++)
                changed += present >> k & 1 && to_bf16(next[k]).bits != to_bf16(old[k]).bits;
            run.write(tensor.weights, next);
        } else {
            for (i32 k = 0; k < width; k++)
                changed += present >> k & 1 && __float_as_uint(next[k]) != __float_as_uint(p[k]);
        }
        run.write(parameter, next);
        return changed;
    }
    bf16 *parameter = static_cast<bf16 *>(tensor.parameter);
    run.read(parameter, p);
    for (i32 k = 0; k < width; k++) {
        float before = __fmul_rn(p[k], numbers.decay_before);
        if (!tensor.rounding) before = widened(to_bf16(before));
        const float x = numbers.stepped(before, m[k], v[k]);
        bf16 bits;
        if (tensor.rounding) {
            const float y = __fmul_rn(x, numbers.decay);
            const u32 random = u32(random_bits(tensor.key, u64(run.first + k)) >> 48);
            bits = is_finite(y) ? bf16{u16((__float_as_uint(y) + random) >> 16)} : to_bf16(y);
        } else {
            bits = to_bf16(__fmul_rn(widened(to_bf16(x)), numbers.decay));
        }
        next[k] = used >> k & 1 ? widened(bits) : p[k];
        changed += present >> k & 1 && __float_as_uint(next[k]) != __float_as_uint(p[k]);
    }
    run.write(parameter, next);
    return changed;
}

/*
 * The largest |x| of a warp's elements. The bits of floats without their sign are ordered as the values, NaN
 * above all.
 */
GPU float absolute_maximum(const float (&x)[width]) {
    u32 largest = 0;
    for (i32 k = 0; k < width; k++) {
        const u32 bits = __float_as_uint(x[k]) & 0x7FFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    return __uint_as_float(warp_reduce(largest, [](u32 a, u32 b) { return a > b ? a : b; }));
}

/* The code nearest to x; NaN gives 0. */
GPU u8 code_of(const CodeTable &table, float x) {
    const u32 smallest = (127 - 24) << 7, largest = 127 << 7, side = largest - smallest + 1;
    const u32 bits = __float_as_uint(x);
    u32 size = (bits & 0x7FFFFFFFu) >> 16;
    size = size < smallest ? smallest : size;
    size = size > largest ? largest : size;
    const u32 first = table.first[size - smallest + (bits >> 31) * side];
    return x == x ? u8(first + (x >= table.edges[first])) : u8(0);
}

/*
 * Updates a run of eight by a step with 8-bit moments. Which warp of the thread block does it does not
 * matter.
 */
GPU i32 update_8bit(const AdamWTensor &tensor, const Numbers &numbers, const Run &run, i64 block, const float *map1,
                    const float *map2, const CodeTable &table1, const CodeTable &table2) {
    float g[width], m[width], v[width];
    u8 codes1[width], codes2[width];
    u32 used = 0;
    read_gradient(tensor, run, g);
    run.read(tensor.codes1, codes1, 128);
    run.read(tensor.codes2, codes2, 0);
    const float old1 = tensor.state1[block], old2 = tensor.state2[block];
    for (i32 k = 0; k < width; k++) {
        const float x = __fmul_rn(g[k], numbers.scale);
        const bool is_used = is_finite(g[k]);
        m[k] = fmaf(x, numbers.rest1, __fmul_rn(__fmul_rn(old1, map1[codes1[k]]), numbers.beta1));
        v[k] = fmaf(__fmul_rn(old2, map2[codes2[k]]), numbers.beta2, __fmul_rn(x, __fmul_rn(x, numbers.rest2)));
        m[k] = is_used ? m[k] : 0.0f;
        v[k] = is_used ? v[k] : 0.0f;
        used |= u32(is_used) << k;
    }
    const float maximum1 = absolute_maximum(m), maximum2 = absolute_maximum(v);
    const i32 changed = update(tensor, numbers, run, m, v, used);
    const float factor1 = approximate_reciprocal(maximum1), factor2 = approximate_reciprocal(maximum2);
    for (i32 k = 0; k < width; k++) {
        u8 code = code_of(table1, __fmul_rn(factor1, m[k]));
        /*
         * A wrong sign moves the code by one, towards the right sign. The code of an all-zero block wraps to
         * 255.
         */
        if ((code < table1.negative) != (__float_as_uint(m[k]) >> 31)) code = u8(m[k] > 0 ? code + 1 : code - 1);
        codes1[k] = code;
        codes2[k] = code_of(table2, __fmul_rn(factor2, v[k]));
    }
    run.write(tensor.codes1, codes1);
    run.write(tensor.codes2, codes2);
    if (threadIdx.x % 32 == 0) {
        tensor.state1[block] = maximum1;
        tensor.state2[block] = maximum2;
    }
    return changed;
}

/* Updates a run of eight by a step with float32 moments. */
GPU i32 update_32bit(const AdamWTensor &tensor, const Numbers &numbers, const Run &run) {
    float g[width], m[width], v[width];
    read_gradient(tensor, run, g);
    run.read(tensor.state1, m);
    run.read(tensor.state2, v);
    for (i32 k = 0; k < width; k++) {
        float x = __fmul_rn(g[k], numbers.scale);
        /* bitsandbytes stores the scaled gradient in the parameter's type before it goes on. */
        if (tensor.type == 1 && !tensor.rounding) x = widened(to_bf16(x));
        m[k] = fmaf(m[k], numbers.beta1, __fmul_rn(x, numbers.rest1));
        v[k] = fmaf(v[k], numbers.beta2, __fmul_rn(__fmul_rn(x, x), numbers.rest2));
    }
    run.write(tensor.state1, m);
    run.write(tensor.state2, v);
    return update(tensor, numbers, run, m, v, 0xFFu);
}

/*
 * Calls body(tensor, numbers, run, block) for this thread's part of the chunks, and adds its results to
 * changed[tensor]. `block` is the number, in its tensor, of the 256 elements of the warp.
 */
template <class Body>
GPU void for_each_run(const AdamWTensor *tensors, const Chunk *chunks, i32 count, const AdamWStep *step,
                      const float *clip, i32 *changed, Body body) {
    /* Values that all threads share are not kept in the registers of each. */
    __shared__ AdamWTensor tensor;
    __shared__ Numbers numbers;
    const float factor = clip ? *clip : 1.0f;
    if (!is_finite(factor)) return;
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (i32 index = blockIdx.x; index < count; index += gridDim.x) {
        const Chunk chunk = chunks[index];
        __syncthreads();
        if (threadIdx.x == 0) {
            tensor = tensors[chunk.tensor];
            numbers.set(*step, tensor, factor);
        }
        __syncthreads();
        const bool aligned = all_aligned(tensor);
        const i64 blocks = chunk_elements / block_elements, first = chunk.index * blocks;
        i32 changes = 0;
        for (i64 block = first + warp; block < first + blocks && block * block_elements < tensor.count; block += 8) {
            const i64 place = block * block_elements + lane * width, left = tensor.count - place;
            const Run run{place, i32(left < 0 ? 0 : left < width ? left : width), aligned && left >= width};
            changes += body(tensor, numbers, run, block);
        }
        changes = warp_reduce(changes, Sum());
        if (lane == 0 && changes) atomicAdd(&changed[chunk.tensor], changes);
    }
}

/*
 * One step with 8-bit moments. chunks: `count` of them; changed[tensor] += the number of stored weights that
 * changed. map1, map2: the values of the codes; table1, table2: tables of these maps.
 */
extern "C" __global__ void __launch_bounds__(256, 3)
adamw_8bit(const AdamWTensor *tensors, const Chunk *chunks, i32 count, const AdamWStep *step, const float *clip,
           const float *map1, const float *map2, const CodeTable *table1, const CodeTable *table2, i32 *changed) {
    __shared__ float maps[2][256];
    __shared__ CodeTable tables[2];
    maps[0][threadIdx.x] = map1[threadIdx.x];
    maps[1][threadIdx.x] = map2[threadIdx.x];
    for (u32 i = threadIdx.x; i < sizeof(CodeTable) / 4; i += 256) {
        reinterpret_cast<u32 *>(&tables[0])[i] = reinterpret_cast<const u32 *>(table1)[i];
        reinterpret_cast<u32 *>(&tables[1])[i] = reinterpret_cast<const u32 *>(table2)[i];
    }
    __syncthreads();
    for_each_run(tensors, chunks, count, step, clip, changed,
                 [&](const AdamWTensor &tensor, const Numbers &numbers, const Run &run, i64 block) {
                     return update_8bit(tensor, numbers, run, block, maps[0], maps[1], tables[0], tables[1]);
                 });
}

/* One step with float32 moments. */
extern "C" __global__ void __launch_bounds__(256, 3)
adamw_32bit(const AdamWTensor *tensors, const Chunk *chunks, i32 count, const AdamWStep *step, const float *clip,
            i32 *changed) {
    for_each_run(tensors, chunks, count, step, clip, changed,
                 [&](const AdamWTensor &tensor, const Numbers &numbers, const Run &run, i64) {
                     return update_32bit(tensor, numbers, run);
                 });
}
