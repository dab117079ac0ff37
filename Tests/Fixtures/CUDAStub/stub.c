// A driver, compiler and cuBLASLt in one library, for tests of what lies above them: device memory is host memory,
// launches are counted and not run. A test loads a copy of its own and steers it by stub_set and stub_fail_next.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CCUDA.h"

// Numbers that a test may set, and counts of calls.
static struct {
  const char *name;
  long value;
} settings[64] = {{"version", 13000}, {"devices", 1},  {"major", 9},         {"minor", 0},     {"memory", 1l << 30},
                  {"nvrtc_major", 13}, {"nvrtc_minor", 2}, {"oldest_arch", 75}, {"newest_arch", 121}, {"matmul", 130200},
                  {"compilations", 0}};

static long *setting(const char *name) {
  for (int i = 0; i < 64; i++) {
    if (!settings[i].name) settings[i].name = strdup(name);
    if (!strcmp(settings[i].name, name)) return &settings[i].value;
  }
  abort();
}

void stub_set(const char *name, long value) { *setting(name) = value; }
long stub_get(const char *name) { return *setting(name); }

// The next call of `symbol` gives `code`.
static char failing[64];
static int failure;
void stub_fail_next(const char *symbol, int code) {
  snprintf(failing, sizeof failing, "%s", symbol);
  failure = code;
}

// Counts a call; gives the result that it was told to give, or 0.
static int result(const char *symbol) {
  ++*setting(symbol);
  if (strcmp(symbol, failing)) return 0;
  failing[0] = 0;
  return failure;
}
#define CALL                         \
  int code = result(__func__);       \
  if (code) return code

// The driver.

int cuInit(unsigned flags) { (void)flags; return result(__func__); }
int cuDriverGetVersion(int *version) { *version = (int)*setting("version"); return 0; }
int cuGetErrorName(int error, const char **name) {
  *name = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : error == 100 ? "CUDA_ERROR_NO_DEVICE"
        : error == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : error == 500 ? "CUDA_ERROR_NOT_FOUND" : "CUDA_ERROR_INVALID_VALUE";
  return 0;
}
int cuGetErrorString(int error, const char **text) {
  *text = error == 2 ? "out of memory" : error == 100 ? "no CUDA-capable device is detected"
        : error == 700 ? "an illegal memory access was encountered" : error == 500 ? "named symbol not found" : "invalid argument";
  return 0;
}
int cuDeviceGetCount(int *count) { *count = (int)*setting("devices"); return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int capacity, int device) { snprintf(name, capacity, "Stub GPU %d", device); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  // The second device is of the newest kind, whatever the first one is.
  *value = attribute == 75 ? (device ? 9 : (int)*setting("major")) : attribute == 76 ? (device ? 0 : (int)*setting("minor"))
         : attribute == 16 ? 132 : 232448;
  return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = *setting("memory"); return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { CALL; *context = (void *)(intptr_t)(1 + device); return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; CALL; return 0; }

// 64 allocations at most; "used" is their sum.
static struct { uint64_t address; size_t bytes; } allocations[64];
int cuMemGetInfo_v2(size_t *available, size_t *total) {
  *total = *setting("memory");
  *available = *total - *setting("used");
  return 0;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  CALL;
  if (*setting("used") + (long)bytes > *setting("memory")) return 2;
  for (int i = 0; i < 64; i++)
    if (!allocations[i].address) {
      allocations[i].address = *address = (uint64_t)aligned_alloc(512, bytes);
      allocations[i].bytes = bytes;
      *setting("used") += bytes;
      return 0;
    }
  return 2;
}
int cuMemFree_v2(uint64_t address) {
  CALL;
  for (int i = 0; i < 64; i++)
    if (allocations[i].address == address) {
      free((void *)address);
      allocations[i].address = 0;
      *setting("used") -= allocations[i].bytes;
      return 0;
    }
  return 1;
}
int cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) { (void)flags; CALL; *pointer = malloc(bytes); return 0; }
int cuMemFreeHost(void *pointer) { CALL; free(pointer); return 0; }
int cuMemcpyHtoDAsync_v2(uint64_t target, const void *source, size_t bytes, void *stream) {
  (void)stream; CALL; memcpy((void *)target, source, bytes); return 0;
}
int cuMemcpyDtoHAsync_v2(void *target, uint64_t source, size_t bytes, void *stream) {
  (void)stream; CALL; memcpy(target, (void *)source, bytes); return 0;
}
int cuMemcpyDtoDAsync_v2(uint64_t target, uint64_t source, size_t bytes, void *stream) {
  (void)stream; CALL; memcpy((void *)target, (void *)source, bytes); return 0;
}
int cuMemsetD8Async(uint64_t target, unsigned char value, size_t count, void *stream) {
  (void)stream; CALL; memset((void *)target, value, count); return 0;
}
int cuMemsetD32Async(uint64_t target, unsigned value, size_t count, void *stream) {
  (void)stream; CALL;
  for (size_t i = 0; i < count; i++) ((unsigned *)target)[i] = value;
  return 0;
}
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
  (void)flags; (void)priority; CALL; *stream = (void *)1; return 0;
}
int cuStreamSynchronize(void *stream) { (void)stream; CALL; return 0; }
int cuStreamDestroy_v2(void *stream) { (void)stream; CALL; return 0; }
int cuEventCreate(void **event, unsigned flags) { (void)flags; CALL; *event = (void *)1; return 0; }
int cuEventRecord(void *event, void *stream) { (void)event; (void)stream; CALL; return 0; }
int cuEventSynchronize(void *event) { (void)event; CALL; return 0; }
int cuEventDestroy_v2(void *event) { (void)event; CALL; return 0; }
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  (void)start; (void)end; CALL;
  // The fifth algorithm is the fastest.
  *milliseconds = 1 + labs(*setting("algorithm") - 4);
  return 0;
}

