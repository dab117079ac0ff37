/*
 * Soft-max cross-entropy of rows of logits, its gradient in their memory, and the choice of the largest
 * logit.
 */
#include "gpu.cuh"

constexpr int ENTROPY_THREADS = 512, LANES = 4;

constexpr float LARGEST_FLOAT = 3.40282347e+38f;

GPU float negative_infinity() { return __uint_as_float(0xFF800000u); }

/* cap · tanh(x / cap); x if cap is 0. */
GPU float capped(float x, float cap) { return cap > 0 ? cap * tanhf(x / cap) : x; }

/* Some neighbours of a row: 16 bytes of it, or one element when rows are not whole vectors. */
template <int lanes> struct Piece {
    float at[lanes];

    GPU static Piece load(const float *row, i64 first, i64 count) {
        Piece piece;
        if (lanes == LANES && first < count) {
            Vector<float> vector = load_vector(row + first);
            for (int k = 0; k < lanes; k++) piece.at[k] = vector.at[k];
        } else {
            for (int k = 0; k < lanes; k++)
                piece.at[k] = first + k < count ? row[first + k] : negative_infinity();
        }
        return piece;
    }
    GPU void store(float *row, i64 first) const {
        if (lanes == LANES) {
            Vector<float> vector;
            for (int k = 0; k < lanes; k++) vector.at[k] = at[k];
            store_vector(row + first, vector);
        } else {
            row[first] = at[0];
        }
    }
    GPU void store(bf16 *row, i64 first) const {
        if (lanes == LANES) {
            u32 *pairs = reinterpret_cast<u32 *>(row + first);
            pairs[0] = packed_bf16(at[0], at[1]);
            pairs[1] = packed_bf16(at[lanes - 2], at[lanes - 1]);
        } else {
            row[first] = to_bf16(at[0]);
        }
    }
};

/* The largest of some numbers, and the sum of e^(number - largest). NaN reaches the sum. */
struct Statistics {
    float most, sum;

    template <int lanes> GPU void add(const Piece<lanes> &piece, float cap) {
        float values[lanes], top = most;
        for (int k = 0; k < lanes; k++) {
            values[k] = capped(piece.at[k], cap);
            top = fmaxf(top, values[k]);
        }
        if (top > most) {
            sum *= expf(most - top);
            most = top;
        }
        for (int k = 0; k < lanes; k++) sum += values[k] == negative_infinity() ? 0.0f : expf(values[k] - most);
    }
};

/*
 * The numbers that the gradient of a row needs: (scale · e^(x - most) - factor at the target) · (1 - tanh²).
 */
struct RowGradient {
    float most, scale, factor, cap;
    i64 target;

    template <int lanes> GPU void replace(Piece<lanes> &piece, i64 first) const {
        for (int k = 0; k < lanes; k++) {
            float x = capped(piece.at[k], cap), bent = cap > 0 ? x / cap : 0.0f;
            float slope = scale * expf(x - most) - (first + k == target ? factor : 0.0f);
            piece.at[k] = slope * (1.0f - bent * bent);
        }
    }
};

/* Pieces that a thread has in flight; then elements that the block takes at a time. */
constexpr int PIECES = 4;
template <int lanes> constexpr int chunk = ENTROPY_THREADS * PIECES * lanes;

template <int lanes> GPU i64 piece_start(i64 start, int piece) {
    return start + (i64(piece) * ENTROPY_THREADS + threadIdx.x) * lanes;
}
template <int lanes> GPU void load_chunk(Piece<lanes> pieces[PIECES], const float *row, i64 start, i64 count) {
#pragma unroll
    for (int i = 0; i < PIECES; i++) pieces[i] = Piece<lanes>::load(row, piece_start<lanes>(start, i), count);
}

template <int lanes> GPU Statistics row_statistics(const float *row, i64 count, float cap, float *scratch) {
    Statistics own{negative_infinity(), 0};
    for (i64 start = 0; start < count; start += chunk<lanes>) {
        Piece<lanes> pieces[PIECES];
        load_chunk(pieces, row, start, count);
#pragma unroll
        for (int i = 0; i < PIECES; i++)
            if (piece_start<lanes>(start, i) < count) own.add(pieces[i], cap);
    }
    float most = block_maximum(own.most, scratch);
    return {most, block_sum(own.most == negative_infinity() ? own.sum : own.sum * expf(own.most - most), scratch)};
}

/*
 * Writes the gradient over the logits. A bfloat16 gradient (G) fills the first half of the row's memory. It
 * never overwrites logits that are still needed. The block writes a chunk's gradient in front of the logits
 * that it has read, or within that chunk, which all threads have read before the barrier.
 */
template <class G, int lanes> GPU void write_gradient(float *row, i64 count, const RowGradient &gradient) {
    G *target = reinterpret_cast<G *>(row);
    for (i64 start = 0; start < count; start += chunk<lanes>) {
        Piece<lanes> pieces[PIECES];
        load_chunk(pieces, row, start, count);
        if (sizeof(G) != sizeof(float)) __syncthreads();
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            i64 first = piece_start<lanes>(start, i);
            if (first >= count) continue;
            gradient.replace(pieces[i], first);
            pieces[i].store(target, first);
        }
    }
}

