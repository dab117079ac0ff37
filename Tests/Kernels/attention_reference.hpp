#pragma once
/* Attention in float64, one score after another, and the cases that the kernels are tested with. */
#include <algorithm>
#include <array>
#include <cmath>

#include "harness.hpp"

namespace {

using namespace harness;

/*
 * Segments are {queries, keys}. Queries and keys of segments lie one after another, with one row between
 * segments.
 */
struct Case {
    std::vector<std::array<i32, 2>> segments;
    i32 N, K, H;
    i32 window = 0;
    float soft_cap = 0;
    float scale = 1 / std::sqrt(float(H));

    i32 rows(int which) const {
        i32 sum = 0;
        for (const auto &segment : segments) sum += segment[which] + 1;
        return sum;
    }
    template <class Segment> std::vector<Segment> segments_as() const {
        std::vector<Segment> result;
        i32 query = 0, key = 0;
        for (const auto &[queries, keys] : segments) {
            result.push_back({query, queries, key, keys});
            query += queries + 1, key += keys + 1;
        }
        return result;
    }
    /* Tiles of stacked rows, or of keys. The last tiles come first, because blocks are independent. */
    template <class Tile> std::vector<Tile> row_tiles(i32 height) const { return tiles<Tile>(height, 0, N / K); }
    template <class Tile> std::vector<Tile> key_tiles(i32 height) const { return tiles<Tile>(height, 1, 1); }

    std::string text() const {
        std::string text;
        for (const auto &[queries, keys] : segments) text += std::to_string(queries) + "/" + std::to_string(keys) + " ";
        return text + "N " + std::to_string(N) + " K " + std::to_string(K) + " H " + std::to_string(H) + " window "
               + std::to_string(window) + (soft_cap > 0 ? " capped " : " ");
    }
    /*
     * Weights are rounded to bfloat16 (2^-9) before values, or gradients, of size 1.5 are summed with them.
     */
    template <class T> Tolerance tolerance() const {
        return sizeof(T) == 2 ? Tolerance{1.5 / 256, 1.5} : Tolerance{1e-5, 0.5};
    }

private:
    template <class Tile> std::vector<Tile> tiles(i32 height, int which, i32 heads) const {
        std::vector<Tile> result;
        for (i32 s = 0; s < i32(segments.size()); s++)
            for (i32 start = 0; start < segments[s][which] * heads; start += height) result.push_back({s, start});
        std::reverse(result.begin(), result.end());
        return result;
    }
};

/* q, k, v and the gradient of o. Rows between segments are NaN, because nothing may read them. */
template <class T> struct Inputs {
    std::vector<T> q, k, v, dO;

    explicit Inputs(const Case &c) {
        Random random(c.H + c.N + c.segments[0][0] * 1000);
        q = make(random, c, 0, c.N * c.H);
        k = make(random, c, 1, c.K * c.H);
        v = make(random, c, 1, c.K * c.H);
        dO = make(random, c, 0, c.N * c.H);
    }

private:
    static std::vector<T> make(Random &random, const Case &c, int which, i32 width) {
        std::vector<T> x = unwritten<T>(size_t(c.rows(which)) * width);
        size_t row = 0;
        for (const auto &segment : c.segments) {
            auto part = normals<T>(random, size_t(segment[which]) * width, 1.5);
            std::copy(part.begin(), part.end(), x.begin() + row * width);
            row += segment[which] + 1;
        }
        return x;
    }
};

/* NaN where nothing may be written. */
struct Outputs {
    std::vector<double> o, lse, delta, dQ, dK, dV;