int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  int code = result(__func__);
  if (code == 218 && count == 2 && options[0] == 5) snprintf(values[0], (size_t)values[1], "ptxas: line 3\nand more");
  *module = (void *)image;
  return code;
}
int cuModuleUnload(void *module) { (void)module; CALL; return 0; }
// "add_f32" is the one kernel: three addresses and a 64-bit count.
int cuModuleGetFunction(void **function, void *module, const char *name) {
  (void)module; CALL; *function = (void *)7; return strcmp(name, "add_f32") ? 500 : 0;
}
int cuFuncGetParamInfo(void *function, size_t index, size_t *offset, size_t *size) {
  (void)function; *offset = 8 * index; *size = 8; return index < 4 ? 0 : 1;
}
int cuFuncGetAttribute(int *value, int attribute, void *function) {
  (void)attribute; (void)function; CALL; *value = 32; return 0;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  (void)function; CALL; stub_set(attribute == 8 ? "shared" : "other", value); return value > 232448;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
  (void)function; (void)shared; (void)stream; (void)extra; CALL;
  stub_set("grid", gx * 10000 + gy * 100 + gz);
  stub_set("block", bx * 10000 + by * 100 + bz);
  stub_set("argument 0", *(long *)parameters[0]);
  stub_set("argument 3", *(long *)parameters[3]);
  return 0;
}
int cuStreamBeginCapture_v2(void *stream, int mode) { (void)stream; CALL; stub_set("capture mode", mode); return 0; }
int cuStreamEndCapture(void *stream, void **graph) { (void)stream; CALL; *graph = (void *)1; return 0; }
int cuGraphInstantiateWithFlags(void **instance, void *graph, unsigned long long flags) {
  (void)graph; (void)flags; CALL; *instance = (void *)1; return 0;
}
int cuGraphLaunch(void *instance, void *stream) { (void)instance; (void)stream; CALL; return 0; }
int cuGraphExecDestroy(void *instance) { (void)instance; CALL; return 0; }
int cuGraphDestroy(void *graph) { (void)graph; CALL; return 0; }

// The compiler: the code of a file is its options and its text; a text with "#error" has errors.

