/*
 * Matrix products: c[M, N] = alpha · op(a) · op(b) + beta · c. Matrices are dense and row-major. op(a) is
 * [M, K], stored as [K, M] if `trans_a` is set. op(b) is [K, N], stored as [N, K] if `trans_b` is set. Sums
 * are float32 in a fixed order, rounded once to c's type; c is not read when beta is 0. thin.cu has the
 * products with few rows, and those of low-rank adapters.
 */
#include "gpu.cuh"

/* Where sums are written: c = alpha · sum + beta · c, rounded once. */
struct Target {
    void *c;
    bool is_f32;
    float alpha, beta;

    GPU float combined(float sum, float old) const { return beta == 0 ? alpha * sum : alpha * sum + beta * old; }

    GPU void store(i64 i, float sum) const {
        if (is_f32) {
            float *y = static_cast<float *>(c) + i;
            *y = combined(sum, beta == 0 ? 0 : *y);
        } else {
            bf16 *y = static_cast<bf16 *>(c) + i;
            *y = to_bf16(combined(sum, beta == 0 ? 0 : widened(*y)));
        }
    }

    /* Writes elements i to i + 3, or the first `count` of them; in one access if `is_vector`. */
    GPU void store_four(i64 i, const float sums[4], i32 count, bool is_vector) const {
        if (!is_vector) {
            for (int k = 0; k < 4 && k < count; k++) store(i + k, sums[k]);
        } else if (is_f32) {
            float *y = static_cast<float *>(c) + i;
            Vector<float> four = {};
            if (beta != 0) four = load_vector(y);
            for (int k = 0; k < 4; k++) four.at[k] = combined(sums[k], four.at[k]);
            store_vector(y, four);
        } else {
            Four *y = reinterpret_cast<Four *>(static_cast<bf16 *>(c) + i);
            Four four = {};
            if (beta != 0) four = *y;
            for (int k = 0; k < 4; k++) four.at[k] = to_bf16(combined(sums[k], widened(four.at[k])));
            *y = four;
        }
    }

private:
    struct alignas(8) Four {
        bf16 at[4];
    };
};

/* --- Any sizes and types. --- */

constexpr int ANY_TILE = 64, ANY_DEPTH = 16, ANY_THREADS = 256, ANY_STRIDE = ANY_TILE + 4;

GPU float element(const void *x, bool is_bf16, i64 i) {
    return is_bf16 ? widened(static_cast<const bf16 *>(x)[i]) : static_cast<const float *>(x)[i];
}

/*
 * Loads the tile [ANY_DEPTH, ANY_TILE] of an operand of `lines` by `depth`, from (first_line, first_depth)
 * on; zeros outside. along_lines: neighbours in memory differ in their line, not in their depth.
 */
GPU void load_any(const void *x, bool is_bf16, bool along_lines, i32 lines, i32 depth, i32 first_line,
                  i32 first_depth, float *tile) {
    for (int i = threadIdx.x; i < ANY_TILE * ANY_DEPTH; i += ANY_THREADS) {
        int line = along_lines ? i % ANY_TILE : i / ANY_DEPTH, k = along_lines ? i / ANY_TILE : i % ANY_DEPTH;
        i64 row = i64(first_line) + line, column = i64(first_depth) + k;
        bool is_inside = row < lines && column < depth;
        i64 at = along_lines ? column * lines + row : row * depth + column;
        tile[k * ANY_STRIDE + line] = is_inside ? element(x, is_bf16, at) : 0.0f;
    }
}

/*
 * grid: (ceil(N / 64), ceil(M / 64)); block: 256. types: bit 0 is set if a is bfloat16, bit 1 for b, bit 2
 * for c; otherwise they are float32.
 */
