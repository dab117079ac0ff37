#include "CCUDA.h"

/*
 * The one list of kernel files. A new file of kernels/ gets an entry here. The compiler's dependency file
 * names the files that #embed reads, so that a changed kernel is built in.
 */
#pragma clang diagnostic ignored "-Wc23-extensions"
#define TEXT (const char *)(const unsigned char[])

static const cc_kernel_file headers[] = {
  {"gpu.cuh", TEXT{
#embed "kernels/gpu.cuh"
   , 0}},
  {"attention.cuh", TEXT{
#embed "kernels/attention.cuh"
   , 0}},
};

static const cc_kernel_file files[] = {
  {"elementwise.cu", TEXT{
#embed "kernels/elementwise.cu"
   , 0}},
  {"norm.cu", TEXT{
#embed "kernels/norm.cu"
   , 0}},
  {"rotary.cu", TEXT{
#embed "kernels/rotary.cu"
   , 0}},
  {"embedding.cu", TEXT{
#embed "kernels/embedding.cu"
   , 0}},
  {"rows.cu", TEXT{
#embed "kernels/rows.cu"
   , 0}},
  {"reduce.cu", TEXT{
#embed "kernels/reduce.cu"
   , 0}},
  {"adamw.cu", TEXT{
#embed "kernels/adamw.cu"
   , 0}},
  {"product.cu", TEXT{
#embed "kernels/product.cu"
   , 0}},
  {"thin.cu", TEXT{
#embed "kernels/thin.cu"
   , 0}},
  {"attention.cu", TEXT{
#embed "kernels/attention.cu"
   , 0}},
  {"attention_backward.cu", TEXT{
#embed "kernels/attention_backward.cu"
   , 0}},
  {"attention_decode.cu", TEXT{
#embed "kernels/attention_decode.cu"
   , 0}},
  {"crossentropy.cu", TEXT{
#embed "kernels/crossentropy.cu"
   , 0}},
};

const cc_kernel_file *cc_kernel_files(size_t *count) {
  *count = sizeof files / sizeof *files;
  return files;
}

const cc_kernel_file *cc_kernel_headers(size_t *count) {
  *count = sizeof headers / sizeof *headers;
  return headers;
}