struct program { char text[4096]; char code[8192]; };
int nvrtcVersion(int *major, int *minor) {
  *major = (int)*setting("nvrtc_major");
  *minor = (int)*setting("nvrtc_minor");
  return 0;
}
static const int architectures[] = {75, 80, 86, 89, 90, 100, 120, 121};
static int known(int *list) {
  int count = 0;
  for (int i = 0; i < 8; i++)
    if (architectures[i] >= *setting("oldest_arch") && architectures[i] <= *setting("newest_arch")) {
      if (list) list[count] = architectures[i];
      count++;
    }
  return count;
}
int nvrtcGetNumSupportedArchs(int *count) { *count = known(NULL); return 0; }
int nvrtcGetSupportedArchs(int *list) { known(list); return 0; }
int nvrtcCreateProgram(void **program, const char *source, const char *name, int count, const char *const *headers,
                       const char *const *names) {
  struct program *made = calloc(1, sizeof *made);
  snprintf(made->text, sizeof made->text, "%s %d %s %s\n%s", name, count, names[0], headers[0], source);
  *program = made;
  return 0;
}
int nvrtcDestroyProgram(void **program) { free(*program); *program = NULL; return 0; }
int nvrtcCompileProgram(void *program, int count, const char *const *options) {
  struct program *made = program;
  __atomic_fetch_add(setting("compilations"), 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < count; i++) {
    strcat(made->code, options[i]);
    strcat(made->code, " ");
  }
  strcat(made->code, made->text);
  return strstr(made->text, "#error") ? 6 : 0;
}
int nvrtcGetCUBINSize(void *program, size_t *bytes) { *bytes = strlen(((struct program *)program)->code); return 0; }
int nvrtcGetCUBIN(void *program, char *image) { memcpy(image, ((struct program *)program)->code, strlen(((struct program *)program)->code)); return 0; }
int nvrtcGetPTXSize(void *program, size_t *bytes) { *bytes = strlen(((struct program *)program)->code) + 1; return 0; }
int nvrtcGetPTX(void *program, char *text) { strcpy(text, ((struct program *)program)->code); return 0; }
static const char words[] = "a.cu(3): warning: x is unused\na.cu(7): error: y is not defined\n\n1 error detected in a.cu\n";
int nvrtcGetProgramLogSize(void *program, size_t *bytes) { (void)program; *bytes = sizeof words; return 0; }
int nvrtcGetProgramLog(void *program, char *log) { (void)program; memcpy(log, words, sizeof words); return 0; }
const char *nvrtcGetErrorString(int code) { return code == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }

// cuBLASLt: eight algorithms, known by the first word of their data; nothing is computed.

size_t cublasLtGetVersion(void) { return *setting("matmul"); }
const char *cublasLtGetStatusString(int status) { return status == 15 ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_INTERNAL_ERROR"; }
int cublasLtCreate(void **handle) { CALL; *handle = (void *)1; return 0; }
int cublasLtMatmulDescCreate(void **description, int compute, int scale) {
  (void)scale; CALL; stub_set("compute", compute); *description = (void *)1; return 0;
}
int cublasLtDestroy(void *handle) { (void)handle; CALL; return 0; }
int cublasLtMatmulDescDestroy(void *description) { (void)description; CALL; return 0; }
int cublasLtMatrixLayoutDestroy(void *layout) { (void)layout; CALL; return 0; }
int cublasLtMatmulPreferenceDestroy(void *preference) { (void)preference; CALL; return 0; }
int cublasLtMatmulDescSetAttribute(void *description, int attribute, const void *value, size_t bytes) {
  (void)description; (void)bytes; CALL; stub_set(attribute == 3 ? "transpose A" : "transpose B", *(int *)value); return 0;
}
// A layout is its numbers, as digits: type, rows, columns, leading dimension.
int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  CALL; *layout = (void *)(((type * 100 + rows) * 100 + columns) * 100 + leading); return 0;
}
int cublasLtMatmulPreferenceCreate(void **preference) { CALL; *preference = (void *)1; return 0; }
int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes) {
  (void)preference; CALL;
  char name[32];
  snprintf(name, sizeof name, "preference %d", attribute);
  stub_set(name, bytes == 8 ? *(long *)value : *(int *)value);
  return 0;
}
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *description, void *a, void *b, void *c, void *d, void *preference,
                                   int capacity, cc_matmul_choice *choices, int *count) {
  (void)handle; (void)description; (void)d; (void)preference; CALL;
  stub_set("A", (long)a);
  stub_set("B", (long)b);
  stub_set("C", (long)c);
  *count = capacity;
  for (int i = 0; i < capacity; i++) choices[i] = (cc_matmul_choice){.algorithm = {{i}}};
  return 0;
}
int cublasLtMatmul(void *handle, void *description, const void *alpha, const void *aData, void *a, const void *bData,
                   void *b, const void *beta, const void *cData, void *c, void *dData, void *d,
                   const cc_matmul_algorithm *algorithm, void *workspace, size_t bytes, void *stream) {
  (void)handle; (void)description; (void)a; (void)b; (void)c; (void)d; (void)workspace; (void)bytes; (void)stream;
  CALL;
  stub_set("algorithm", algorithm->data[0]);
  stub_set("A data", (long)aData);
  stub_set("B data", (long)bData);
  stub_set("C data", (long)cData);
  stub_set("D data", (long)dData);
  stub_set("alpha", *(float *)alpha * 100);
  stub_set("beta", *(float *)beta * 100);
  return 0;
}