extern "C" __global__ void __launch_bounds__(ANY_THREADS)
    product_any(const void *a, const void *b, void *c, i32 M, i32 N, i32 K, i32 types, i32 trans_a, i32 trans_b,
                float alpha, float beta) {
    alignas(16) __shared__ float a_tile[ANY_DEPTH * ANY_STRIDE];
    alignas(16) __shared__ float b_tile[ANY_DEPTH * ANY_STRIDE];
    const int x = threadIdx.x % 16 * 4, y = threadIdx.x / 16 * 4;
    const i32 first_row = blockIdx.y * ANY_TILE, first_column = blockIdx.x * ANY_TILE;
    float sums[4][4] = {};
    for (i32 k = 0; k < K; k += ANY_DEPTH) {
        load_any(a, types & 1, trans_a, M, K, first_row, k, a_tile);
        load_any(b, types & 2, !trans_b, N, K, first_column, k, b_tile);
        __syncthreads();
#pragma unroll
        for (int depth = 0; depth < ANY_DEPTH; depth++) {
            Vector<float> left = load_vector(a_tile + depth * ANY_STRIDE + y);
            Vector<float> right = load_vector(b_tile + depth * ANY_STRIDE + x);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sums[i][j] = __fmaf_rn(left.at[i], right.at[j], sums[i][j]);
        }
        __syncthreads();
    }
    Target target{c, !(types & 4), alpha, beta};
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (first_row + y + i < M && first_column + x + j < N)
                target.store(i64(first_row + y + i) * N + first_column + x + j, sums[i][j]);
}

/* --- bfloat16 by tensor cores: tiles of 128 by 128 by 32, four warps of 64 by 64, a ring of copies. --- */

#ifndef PRODUCT_STAGES
/* 16 KB of shared memory each. With 3, two blocks share a multiprocessor of 100 KB. */
#define PRODUCT_STAGES 4
#endif
constexpr int TILE = 128, DEPTH = 32, PRODUCT_THREADS = 128;
constexpr int OPERAND_BYTES = TILE * DEPTH * 2, STAGE_BYTES = 2 * OPERAND_BYTES;
/* Rows of sums on their way to c, in the memory of the ring. */
constexpr int STAGED_ROWS = 64, STAGED_STRIDE = TILE + 8;
static_assert(STAGED_ROWS * STAGED_STRIDE * 4 <= PRODUCT_STAGES * STAGE_BYTES, "three stages or more");
/* Rows of tiles that run together, so that they find the columns of b in the cache. */
constexpr int BAND = 8;

/*
 * Byte offset, in an operand's tile, of the 8 elements that contain (line, k). The tile is [128 lines, 32]
 * or, along lines, [32, 128 lines]. The 16-byte pieces of a row are permuted, so that 8 lines under each
 * other lie in different banks.
 */
template <bool along_lines> GPU int tile_offset(int line, int k) {
    return along_lines ? k * 256 + ((line / 8) ^ (k % 8)) * 16 : line * 64 + ((k / 8) ^ (line / 2 % 4)) * 16;
}

/*
 * The pieces of an operand's tiles that a thread copies, four for each tile and zeros outside: their source
 * and their target. The operand's rows in memory are multiples of 16 bytes. A copy of zeros reads nothing, so
 * its source may be anywhere.
 */
template <bool along_lines> struct Pieces {
    static constexpr int count = TILE * DEPTH / 8 / PRODUCT_THREADS, tile_step = OPERAND_BYTES / count;
    const bf16 *source;
    i64 step, advance; /* elements from one piece to the next, and from one tile to the next */
    i32 left;          /* depth that remains at the first piece */
    int place;
    u32 lines_inside; /* one bit for each piece */

    GPU Pieces(const bf16 *x, i32 lines, i32 depth, i32 first_line, i32 first_depth, i32 depth_end) {
        const int piece = threadIdx.x, line = along_lines ? piece % 16 * 8 : piece / 4;
        const int k = along_lines ? piece / 16 : piece % 4 * 8;
        const i64 row = i64(first_line) + line, column = i64(first_depth) + k;
        source = x + (along_lines ? column * lines + row : row * depth + column);
        step = along_lines ? i64(8) * lines : i64(32) * depth;
        advance = along_lines ? i64(DEPTH) * lines : DEPTH;
        left = depth_end - first_depth - k;
        place = tile_offset<along_lines>(line, k);
        lines_inside = 0;
#pragma unroll
        for (int i = 0; i < count; i++) lines_inside |= u32(row + (along_lines ? 0 : i * 32) < lines) << i;
    }

    /* Copies this turn's pieces, and advances to the next. */
    GPU void copy(char *tile) {
#pragma unroll
        for (int i = 0; i < count; i++) {
            bool is_inside = (lines_inside >> i & 1) && left > (along_lines ? i * 8 : 0);
            copy_async_16(tile + place + i * tile_step, source + i * step, is_inside);
        }
        source += advance;
        left -= DEPTH;
    }
};

