/* Runs the tests of the kernels: all of them, or those whose name contains one of the arguments. */
#include "harness.hpp"

#include <chrono>
#include <cmath>

namespace harness {
namespace {

struct Test {
    const char *name;
    void (*body)();
};

std::vector<Test> &tests() {
    static std::vector<Test> tests;
    return tests;
}

/* State of the running test. */
std::vector<std::string> problems;
double worst = 0; /* largest error as a share of its tolerance */
double worst_relative = 0;
bool has_compared = false;

bool is_chosen(const char *name, int count, char **arguments) {
    for (int i = 1; i < count; i++)
        if (std::string(name).find(arguments[i]) != std::string::npos) return true;
    return count < 2;
}

bool passes(const Test &test) {
    problems.clear();
    worst = worst_relative = 0;
    has_compared = false;
    auto start = std::chrono::steady_clock::now();
    try {
        test.body();
    } catch (const simt::Failure &failure) {
        problems.push_back(failure.what());
    }
    simt::schedule_seed = 0;
    double milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    char error[64] = "";
    if (has_compared)
        std::snprintf(error, sizeof error, "error %.1e, %.0f %% of the allowed", worst_relative, worst * 100);
    std::printf("%-6s %-52s %7.0f ms  %s\n", problems.empty() ? "ok" : "FAILED", test.name, milliseconds, error);
    const size_t shown = 5;
    for (size_t i = 0; i < problems.size() && i < shown; i++) std::printf("       %s\n", problems[i].c_str());
    if (problems.size() > shown) std::printf("       and %zu more\n", problems.size() - shown);
    std::fflush(stdout);
    return problems.empty();
}

} // namespace

Registration::Registration(const char *name, void (*body)()) { tests().push_back({name, body}); }

void report(const std::string &problem) { problems.push_back(problem); }

void compare(const std::string &what, const std::vector<double> &got, const std::vector<double> &expected,
             Tolerance tolerance) {
    if (got.size() != expected.size())
        return report(what + ": " + std::to_string(got.size()) + " elements, expected "
                      + std::to_string(expected.size()));
    has_compared = true;
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < got.size(); i++) {
        if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
        double relative = std::fabs(got[i] - expected[i]) / (std::fabs(expected[i]) + tolerance.floor);
        if (!(relative <= tolerance.relative) && !wrong++) first = i;
        if (relative > worst_relative) worst_relative = relative;
        if (relative / tolerance.relative > worst) worst = relative / tolerance.relative;
    }
    if (!wrong) return;
    char text[160];
    std::snprintf(text, sizeof text, ": %zu of %zu elements off, the first at %zu: got %.9g, expected %.9g", wrong,
                  got.size(), first, got[first], expected[first]);
    report(what + text);
}

u64 Random::bits() { return random_bits(0x243F6A8885A308D3u, state++); }
double Random::uniform() { return double(bits() >> 11) * 0x1p-53; }
double Random::normal() {
    double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
}
i32 Random::below(i32 bound) { return i32(uniform() * bound); }

void in_every_schedule(const std::function<void()> &body, const std::function<std::string()> &results) {
    std::string first;
    for (unsigned seed : {0u, 1u, 20241u}) {
        simt::schedule_seed = seed;
        body();
        std::string bytes = results();
        if (seed == 0) first = bytes;
        if (bytes != first) report("schedule " + std::to_string(seed) + " gives another result than schedule 0");
    }
    simt::schedule_seed = 0;
}

} // namespace harness

/* AddressSanitizer would give each fiber a second stack, which is too slow. */
extern "C" const char *__asan_default_options() { return "detect_stack_use_after_return=0"; }

int main(int count, char **arguments) {
    size_t passed = 0, failed = 0;
    for (const auto &test : harness::tests())
        if (harness::is_chosen(test.name, count, arguments)) ++(harness::passes(test) ? passed : failed);
    std::printf("%zu passed, %zu failed\n", passed, failed);
    return failed || !passed ? 1 : 0;
}
