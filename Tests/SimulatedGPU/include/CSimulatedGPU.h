#pragma once
/*
 * A simulated GPU. libSimulatedGPU.so exports the functions that gemmatune calls of libcuda.so.1, libnvrtc.so
 * and libcublasLt.so. It runs the project's own kernels under the emulator of simt.hpp. Tests put links to
 * it, with the names of those libraries, into a folder, and look for the libraries there. They find the
 * functions below by dlsym, and set up cases with them.
 *
 * Work on a stream is done when something waits for it, so that a missing wait shows. Memory is poisoned when
 * it is allocated. The simulation refuses what a real driver refuses, such as a launch without a context, a
 * copy past the end of an allocation, or too much shared memory.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Objects that exist, and calls since the last simulated_reset. */
typedef struct {
    uint64_t allocations, allocated_bytes, peak_bytes; /* device memory: count now, bytes now, peak bytes */
    uint64_t host_allocations;                         /* pinned memory, now */
    uint64_t streams, events, modules, graphs, graph_instances, matmul_objects; /* now */
    uint64_t launches, copies, matrix_products, graph_launches, waits, compilations; /* calls */
    uint64_t kernels_run; /* includes kernels of graphs */
    uint64_t bad_frees;   /* of addresses that were not allocated, or twice */
} simulated_counts_t;

simulated_counts_t simulated_counts(void);
/* Sets the order in which threads run; see simt.hpp. */
void simulated_set_schedule(unsigned seed);
/* Sets the device memory in bytes (8 GiB at start). Allocations above it fail. */
void simulated_set_memory(uint64_t bytes);
/*
 * Set the device's generation (90), the number of devices (1), and the versions of the driver and of NVRTC
 * (130, 130).
 */
void simulated_set_architecture(int architecture);
void simulated_set_device_count(int count);
void simulated_set_versions(int driver, int compiler);
/* Makes the next `times` calls of an exported function only return this result; -1: all calls. */
void simulated_fail(const char *symbol, int result, int times);
/* simulated_fail, once. */
void simulated_fail_next(const char *symbol, int result);
/* Makes every call that needs the device return this result from now on. */
void simulated_lose_device(int result);
/* The message of the last failed launch or copy; empty when none failed. */
const char *simulated_last_failure(void);
/* Restores settings, failures and counts of the start. Allocations stay. */
void simulated_reset(void);

#ifdef __cplusplus
}
#endif