/* A lane's part of a, 16 lines by 16, as matrix_multiply_add takes it. */
template <bool along_lines> GPU void load_left(u32 fragment[4], const char *tile, int line, int k) {
    const int lane = threadIdx.x % 32, row = lane % 8, odd = lane / 8 % 2, high = lane / 16;
    if (along_lines)
        load_matrix_transposed_4(fragment, tile + tile_offset<true>(line + odd * 8, k + high * 8 + row));
    else
        load_matrix_4(fragment, tile + tile_offset<false>(line + odd * 8 + row, k + high * 8));
}

/* A lane's part of b, two times 8 lines by 16. */
template <bool along_lines> GPU void load_right(u32 fragments[4], const char *tile, int line, int k) {
    const int lane = threadIdx.x % 32, row = lane % 8, odd = lane / 8 % 2, high = lane / 16;
    if (along_lines)
        load_matrix_transposed_4(fragments, tile + tile_offset<true>(line + high * 8, k + odd * 8 + row));
    else
        load_matrix_4(fragments, tile + tile_offset<false>(line + high * 8 + row, k + odd * 8));
}

/* The sums of one warp, 64 by 64. */
struct WarpSums {
    float at[4][8][4];

    template <bool a_along, bool b_along> GPU void add(const char *a_tile, const char *b_tile, int row, int column) {
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            u32 a[4][4], b[4][4];
#pragma unroll
            for (int i = 0; i < 4; i++) load_left<a_along>(a[i], a_tile, row + i * 16, k);
#pragma unroll
            for (int j = 0; j < 4; j++) load_right<b_along>(b[j], b_tile, column + j * 16, k);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 8; j++) matrix_multiply_add(at[i][j], a[i], b[j / 2] + j % 2 * 2);
        }
    }

    /* Writes 32 rows from 32 · part on, of each of the two rows of warps, to `staged`. */
    GPU void stage(int part, int warp_row, int warp_column, float *staged) const {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 8; j++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    int row = warp_row / 2 + i * 16 + half * 8 + lane / 4, column = warp_column + j * 8 + lane % 4 * 2;
                    const float *pair = at[part * 2 + i][j] + half * 2;
                    float *place = staged + row * STAGED_STRIDE + column;
                    place[0] = pair[0];
                    place[1] = pair[1];
                }
    }
};

/* The tile that a block computes: bands of BAND rows of tiles, column by column. */
struct TilePlace {
    i32 row, column;

    GPU TilePlace(i32 M, i32 N) {
        const i32 row_tiles = (M + TILE - 1) / TILE, column_tiles = (N + TILE - 1) / TILE;
        const i32 band = blockIdx.x / (BAND * column_tiles), in_band = blockIdx.x % (BAND * column_tiles);
        const i32 left = row_tiles - band * BAND, height = left < BAND ? left : BAND;
        row = (band * BAND + in_band % height) * TILE;
        column = in_band / height * TILE;
    }
};

/* Sums over K from first to end. */
template <bool a_along, bool b_along>
GPU void multiply_tile(const bf16 *a, const bf16 *b, i32 M, i32 N, i32 K, i32 first, i32 end, TilePlace place,
                       int warp_row, int warp_column, char *ring, WarpSums &sums) {
    const i32 steps = end > first ? (end - first + DEPTH - 1) / DEPTH : 0;
    Pieces<a_along> a_pieces(a, M, K, place.row, first, end);
    Pieces<b_along> b_pieces(b, N, K, place.column, first, end);
    auto copy_stage = [&](i32 step) {
        if (step < steps) {
            char *stage = ring + step % PRODUCT_STAGES * STAGE_BYTES;
            a_pieces.copy(stage);
            b_pieces.copy(stage + OPERAND_BYTES);
        }
        commit_copies(); /* empty groups too: waiting counts groups */
    };
#pragma unroll 1
    for (int step = 0; step < PRODUCT_STAGES - 1; step++) copy_stage(step);
#pragma unroll 1
    for (i32 step = 0; step < steps; step++) {
        wait_for_copies<PRODUCT_STAGES - 2>();
        __syncthreads(); /* this stage has arrived, and the one before it is free */
        copy_stage(step + PRODUCT_STAGES - 1);
        const char *stage = ring + step % PRODUCT_STAGES * STAGE_BYTES;
        sums.add<a_along, b_along>(stage, stage + OPERAND_BYTES, warp_row, warp_column);
    }
}

