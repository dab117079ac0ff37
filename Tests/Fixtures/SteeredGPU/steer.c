// A libcuda.so.1 before the simulated GPU's, for programs that a test starts: the environment says what the device is
// like and what goes wrong on it. Everything else is the simulated GPU's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void simulated_set_memory(uint64_t bytes);
void simulated_set_device_count(int count);
void simulated_set_versions(int driver, int compiler);
void simulated_lose_device(int result);

static long number(const char *name, long absent) {
  const char *text = getenv(name);
  return text ? atol(text) : absent;
}

static void *theirs(const char *name) {
  return dlsym(dlopen("libSimulatedGPU.so", RTLD_NOW | RTLD_NOLOAD), name);
}

__attribute__((constructor)) static void set_scene(void) {
  // A sign that the library was loaded.
  if (getenv("GPU_SIGN")) fclose(fopen(getenv("GPU_SIGN"), "w"));
  if (getenv("GPU_MEMORY")) simulated_set_memory(number("GPU_MEMORY", 0));
  if (getenv("GPU_DEVICES")) simulated_set_device_count(number("GPU_DEVICES", 0));
  if (getenv("GPU_DRIVER")) simulated_set_versions(number("GPU_DRIVER", 0), 130);
}

// The wait after the GPU_WAITS-th finds the device lost: a kernel read where it must not.
static void wait_begins(void) {
  static long count;
  if (count++ == number("GPU_WAITS", -1)) simulated_lose_device(700);
}

int cuStreamSynchronize(void *stream) {
  wait_begins();
  return ((int (*)(void *))theirs("cuStreamSynchronize"))(stream);
}

int cuEventSynchronize(void *event) {
  wait_begins();
  return ((int (*)(void *))theirs("cuEventSynchronize"))(event);
}

// Another program has taken the memory: no allocation succeeds after the GPU_ALLOCATIONS-th.
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  static long count;
  if (count++ >= number("GPU_ALLOCATIONS", INT64_MAX)) return 2;
  return ((int (*)(uint64_t *, size_t))theirs("cuMemAlloc_v2"))(address, bytes);
}
