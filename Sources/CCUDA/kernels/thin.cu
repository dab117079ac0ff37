/*
 * Products with one thin side, which read their large matrix once: a few rows times a weight (decoding), and
 * the products of low-rank adapters, whose float32 factors meet bfloat16 activations. All matrices are
 * row-major and dense, and all sums are float32 in a fixed order. T: tokens, D: width of a layer's input or
 * output, R: rank.
 *
 *   product_thin        y[M, N] = x[M, K] · weight[N, K]ᵀ       M <= 16
 *   low_rank_split      a float32 factor as three bfloat16 parts whose sum it is, without loss
 *   low_rank_project    inner[T, R] = x[T, D] · factor          forward x · Aᵀ, backward dY · B
 *   low_rank_update_T   y[T, D] += inner[T, R] · factor         forward inner · Bᵀ, backward dInner · A
 *   low_rank_gradient   dFactor[R, D] = innerᵀ · x[T, D]        dA from dInner and x, dBᵀ from inner and dY
 */
#include "gpu.cuh"

constexpr int THREADS = 256, WARPS = THREADS / 32;

/* The four registers of 8 bfloat16 in memory, or zeros. */
struct alignas(16) Pairs {
    u32 at[4];
};
GPU Pairs load_pairs(const bf16 *address, bool is_inside) {
    return is_inside ? *reinterpret_cast<const Pairs *>(address) : Pairs{};
}

/* --- Sums along the rows of a large matrix. --- */

/*
 * x[rows, depth] · small[columns, depth]ᵀ for 16 · ROW_TILES rows and 16 columns; small is the sum of PARTS
 * matrices.
 *
 * The warps of a block take slices of the depth in turn. Fragments of the tensor cores come straight from
 * memory. The sum does not depend on the order of k, so a lane's 8 neighbours can stand for its elements
 * k = 2q, 2q + 1, 2q + 8, 2q + 9 of two products, in x and small alike.
 */
template <int ROW_TILES, int PARTS> struct Stream {
    static constexpr int BLOCKS = 4 / ROW_TILES, SLICE = BLOCKS * 32, ROWS = ROW_TILES * 16, SHARED = WARPS * ROWS * 16;
    float sums[ROW_TILES][2][4];

    GPU void run(const bf16 *x, i32 rows, i32 first_row, const bf16 *small, i32 columns, i32 first_column,
                 i32 depth, i32 first, i32 end) {
        const int lane = threadIdx.x % 32, line = lane / 4, quarter = lane % 4 * 8;
        for (i64 slice = first + threadIdx.x / 32 * SLICE; slice < end; slice += WARPS * SLICE) {
            Pairs large[BLOCKS][ROW_TILES][2];
#pragma unroll
            for (int block = 0; block < BLOCKS; block++)
#pragma unroll
                for (int tile = 0; tile < ROW_TILES; tile++)
#pragma unroll
                    for (int half = 0; half < 2; half++) {
                        i64 k = slice + block * 32 + quarter, row = i64(first_row) + tile * 16 + half * 8 + line;
                        large[block][tile][half] = load_pairs(x + row * depth + k, row < rows && k < end);
                    }
#pragma unroll
            for (int block = 0; block < BLOCKS; block++)
#pragma unroll
                for (int part = 0; part < PARTS; part++)
#pragma unroll
                    for (int half = 0; half < 2; half++) {
                        i64 k = slice + block * 32 + quarter, column = i64(first_column) + half * 8 + line;
                        const bf16 *address = small + (part * i64(columns) + column) * depth + k;
                        Pairs few = load_pairs(address, column < columns && k < end);
#pragma unroll
                        for (int tile = 0; tile < ROW_TILES; tile++) add(sums[tile][half], large[block][tile], few);
                    }
        }
    }

    /* Writes the warp's sums to partials [WARPS, ROWS, 16]. */
    GPU void leave(float *partials) const {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; tile++)
#pragma unroll
            for (int half = 0; half < 2; half++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int row = tile * 16 + i / 2 * 8 + lane / 4, column = half * 8 + lane % 4 * 2 + i % 2;
                    partials[(warp * ROWS + row) * 16 + column] = sums[tile][half][i];
                }
    }

    static GPU float total(const float *partials, int row, int column) {
        float sum = 0;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) sum += partials[(warp * ROWS + row) * 16 + column];
        return sum;
    }

