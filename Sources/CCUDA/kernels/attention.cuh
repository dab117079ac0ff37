#pragma once
/*
 * Parts that the attention kernels share: which rows belong together, what each sees, and tiles in shared
 * memory.
 *
 * A group is the query heads that share a key/value head, and so its keys and values. Their queries are
 * stacked as rows: row r of a segment is query r / G of the group's head r % G, for G heads. A tile is some
 * rows, or some keys, of a segment. The last query of a segment is at its last key.
 */
#include "gpu.cuh"

/* One sequence: runs of rows of q and o, and of k and v. */
struct Segment {
    i32 query_start, query_count, key_start, key_count;
};

/* The work of one block: rows (or keys) of a segment from `start` on. */
struct Tile {
    i32 segment, start;
};

/* Sizes and options of a call. N: query heads; K: key/value heads; H: elements of a head. */
struct Attention {
    i32 N, K, H;
    float scale;
    i32 window;     /* keys that a query sees, its own the last; 0: all up to it */
    float soft_cap; /* 0: none */
};

constexpr float LOG2_E = 1.44269504088896341f, LN_2 = 0.69314718055994531f;

GPU float negative_infinity() { return __uint_as_float(0xFF800000u); }
GPU i32 smaller(i32 a, i32 b) { return a < b ? a : b; }
GPU i32 larger(i32 a, i32 b) { return a > b ? a : b; }

/* `heads` query heads from `first_head` on, in one segment: those of one key/value head, or some of them. */
struct Group {
    Segment segment;
    i32 heads, first_head, key_head;
    i32 N, K, H, window;

    GPU Group(const Attention &a, const Segment &segment, i32 key_head, i32 heads, i32 first)
        : segment(segment), heads(heads), first_head(key_head * (a.N / a.K) + first), key_head(key_head), N(a.N),
          K(a.K), H(a.H), window(a.window) {}

    GPU i32 rows() const { return segment.query_count * heads; }
    /* Key at the position of a row. */
    GPU i32 position(i32 row) const { return row / heads + segment.key_count - segment.query_count; }
    /* Index of a row's log-sum-exp. Times H it is the index of the row's first element in q and o. */
    GPU i64 query_index(i32 row) const {
        return i64(segment.query_start + row / heads) * N + first_head + row % heads;
    }
    /* Index of a key's first element in k and v. */
    GPU i64 key_offset(i32 key) const { return (i64(segment.key_start + key) * K + key_head) * H; }

    GPU bool sees(i32 position, i32 key) const { return key <= position && (!window || key > position - window); }
    /* Whether all of `count` rows see all of `keys` keys. */
    GPU bool all_see(i32 first_row, i32 count, i32 first_key, i32 keys) const {
        return sees(position(first_row), first_key + keys - 1) && sees(position(first_row + count - 1), first_key);
    }
    /* Keys that any row of first ..< end sees. */
    GPU i32 first_key(i32 first) const { return window ? larger(0, position(first) - window + 1) : 0; }
    GPU i32 end_key(i32 end) const { return position(end - 1) + 1; }
    /* Rows that see any key of first ..< end. */
    GPU i32 first_row(i32 first) const {
        return larger(0, first + segment.query_count - segment.key_count) * heads;
    }
    GPU i32 end_row(i32 end) const {
        if (!window) return rows();
        i64 query = i64(end) - 1 + window + segment.query_count - segment.key_count;
        return (query < segment.query_count ? i32(larger(0, i32(query))) : segment.query_count) * heads;
    }
};

/* --- Tiles of bfloat16 in shared memory, for the tensor cores. --- */

/*
 * Byte offset of the 8 elements from `column` on, in a tile of rows of `width` elements. The 16-byte pieces
 * of a row are permuted, so that 8 rows under each other lie in different banks.
 */
template <int width> GPU int piece_offset(int row, int column) {
    static_assert(width == 32 || width >= 64, "a row of 64 bytes, or whole lines of all banks");
    int piece = column / 8;
    return row * width * 2 + (width == 32 ? piece ^ (row / 2 % 4) : piece ^ (row % 8)) * 16;
}

/*
 * Returns x, but hides its value from the compiler: what a loop derives from it is not kept in registers from
 * turn to turn.
 */
GPU int opaque(int x) {
    asm volatile("" : "+r"(x));
    return x;
}

/*
 * Copies rows of x to a tile. offset(row) is the index of a row's first element, or negative for a row of
 * zeros.
 */
template <int rows, int width, int threads, class Offset> GPU void copy_rows(char *tile, const bf16 *x, Offset offset) {
    constexpr int pieces = width / 8, step = threads / pieces;
    static_assert(step % 4 == 0 && rows % step == 0, "the permutation of a row follows from that of the first");
    const int first = opaque(threadIdx.x), row = first / pieces, column = first % pieces * 8;
    const int place = piece_offset<width>(row, column);
#pragma unroll
    for (int i = 0; i < rows; i += step) {
        i64 from = offset(row + i);
        copy_async_16(tile + (place ^ i % 8 * 16) + i * width * 2, x + (from < 0 ? 0 : from + column), from >= 0);
    }
}

/*
 * Where a lane finds its row of the four 8 x 8 tiles that it loads together. `direct` is in the order of a
 * left factor and of a right one; `turned` is in the order of a right factor whose transpose is stored. From
 * there, each 16 columns are 32 bytes, combined by exclusive or. Rows advance by multiples of 16, as whole
 * rows.
 */
