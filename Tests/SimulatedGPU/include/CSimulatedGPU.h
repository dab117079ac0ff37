#pragma once
/*
 * A GPU that is not there: libSimulatedGPU.so exports what gemmatune calls of libcuda.so.1, libnvrtc.so and
 * libcublasLt.so, and runs the project's own kernels under the emulator of simt.hpp. Tests put links with those names
 * to it into a folder and look for the libraries there; the functions below, found by dlsym, set the scene.
 *
 * Work on a stream is done when something waits for it, so that a missing wait shows. Memory is poisoned when it is
 * allocated. What a real driver refuses (a launch without a context, a copy past the end of an allocation, too much
 * shared memory) is refused.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What there is and what was done, since the last simulated_reset where it counts calls. */
typedef struct {
    uint64_t allocations, allocated_bytes, peak_bytes; /* device memory: now, now, at most */
    uint64_t host_allocations;                         /* pinned memory, now */
    uint64_t streams, events, modules, graphs, graph_instances, matmul_objects; /* now */
    uint64_t launches, copies, matrix_products, graph_launches, waits, compilations; /* calls */
    uint64_t kernels_run; /* also those of graphs */
    uint64_t bad_frees;   /* of addresses that were not allocated, or twice */
} simulated_counts_t;

simulated_counts_t simulated_counts(void);
/* The order in which threads run; see simt.hpp. */
void simulated_set_schedule(unsigned seed);
/* How much memory the device has (8 GiB); allocations above it fail. */
void simulated_set_memory(uint64_t bytes);
/* The device's generation (90), how many devices there are (1), versions of the driver and of NVRTC (130, 130). */
void simulated_set_architecture(int architecture);
void simulated_set_device_count(int count);
void simulated_set_versions(int driver, int compiler);
/* The next `times` calls of an exported function give this result in place of doing anything; -1: all calls. */
void simulated_fail(const char *symbol, int result, int times);
/* simulated_fail, once. */
void simulated_fail_next(const char *symbol, int result);
/* Every call that needs the device gives this result from now on. */
void simulated_lose_device(int result);
/* What the last failed launch or copy failed with, in words; empty when none did. */
const char *simulated_last_failure(void);
/* Settings, failures and counts as at the start. What is allocated stays. */
void simulated_reset(void);

#ifdef __cplusplus
}
#endif