private:
    static GPU void add(float sums[4], const Pairs rows[2], const Pairs &few) {
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            u32 a[4] = {rows[0].at[i], rows[1].at[i], rows[0].at[i + 1], rows[1].at[i + 1]};
            matrix_multiply_add(sums, a, few.at + i);
        }
    }
};

/*
 * y[M, N] = alpha · x[M, K] · weight[N, K]ᵀ + beta · y for M <= 16; x and weight bfloat16, y float32 or
 * bfloat16. grid: ceil(N / 16); block: 256. K a multiple of 8, x and weight at multiples of 16 bytes.
 */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    product_thin(const bf16 *x, const bf16 *weight, void *y, i32 M, i32 N, i32 K, i32 y_is_f32, float alpha,
                 float beta) {
    typedef Stream<1, 1> Weights;
    __shared__ float partials[Weights::SHARED];
    const i32 first_row = blockIdx.x * 16;
    Weights stream = {};
    stream.run(weight, N, first_row, x, M, 0, K, 0, K);
    stream.leave(partials);
    __syncthreads();
    const int row = threadIdx.x % 16, column = threadIdx.x / 16;
    if (first_row + row >= N || column >= M) return;
    const i64 at = i64(column) * N + first_row + row;
    const float sum = alpha * Weights::total(partials, row, column);
    if (y_is_f32) {
        float *target = static_cast<float *>(y) + at;
        *target = beta == 0 ? sum : sum + beta * *target;
    } else {
        bf16 *target = static_cast<bf16 *>(y) + at;
        *target = to_bf16(beta == 0 ? sum : sum + beta * widened(*target));
    }
}

/*
 * parts[3, lines, padded] from float32 x: [lines, depth], or [depth, lines] if `transposed`; zeros from depth
 * to padded. grid: any, of use up to ceil(lines · padded / 256); block: 256.
 *
 * The parts are the upper halves of x, of the rest, and of the rest after that. Their sum is x, except for
 * what is below bfloat16's smallest subnormal number (1e-40). The first part of infinity and NaN is the
 * number itself.
 */
extern "C" __global__ void __launch_bounds__(THREADS)
    low_rank_split(const float *x, bf16 *parts, i32 lines, i32 depth, i32 padded, i32 transposed) {
    const i64 count = i64(lines) * padded;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        i64 line = i / padded, k = i % padded;
        float rest = k < depth ? x[transposed ? k * lines + line : line * depth + k] : 0.0f;
        bool is_finite = (__float_as_uint(rest) & 0x7F800000) != 0x7F800000;
        if (rest != rest) rest = __uint_as_float(0x7FC00000);
        for (int part = 0; part < 3; part++) {
            u32 upper = __float_as_uint(rest) & 0xFFFF0000;
            parts[part * count + i] = bf16{u16(upper >> 16)};
            rest = is_finite ? rest - __uint_as_float(upper) : 0.0f;
        }
    }
}

/*
 * inner[T, R] = alpha · x[T, D] · factorᵀ, where factor [R, D] is given as the parts [3, R, D] of
 * low_rank_split. inner is written as partials [splits, T, R] over parts of D, which product_merge adds; one
 * split gives the result. grid: (ceil(T / 64), ceil(R / 16), splits); block: 256. depth_per_split: a multiple
 * of 8; all splits together cover D. D a multiple of 8; x and parts at multiples of 16 bytes.
 */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    low_rank_project(const bf16 *x, const bf16 *parts, float *inner, i32 T, i32 D, i32 R, i32 depth_per_split,
                     float alpha) {
    typedef Stream<4, 3> Rows;
    __shared__ float partials[Rows::SHARED];
    const i32 first_row = blockIdx.x * Rows::ROWS, first_column = blockIdx.y * 16;
    const i64 first = i64(blockIdx.z) * depth_per_split, end = first + depth_per_split;
    Rows stream = {};
    stream.run(x, T, first_row, parts, R, first_column, D, i32(first < D ? first : D), i32(end < D ? end : D));
    stream.leave(partials);
    __syncthreads();
    for (int i = threadIdx.x; i < Rows::ROWS * 16; i += THREADS) {
        i64 row = i64(first_row) + i / 16, column = first_column + i % 16;
        if (row < T && column < R)
            inner[(i64(blockIdx.z) * T + row) * R + column] = alpha * Rows::total(partials, i / 16, i % 16);
    }
}

