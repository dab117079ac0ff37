#pragma once
/* Parts that the simulated driver, compiler and matrix library share. */
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "CSimulatedGPU.h"
#include "registry.hpp"

namespace simulated {

/* Every exported function holds it. */
std::recursive_mutex &mutex();

struct Settings {
    uint64_t memory = uint64_t(8) << 30;
    int architecture = 90, device_count = 1, driver_version = 130, compiler_version = 130;
    int lost = 0; /* result of all calls once the device is lost */
};
Settings &settings();
simulated_counts_t &counts();

/* The result that a test has planned for this call; otherwise 0. */
int planned_failure(const char *symbol);

using Work = std::function<void()>;
/* Queues work, or adds it to the graph that is being captured. Returns a CUresult. */
int enqueue(void *stream, Work work);
/* Why bytes at a device address cannot be used, when they do not lie in one allocation; otherwise empty. */
std::string outside_memory(uint64_t address, size_t bytes);
/* Notes what was wrong. The device is then lost with `result`. */
void lose(int result, const std::string &why);

} // namespace simulated

/* Begins an exported function: takes the lock, and returns a planned failure. */
#define SIMULATED_CALL(symbol)                                                                                       \
    std::lock_guard<std::recursive_mutex> simulated_lock(simulated::mutex());                                        \
    if (int result = simulated::planned_failure(#symbol)) return result