template <int width> struct LaneOffset {
    int direct, turned;

    GPU LaneOffset() {
        const int lane = threadIdx.x % 32;
        direct = opaque(piece_offset<width>(lane % 16, lane / 16 * 8));
        turned = opaque(piece_offset<width>(lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8));
    }
    static GPU int at(int offset, int row, int column) { return (offset ^ column * 2) + row * width * 2; }
};

/*
 * sums[16, 8 · tiles] += left[16, depth] · right[8 · tiles, depth]ᵀ, for rows of the tiles from left_row and
 * right_row on.
 */
template <int depth, int tiles>
GPU void add_products_transposed(float (&sums)[tiles][4], const char *left, int left_row, const char *right,
                                 int right_row) {
    const LaneOffset<depth> lane;
#pragma unroll 8
    for (int k = 0; k < depth; k += 16) {
        u32 a[4];
        load_matrix_4(a, left + lane.at(lane.direct, left_row, k));
#pragma unroll
        for (int j = 0; j < tiles; j += 2) {
            u32 b[4];
            load_matrix_4(b, right + lane.at(lane.turned, right_row + j * 8, k));
            matrix_multiply_add(sums[j], a, b);
            matrix_multiply_add(sums[j + 1], a, b + 2);
        }
    }
}

/*
 * sums[16, 8 · tiles] += a[16, 16] · right[16, 8 · tiles]; right is read from (row, column) of a tile with
 * rows of `width`.
 */
template <int width, int tiles>
GPU void add_products(float (&sums)[tiles][4], const u32 a[4], const char *right, const LaneOffset<width> &lane,
                      int row, int column) {
#pragma unroll
    for (int j = 0; j < tiles; j += 2) {
        u32 b[4];
        load_matrix_transposed_4(b, right + lane.at(lane.direct, row, column + j * 8));
        matrix_multiply_add(sums[j], a, b);
        matrix_multiply_add(sums[j + 1], a, b + 2);
    }
}

/* Sums of two tiles of 8 columns, rounded, as the 16 columns of a left factor. */
GPU void as_left(u32 a[4], const float even[4], const float odd[4]) {
    a[0] = packed_bf16(even[0], even[1]);
    a[1] = packed_bf16(even[2], even[3]);
    a[2] = packed_bf16(odd[0], odd[1]);
    a[3] = packed_bf16(odd[2], odd[3]);
}

/*
 * Writes a warp's sums, 16 rows by 8 · tiles, to a tile: times `factors` of the lane's two rows, and rounded.
 */
template <int width, int tiles>
GPU void store_rounded(char *tile, const float (&sums)[tiles][4], int row, int column, const float factors[2]) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < tiles; j++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int offset = piece_offset<width>(row + half * 8 + lane / 4, column + j * 8) + lane % 4 * 4;
            *reinterpret_cast<u32 *>(tile + offset) =
                packed_bf16(sums[j][half * 2] * factors[half], sums[j][half * 2 + 1] * factors[half]);
        }
}

/* tanh by fast instructions, with an error of about 2^-22. */
GPU float fast_tanh(float x) { return 1 - 2 * approximate_reciprocal(1 + exp2f(x * (2 * LOG2_E))); }

/* Turns products of queries and keys into scores: scaled and capped, in units of ln 2. */
template <int tiles> GPU void to_scores(float (&products)[tiles][4], float scale, float soft_cap) {
    if (soft_cap > 0) {
        const float inner = scale / soft_cap, outer = soft_cap * LOG2_E;
#pragma unroll
        for (int j = 0; j < tiles; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) products[j][i] = outer * fast_tanh(products[j][i] * inner);
    } else {
#pragma unroll
        for (int j = 0; j < tiles; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) products[j][i] *= scale * LOG2_E;
    }
}

/* Removes the scores of keys, from `key` on, that the 16 rows from `row` on do not see. */
template <int tiles> GPU void mask_scores(float (&scores)[tiles][4], const Group &group, i32 row, i32 key) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const i32 position = group.position(row + half * 8 + lane / 4);
#pragma unroll
        for (int j = 0; j < tiles; j++)
#pragma unroll
            for (int i = 0; i < 2; i++)
                if (!group.sees(position, key + j * 8 + lane % 4 * 2 + i))
                    scores[j][half * 2 + i] = negative_infinity();
    }
}

/* d score / d scaled product, 1 - tanh², from a score in units of ln 2; 0 for a removed score. */
GPU float score_slope(float score, float soft_cap) {
    float bent = fmaxf(score * (LN_2 / soft_cap), -1.0f);
    return 1 - bent * bent;
}

/* --- Tiles of float32 in shared memory, for any head size. --- */

/* Elements from one row to the next: an odd number, so that neighbouring rows lie in different banks. */
GPU int plain_stride(int H) { return H | 1; }

/* Widened rows of x, one for each warp at a time; zeros where offset(row) is negative. */
template <class T, class Offset> GPU void load_plain(float *tile, const T *x, int rows, int H, Offset offset) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
    for (int row = warp; row < rows; row += warps) {
        i64 from = offset(row);
        for (int h = lane; h < H; h += 32) tile[row * plain_stride(H) + h] = from < 0 ? 0.0f : widened(x[from + h]);
    }
}

/* A score, scaled and capped, and 1 - tanh². */
struct Score {
    float value, slope;

    GPU Score(float product, float scale, float soft_cap) : value(product * scale), slope(1) {
        if (soft_cap > 0) {
            float bent = tanhf(value / soft_cap);
            value = soft_cap * bent;
            slope = 1 - bent * bent;
        }
    }
};
