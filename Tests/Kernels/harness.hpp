#pragma once
/*
 * Tests of the kernels under the emulator. A test includes the kernels' source in a namespace of its own:
 *
 *     #include "harness.hpp"
 *     namespace {
 *     #include "elementwise.cu"
 *     TEST(add_f32) { ... }
 *     }
 *
 * Each prints one line: its name, the largest error against the tolerance, the time.
 */
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "gpu.cuh"

namespace harness {

/* Says what is wrong and marks the running test as failed. */
void report(const std::string &problem);

/* |got - expected| <= relative · (|expected| + floor) for every element; NaN only where NaN is expected. */
struct Tolerance {
    double relative;
    double floor;
};
/* One rounding to bfloat16 is 2^-8 · |x| at most; float32 sums before it add far less. */
inline constexpr Tolerance bf16_tolerance{1.01 / 256, 1e-3};
inline constexpr Tolerance f32_tolerance{4e-6, 1e-1};
template <class T> inline constexpr Tolerance tolerance_of = f32_tolerance;
template <> inline constexpr Tolerance tolerance_of<bf16> = bf16_tolerance;

void compare(const std::string &what, const std::vector<double> &got, const std::vector<double> &expected,
             Tolerance tolerance);

inline double number(double x) { return x; }
inline double number(float x) { return x; }
inline double number(bf16 x) { return widened(x); }
inline double number(i32 x) { return x; }

template <class T> std::vector<double> numbers(const std::vector<T> &values) {
    std::vector<double> result;
    for (const T &value : values) result.push_back(number(value));
    return result;
}

template <class T>
void compare(const std::string &what, const std::vector<T> &got, const std::vector<double> &expected,
             Tolerance tolerance = tolerance_of<T>) {
    compare(what, numbers(got), expected, tolerance);
}

/* Same bits. */
template <class T> void same(const std::string &what, const std::vector<T> &got, const std::vector<T> &expected) {
    size_t different = 0, first = 0;
    for (size_t i = 0; i < got.size() && i < expected.size(); i++)
        if (std::memcmp(&got[i], &expected[i], sizeof(T)) && !different++) first = i;
    if (got.size() != expected.size() || different)
        report(what + ": " + std::to_string(different) + " of " + std::to_string(expected.size())
               + " elements differ, the first at " + std::to_string(first) + ", got "
               + std::to_string(number(got[first])) + ", expected " + std::to_string(number(expected[first])));
}

inline void expect(bool condition, const std::string &what) {
    if (!condition) report(what);
}

/* Numbers that a seed fixes. */
struct Random {
    u64 state;
    explicit Random(u64 seed) : state(seed) {}
    u64 bits();
    double uniform();                           /* 0 ..< 1 */
    double normal();                            /* mean 0, deviation 1 */
    i32 below(i32 bound);                       /* 0 ..< bound */
};

/* count normal numbers of the given deviation. */
template <class T> std::vector<T> normals(Random &random, size_t count, double deviation = 1) {
    std::vector<T> values(count);
    for (T &value : values) value = rounded<T>(float(random.normal() * deviation));
    return values;
}

/* Storage that a kernel is to fill: NaN. */
template <class T> std::vector<T> unwritten(size_t count) {
    std::vector<T> values(count);
    if (count) std::memset(static_cast<void *>(values.data()), 0xFF, count * sizeof(T));
    return values;
}

/* The elements moved by one, so that they do not begin at a multiple of 16 bytes. */
template <class T> struct Shifted {
    std::vector<T> storage;
    explicit Shifted(const std::vector<T> &values) : storage(values.size() + 1) {
        std::copy(values.begin(), values.end(), storage.begin() + 1);
    }
    T *data() { return storage.data() + 1; }
    std::vector<T> values() const { return {storage.begin() + 1, storage.end()}; }
};

/* Runs `body` under several schedules (see simt.hpp); `results` gives bytes that must not depend on them. */
void in_every_schedule(const std::function<void()> &body, const std::function<std::string()> &results);

inline std::string bytes_of() { return {}; }
template <class T, class... Rest> std::string bytes_of(const std::vector<T> &first, const Rest &...rest) {
    return std::string(reinterpret_cast<const char *>(first.data()), first.size() * sizeof(T)) + bytes_of(rest...);
}

/*
 * Launches under several schedules. `prepare` sets the outputs to their values before the launch; afterwards
 * `outputs` must be equal.
 */
template <class Prepare, class Kernel, class... Output>
void launch(dim3 grid, dim3 block, size_t shared_bytes, Prepare prepare, Kernel kernel, const Output &...outputs) {
    in_every_schedule(
        [&] {
            prepare();
            simt::launch(grid, block, shared_bytes, kernel);
        },
        [&] { return bytes_of(outputs...); });
}

struct Registration {
    Registration(const char *name, void (*body)());
};

} // namespace harness

#define TEST(name)                                                                                                   \
    void test_##name();                                                                                              \
    const harness::Registration registration_##name(#name, test_##name);                                             \
    void test_##name()
