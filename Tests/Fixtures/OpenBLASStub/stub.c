/* An OpenBLAS that is not there: it takes the kernels that OPENBLAS_CORETYPE names when it is loaded, if KNOWN (a list
 * like ",Zen,Haswell,") holds them, and else "Prescott". With the kernels of WRONG (a list too) a product loses its last
 * row's last element. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static char core[64] = "Prescott";
static int threads = 64;

static int is_among(const char *name, const char *list) {
  const char *place = strstr(list, name);
  return place && place > list && place[-1] == ',' && place[strlen(name)] == ',';
}

__attribute__((constructor)) static void start(void) {
  const char *wanted = getenv("OPENBLAS_CORETYPE"), *count = getenv("OPENBLAS_NUM_THREADS");
  if (wanted && *wanted && is_among(wanted, KNOWN)) strncpy(core, wanted, sizeof core - 1);
  if (count) threads = atoi(count);
}

const char *openblas_get_corename(void) { return core; }
const char *openblas_get_config(void) { return threads == 1 ? "OpenBLAS 9.8.7 DYNAMIC_ARCH" : "OpenBLAS threads"; }
void openblas_set_num_threads(int count) { threads = count; }

/* Row-major order; 111: a factor as it lies, 112: its transpose. */
void cblas_sgemm(int order, int a_form, int b_form, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc) {
  for (int row = 0; row < m; row++) {
    for (int column = 0; column < n; column++) {
      double sum = 0;
      for (int inner = 0; inner < k; inner++) {
        float left = a_form == 111 ? a[row * lda + inner] : a[inner * lda + row];
        float right = b_form == 111 ? b[inner * ldb + column] : b[column * ldb + inner];
        sum += (double)left * right;
      }
      float *target = c + (size_t)row * ldc + column;
      *target = (float)(alpha * sum + beta * *target);
    }
  }
  /* One that the check looks at: its place is a multiple of 7. */
  if (is_among(core, WRONG)) c[(size_t)(m * n - 1) / 7 * 7] += 1e-3f;
}