/* --- An update of a large matrix by two float32 factors. --- */

template <class T, int COLUMNS> struct alignas(COLUMNS * sizeof(T)) Columns {
    T at[COLUMNS];
};

constexpr int UPDATE_THREADS = 128, UPDATE_ROWS = 64, UPDATE_RANK = 64;

/* Each thread keeps its columns of the factor, and goes over the block's rows. */
template <class T, int RANK, int COLUMNS>
GPU void update(T *y, const float *inner, const float *factor, i32 rows, i32 D, i32 R, i32 factor_is_stored_by_column,
                i32 first_row, i32 row_count, float alpha, float *block_rows) {
    for (int i = threadIdx.x; i < row_count * RANK; i += UPDATE_THREADS) {
        int row = i / RANK, r = i % RANK;
        bool is_inside = first_row + row < rows && r < R;
        block_rows[i] = is_inside ? alpha * inner[i64(first_row + row) * R + r] : 0.0f;
    }
    __syncthreads();
    for (i64 column = thread_number() * COLUMNS; column < D; column += thread_count() * COLUMNS) {
        float own[COLUMNS][RANK];
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
#pragma unroll
            for (int r = 0; r < RANK; r++) {
                i64 at = factor_is_stored_by_column ? (column + c) * R + r : r * i64(D) + column + c;
                own[c][r] = r < R ? factor[at] : 0.0f;
            }
        const int last = rows - first_row < row_count ? rows - first_row : row_count;
#pragma unroll 4
        for (int row = 0; row < last; row++) {
            auto *target = reinterpret_cast<Columns<T, COLUMNS> *>(y + i64(first_row + row) * D + column);
            Columns<T, COLUMNS> old = *target;
            float sums[COLUMNS] = {};
#pragma unroll
            for (int r = 0; r < RANK; r += 4) {
                Vector<float> four = load_vector(block_rows + row * RANK + r);
#pragma unroll
                for (int k = 0; k < 4; k++)
#pragma unroll
                    for (int c = 0; c < COLUMNS; c++) sums[c] = __fmaf_rn(four.at[k], own[c][r + k], sums[c]);
            }
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) old.at[c] = rounded<T>(widened(old.at[c]) + sums[c]);
            *target = old;
        }
    }
}

/*
 * y[T, D] += alpha · inner[T, R] · factor for R <= 64, rounded once; factor is [R, D], or [D, R] if
 * `factor_is_stored_by_column`. y at a multiple of 16 bytes.
 * grid: (any, of use up to ceil(D / 512), ceil(T / rows_per_block)); block: 128; rows_per_block: at most 64.
 */
template <class T>
GPU void update_any(T *y, const float *inner, const float *factor, i32 rows, i32 D, i32 R,
                    i32 factor_is_stored_by_column, i32 rows_per_block, float alpha, float *block_rows) {
    const i32 first_row = blockIdx.y * rows_per_block;
    if (R <= 16 && D % 4 == 0)
        update<T, 16, 4>(y, inner, factor, rows, D, R, factor_is_stored_by_column, first_row, rows_per_block, alpha,
                         block_rows);
    else if (R <= 32 && D % 2 == 0)
        update<T, 32, 2>(y, inner, factor, rows, D, R, factor_is_stored_by_column, first_row, rows_per_block, alpha,
                         block_rows);
    else
        update<T, UPDATE_RANK, 1>(y, inner, factor, rows, D, R, factor_is_stored_by_column, first_row, rows_per_block,
                                  alpha, block_rows);
}

#define UPDATE(T, suffix)                                                                                            \
    extern "C" __global__ void __launch_bounds__(UPDATE_THREADS)                                                     \
        low_rank_update_##suffix(T *y, const float *inner, const float *factor, i32 rows, i32 D, i32 R,              \
                                 i32 factor_is_stored_by_column, i32 rows_per_block, float alpha) {                  \
        alignas(16) __shared__ float block_rows[UPDATE_ROWS * UPDATE_RANK];                                          \
        update_any(y, inner, factor, rows, D, R, factor_is_stored_by_column, rows_per_block, alpha, block_rows);     \
    }