/*
 * grid: (ceil(M / 128) · ceil(N / 128), 1, splits); block: 128; dynamic shared memory: 16 KB · PRODUCT_STAGES
 * (65,536 bytes). a and b are at multiples of 16 bytes. Their rows in memory have a multiple of 8 elements: K
 * for a as it is and for a transposed b, M for a transposed a, N for b as it is.
 *
 * splits share K, depth_per_split of it each (a multiple of 32; K or more for one split). With more than one
 * split, c is float32 partials [splits, M, N] for product_merge, and beta must be 0.
 */
extern "C" __global__ void __launch_bounds__(PRODUCT_THREADS, 2)
    product_bf16(const bf16 *a, const bf16 *b, void *c, i32 M, i32 N, i32 K, i32 trans_a, i32 trans_b, i32 c_is_f32,
                 float alpha, float beta, i32 depth_per_split) {
    DYNAMIC_SHARED(char, ring);
    const int warp = threadIdx.x / 32, warp_row = warp % 2 * 64, warp_column = warp / 2 * 64;
    const i64 split_first = i64(blockIdx.z) * depth_per_split, split_end = split_first + depth_per_split;
    const i32 first = i32(split_first < K ? split_first : K), end = i32(split_end < K ? split_end : K);
    const TilePlace place(M, N);
    WarpSums sums = {};
    if (trans_a) {
        if (trans_b)
            multiply_tile<true, false>(a, b, M, N, K, first, end, place, warp_row, warp_column, ring, sums);
        else
            multiply_tile<true, true>(a, b, M, N, K, first, end, place, warp_row, warp_column, ring, sums);
    } else if (trans_b) {
        multiply_tile<false, false>(a, b, M, N, K, first, end, place, warp_row, warp_column, ring, sums);
    } else {
        multiply_tile<false, true>(a, b, M, N, K, first, end, place, warp_row, warp_column, ring, sums);
    }

    Target target{c, c_is_f32 != 0, alpha, beta};
    const i64 partial = i64(blockIdx.z) * M * N;
    float *staged = reinterpret_cast<float *>(ring);
    wait_for_copies<0>();
#pragma unroll
    for (int part = 0; part < 2; part++) {
        __syncthreads(); /* the ring, or what was staged before, is free */
        sums.stage(part, warp_row, warp_column, staged);
        __syncthreads();
#pragma unroll 4
        for (int four = threadIdx.x; four < STAGED_ROWS * TILE / 4; four += PRODUCT_THREADS) {
            int row = four / (TILE / 4), column = four % (TILE / 4) * 4;
            i64 m = i64(place.row) + row / 32 * 64 + part * 32 + row % 32, n = i64(place.column) + column;
            if (m < M && n < N)
                target.store_four(partial + m * N + n, staged + row * STAGED_STRIDE + column, i32(N - n), N % 4 == 0);
        }
    }
}

/*
 * c = alpha · (the sum of partials [splits, rows, columns], in their order) + beta · c; c is [columns, rows]
 * if `transposed`. grid: any, of use up to ceil(rows · columns / 256); block: 256.
 */
extern "C" __global__ void __launch_bounds__(256)
    product_merge(const float *partials, void *c, i32 rows, i32 columns, i32 splits, i32 transposed, i32 c_is_f32,
                  float alpha, float beta) {
    const i64 count = i64(rows) * columns;
    Target target{c, c_is_f32 != 0, alpha, beta};
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        i64 from = transposed ? i % rows * columns + i / rows : i;
        float sum = 0;
        for (i32 split = 0; split < splits; split++) sum += partials[split * count + from];
        target.store(i, sum);
    }
}