    template <class T> Outputs(const Case &c, const Inputs<T> &in, const std::vector<T> *rounded_o = nullptr) {
        const double nan = NAN;
        o.assign(in.q.size(), nan), dQ = o;
        lse.assign(in.q.size() / c.H, nan), delta = lse;
        dK.assign(in.k.size(), nan), dV = dK;
        size_t query = 0, key = 0;
        for (const auto &[queries, keys] : c.segments) {
            std::fill_n(dK.begin() + key * c.K * c.H, size_t(keys) * c.K * c.H, 0);
            std::fill_n(dV.begin() + key * c.K * c.H, size_t(keys) * c.K * c.H, 0);
            for (i32 i = 0; i < queries; i++)
                for (i32 head = 0; head < c.N; head++)
                    add_row(c, in, (query + i) * c.N + head, key, i + keys - queries, head / (c.N / c.K), rounded_o);
            query += queries + 1, key += keys + 1;
        }
    }

private:
    template <class T>
    void add_row(const Case &c, const Inputs<T> &in, size_t row, size_t first_key, i32 position, i32 key_head,
                 const std::vector<T> *rounded_o) {
        const i32 first = c.window ? std::max(0, position - c.window + 1) : 0, count = position + 1 - first;
        auto key_at = [&](i32 j) { return ((first_key + first + j) * c.K + key_head) * c.H; };
        std::vector<double> p(count), slope(count, 1), dP(count), output(c.H), dQuery(c.H);
        double most = -INFINITY, sum = 0;
        for (i32 j = 0; j < count; j++) {
            for (i32 h = 0; h < c.H; h++) {
                p[j] += number(in.q[row * c.H + h]) * number(in.k[key_at(j) + h]) * c.scale;
                dP[j] += number(in.dO[row * c.H + h]) * number(in.v[key_at(j) + h]);
            }
            if (c.soft_cap > 0) {
                double bent = std::tanh(p[j] / c.soft_cap);
                p[j] = c.soft_cap * bent, slope[j] = 1 - bent * bent;
            }
            most = std::max(most, p[j]);
        }
        for (double &x : p) sum += x = std::exp(x - most);
        double d = 0;
        for (i32 j = 0; j < count; j++) {
            p[j] /= sum;
            for (i32 h = 0; h < c.H; h++) output[h] += p[j] * number(in.v[key_at(j) + h]);
        }
        /* From the rounded output, as in the kernels. */
        for (i32 h = 0; h < c.H; h++)
            d += number(in.dO[row * c.H + h]) * (rounded_o ? number((*rounded_o)[row * c.H + h]) : output[h]);
        for (i32 j = 0; j < count; j++) {
            double dS = p[j] * (dP[j] - d) * slope[j] * c.scale;
            for (i32 h = 0; h < c.H; h++) {
                dQuery[h] += dS * number(in.k[key_at(j) + h]);
                dK[key_at(j) + h] += dS * number(in.q[row * c.H + h]);
                dV[key_at(j) + h] += p[j] * number(in.dO[row * c.H + h]);
            }
        }
        std::copy(output.begin(), output.end(), o.begin() + row * c.H);
        std::copy(dQuery.begin(), dQuery.end(), dQ.begin() + row * c.H);
        lse[row] = most + std::log(sum), delta[row] = d;
    }
};

/*
 * One row; primes; a tile and its neighbours; fewer queries than keys; grouped heads that do not divide a
 * tile.
 */
[[maybe_unused]] std::vector<Case> tensor_core_cases(i32 H) {
    return {
        {{{1, 1}}, 1, 1, H},
        {{{63, 63}, {2, 5}, {17, 130}}, 1, 1, H},
        {{{65, 65}, {0, 3}, {8, 8}}, 2, 1, H},
        {{{23, 23}, {7, 71}}, 6, 2, H},
        {{{40, 131}}, 4, 4, H, 7},
        {{{70, 70}, {3, 90}}, 3, 1, H, 64},
        {{{37, 41}}, 2, 1, H, 0, 5},
        {{{33, 101}}, 4, 2, H, 50, 20},
    };
}
[[maybe_unused]] std::vector<Case> few_cases(i32 H) {
    return {
        {{{19, 19}, {1, 66}}, 8, 1, H},
        {{{13, 77}, {5, 5}}, 3, 1, H, 21, 10},
    };
}
[[maybe_unused]] std::vector<Case> plain_cases() {
    return {
        {{{1, 1}}, 1, 1, 1},
        {{{17, 17}, {2, 5}, {5, 70}}, 1, 1, 32},
        {{{9, 33}, {0, 2}, {3, 3}}, 6, 2, 16},
        {{{21, 40}}, 2, 2, 7, 5},
        {{{13, 45}, {15, 15}}, 3, 1, 96, 32, 8},
    };
}

} // namespace