UPDATE(float, f32)
UPDATE(bf16, bf16)
#undef UPDATE

/* --- Sums over the rows of a large matrix. --- */

constexpr int GRADIENT_COLUMNS = 64;

/* The halves of two registers that belong together: both low halves, or both high halves. */
GPU u32 low_halves(u32 a, u32 b) { return (a & 0xFFFF) | b << 16; }
GPU u32 high_halves(u32 a, u32 b) { return a >> 16 | (b & 0xFFFF0000); }

/*
 * partials[s, R, D] = the sum over rows t of part s of inner[t, R]ᵀ · x[t, D]. product_merge adds them to the
 * gradient. inner is given as the parts [3, R, padded] of low_rank_split, with padded: T rounded up to a
 * multiple of 16. grid: (ceil(D / 64), ceil(R / 16), splits); block: 256; dynamic shared memory: 32,768
 * bytes. rows_per_split: a multiple of 16; all splits together cover T. D a multiple of 8; x and parts at
 * multiples of 16 bytes.
 *
 * A lane loads 8 columns of four rows. The order of columns and of k is free, so column j of these 8 belongs
 * to tile j of 8 columns.
 */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    low_rank_gradient(const bf16 *x, const bf16 *parts, float *partials, i32 T, i32 D, i32 R, i32 padded,
                      i32 rows_per_split) {
    DYNAMIC_SHARED(float, by_warp); /* [WARPS, 16, 64] */
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, line = lane / 4, quad = lane % 4;
    const i64 first_column = i64(blockIdx.x) * GRADIENT_COLUMNS, column = first_column + line * 8;
    const i32 first_rank = blockIdx.y * 16;
    const i64 first = i64(blockIdx.z) * rows_per_split, split_end = first + rows_per_split;
    const i64 end = split_end < T ? split_end : T;
    float sums[8][4] = {};
    for (i64 step = first + warp * 16; step < end; step += WARPS * 16) {
        const i64 row = step + quad * 4;
        Pairs rows[4];
#pragma unroll
        for (int i = 0; i < 4; i++) rows[i] = load_pairs(x + (row + i) * D + column, row + i < end && column < D);
#pragma unroll
        for (int part = 0; part < 3; part++) {
            u32 a[4];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                i64 rank = first_rank + half * 8 + line;
                const u32 *pairs = reinterpret_cast<const u32 *>(parts + (part * i64(R) + rank) * padded + row);
                a[half] = rank < R ? pairs[0] : 0;
                a[half + 2] = rank < R ? pairs[1] : 0;
            }
#pragma unroll
            for (int pair = 0; pair < 4; pair++) {
                u32 even[2] = {low_halves(rows[0].at[pair], rows[1].at[pair]),
                               low_halves(rows[2].at[pair], rows[3].at[pair])};
                u32 odd[2] = {high_halves(rows[0].at[pair], rows[1].at[pair]),
                              high_halves(rows[2].at[pair], rows[3].at[pair])};
                matrix_multiply_add(sums[pair * 2], a, even);
                matrix_multiply_add(sums[pair * 2 + 1], a, odd);
            }
        }
    }
#pragma unroll
    for (int tile = 0; tile < 8; tile++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            by_warp[(warp * 16 + i / 2 * 8 + line) * GRADIENT_COLUMNS + (quad * 2 + i % 2) * 8 + tile] = sums[tile][i];
    __syncthreads();
    for (int i = threadIdx.x; i < 16 * GRADIENT_COLUMNS; i += THREADS) {
        i64 rank = first_rank + i / GRADIENT_COLUMNS, at = first_column + i % GRADIENT_COLUMNS;
        float sum = 0;
        for (int w = 0; w < WARPS; w++) sum += by_warp[w * 16 * GRADIENT_COLUMNS + i];
        if (rank < R && at < D) partials[(blockIdx.z * i64(R) + rank) * D + at] = sum;
    }
}
