#include "CCUDA.h"

/*
 * The one list of kernel files. A new file of kernels/ gets an entry here; the compiler's dependency file names what
 * #embed reads, so that a changed kernel is built in.
 */
#pragma clang diagnostic ignored "-Wc23-extensions"
#define TEXT (const char *)(const unsigned char[])

static const cc_kernel_file header = {"gpu.cuh", TEXT{
#embed "kernels/gpu.cuh"
                                      , 0}};

static const cc_kernel_file files[] = {
#if __has_embed("kernels/elementwise.cu")
    {"elementwise.cu", TEXT{
#embed "kernels/elementwise.cu"
     , 0}},
#endif
#if __has_embed("kernels/norm.cu")
    {"norm.cu", TEXT{
#embed "kernels/norm.cu"
     , 0}},
#endif
#if __has_embed("kernels/rotary.cu")
    {"rotary.cu", TEXT{
#embed "kernels/rotary.cu"
     , 0}},
#endif
#if __has_embed("kernels/embedding.cu")
    {"embedding.cu", TEXT{
#embed "kernels/embedding.cu"
     , 0}},
#endif
#if __has_embed("kernels/rows.cu")
    {"rows.cu", TEXT{
#embed "kernels/rows.cu"
     , 0}},
#endif
#if __has_embed("kernels/reduce.cu")
    {"reduce.cu", TEXT{
#embed "kernels/reduce.cu"
     , 0}},
#endif
#if __has_embed("kernels/adamw.cu")
    {"adamw.cu", TEXT{
#embed "kernels/adamw.cu"
     , 0}},
#endif
#if __has_embed("kernels/product.cu")
    {"product.cu", TEXT{
#embed "kernels/product.cu"
     , 0}},
#endif
#if __has_embed("kernels/thin.cu")
    {"thin.cu", TEXT{
#embed "kernels/thin.cu"
     , 0}},
#endif
#if __has_embed("kernels/attention.cu")
    {"attention.cu", TEXT{
#embed "kernels/attention.cu"
     , 0}},
#endif
#if __has_embed("kernels/attention_backward.cu")
    {"attention_backward.cu", TEXT{
#embed "kernels/attention_backward.cu"
     , 0}},
#endif
#if __has_embed("kernels/crossentropy.cu")
    {"crossentropy.cu", TEXT{
#embed "kernels/crossentropy.cu"
     , 0}},
#endif
};

const cc_kernel_file *cc_kernel_files(size_t *count) {
  *count = sizeof files / sizeof *files;
  return files;
}

const cc_kernel_file *cc_kernel_header(void) { return &header; }