template <int lanes>
GPU void entropy_row(float *row, i32 target, float *loss, i32 V, float cap, float factor, i32 gradient,
                     float *scratch) {
    const float raw = target >= 0 && target < V ? row[target] : 0.0f;
    /* After its barriers, every thread has read the logits that it needs. */
    const Statistics all = row_statistics<lanes>(row, V, cap, scratch);
    const float nan = __uint_as_float(0x7FC00000);
    const bool is_scored = target >= 0, is_known = target < V;
    if (threadIdx.x == 0)
        *loss = !is_scored ? 0.0f : !is_known ? nan : float(log(double(all.sum)) + all.most - capped(raw, cap));
    if (!gradient) return;
    RowGradient slope{all.most, is_known ? factor / all.sum : nan, factor, cap, target};
    if (!is_scored) slope.scale = 0;
    if (gradient == 1)
        write_gradient<float, lanes>(row, V, slope);
    else
        write_gradient<bf16, lanes>(row, V, slope);
}

/*
 * losses[M] in nats of logits [M, V] against targets [M], after the soft cap unless `soft_cap` is 0. grid: M;
 * block: 512.
 *
 * gradient 1: the logits become the gradient of gradient_scale times the sum of losses. gradient 2: each
 * row's gradient is written as bfloat16 into the first half of the row's memory. gradient 0: the logits stay.
 * A negative target is not scored: its loss and gradient are 0. A target of V or more gives NaN.
 */
extern "C" __global__ void __launch_bounds__(ENTROPY_THREADS, 2)
    cross_entropy(float *logits, const i32 *targets, float *losses, i32 M, i32 V, float soft_cap,
                  float gradient_scale, i32 gradient) {
    __shared__ float scratch[32];
    const i64 m = blockIdx.x;
    float *row = logits + m * V;
    if (V % LANES == 0 && is_aligned(logits))
        entropy_row<LANES>(row, targets[m], losses + m, V, soft_cap, gradient_scale, gradient, scratch);
    else
        entropy_row<1>(row, targets[m], losses + m, V, soft_cap, gradient_scale, gradient, scratch);
}

/* logits = cap · tanh(logits / cap), cap > 0. grid: any, of use up to ceil(n / 256); block: 256. */
extern "C" __global__ void __launch_bounds__(256) soft_cap(float *logits, float cap, i64 n) {
    for (i64 i = thread_number(); i < n; i += thread_count()) logits[i] = capped(logits[i], cap);
}

/*
 * The best of some logits: the largest, and among equal ones the one with the lowest id. It is infinity if
 * one is not finite.
 */
struct Choice {
    float logit;
    i32 id;

    /* Considers a logit with a higher id than all before: among equal ones the earlier stays. */
    GPU void consider_next(float other, i32 other_id, bool &is_finite) {
        is_finite &= fabsf(other) <= LARGEST_FLOAT;
        if (other > logit) {
            logit = other;
            id = other_id;
        }
    }
    GPU void join(float other, i32 other_id) {
        if (other > logit || (other == logit && other_id < id)) {
            logit = other;
            id = other_id;
        }
    }
    GPU void join_warp() {
#pragma unroll
        for (int lanes = 16; lanes; lanes >>= 1) {
            float other = __shfl_xor_sync(0xFFFFFFFFu, logit, lanes);
            i32 other_id = __shfl_xor_sync(0xFFFFFFFFu, id, lanes);
            join(other, other_id);
        }
    }
};

/*
 * ids[M] = the id of the largest of each row's V logits, the lowest among equal ones; -1 for a row with a
 * logit that is NaN or infinite. grid: M; block: any multiple of 32 up to 1,024.
 */
extern "C" __global__ void __launch_bounds__(1024) argmax(const float *logits, i32 *ids, i32 M, i32 V) {
    __shared__ float warp_logits[32];
    __shared__ i32 warp_ids[32];
    const float *row = logits + i64(blockIdx.x) * V;
    const bool is_vector = V % LANES == 0 && is_aligned(logits);
    const i32 vectors = is_vector ? V / LANES : 0;
    Choice best{negative_infinity(), 0x7FFFFFFF};
    bool is_finite = true;
#pragma unroll 4
    for (i32 i = threadIdx.x; i < vectors; i += blockDim.x) {
        Vector<float> four = load_vector(row + i64(i) * LANES);
        for (int k = 0; k < LANES; k++) best.consider_next(four.at[k], i * LANES + k, is_finite);
    }
    for (i32 i = vectors * LANES + threadIdx.x; i < V; i += blockDim.x) best.consider_next(row[i], i, is_finite);
    if (!is_finite) best.logit = -negative_infinity();
    best.join_warp();
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
    if (lane == 0) {
        warp_logits[warp] = best.logit;
        warp_ids[warp] = best.id;
    }
    __syncthreads();
    if (warp != 0) return;
    best = lane < warps ? Choice{warp_logits[lane], warp_ids[lane]} : Choice{negative_infinity(), 0x7FFFFFFF};
    best.join_warp();
    if (lane == 0) ids[blockIdx.x] = best.logit <= LARGEST_FLOAT ? best.id : -1;
}
