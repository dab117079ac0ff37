/* libcublasLt: matrix products by plain loops, with float64 sums rounded once. */
#include <cstring>

#include "device.hpp"

namespace simulated {
namespace {

enum Status { success = 0, not_initialized = 1, invalid_value = 7, not_supported = 15 };
enum Type { float32 = 0, bfloat16 = 14 };

struct Description {
    int transpose_a = 0, transpose_b = 0, epilogue = 1;
};

struct Layout {
    int type;
    uint64_t rows, columns;
    int64_t leading;
    int order = 0; /* 0: columns one after another; 1: rows */
    int batch = 1;
    int64_t stride = 0;

    size_t place(uint64_t row, uint64_t column) const {
        return order == 0 ? row + column * uint64_t(leading) : row * uint64_t(leading) + column;
    }
    /* Bytes from the first element to the end of the last one, over all matrices. */
    size_t byte_count() const {
        if (!rows || !columns) return 0;
        return (place(rows - 1, columns - 1) + 1 + size_t(batch - 1) * size_t(stride)) * (type == float32 ? 4 : 2);
    }
};

struct Preference {
    uint64_t workspace = 0;
};

struct Algorithm {
    uint64_t data[8];
};

struct Choice {
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
static_assert(sizeof(Choice) == 96, "cublasLtMatmulHeuristicResult_t has 96 bytes");

constexpr uint64_t algorithm_mark = 0x5349414C474F; /* what a choice that came from here begins with */

template <class Object> int created(void **handle, Object *object) {
    counts().matmul_objects++;
    *handle = object;
    return success;
}
template <class Object> int destroyed(void *handle) {
    counts().matmul_objects--;
    delete static_cast<Object *>(handle);
    return success;
}

template <class Value> int set(Value &field, const void *value, size_t bytes) {
    if (bytes != sizeof field) return invalid_value;
    std::memcpy(&field, value, bytes);
    return success;
}

/* Rows and columns of a factor as it enters the product. */
uint64_t rows_of(const Layout &layout, int transposed) { return transposed ? layout.columns : layout.rows; }
uint64_t columns_of(const Layout &layout, int transposed) { return transposed ? layout.rows : layout.columns; }

bool is_valid(const Layout &layout) {
    const uint64_t least = layout.order == 0 ? layout.rows : layout.columns;
    return layout.leading > 0 && uint64_t(layout.leading) >= least && layout.batch > 0;
}

/* The status that answers a product of these. */
int status_of(const Description &description, const Layout &a, const Layout &b, const Layout &c, const Layout &d) {
    for (const Layout *layout : {&a, &b, &c, &d})
        if (!is_valid(*layout) || layout->batch != d.batch) return invalid_value;
    if (rows_of(a, description.transpose_a) != d.rows || columns_of(b, description.transpose_b) != d.columns
        || columns_of(a, description.transpose_a) != rows_of(b, description.transpose_b) || c.rows != d.rows
        || c.columns != d.columns)
        return invalid_value;
    const bool has_types = a.type == b.type && c.type == d.type && (a.type == bfloat16 || a.type == float32)
        && (d.type == float32 || (d.type == bfloat16 && a.type == bfloat16));
    return has_types && description.epilogue == 1 ? success : not_supported;
}

float element(const void *data, int type, size_t index) {
    if (type == float32) return static_cast<const float *>(data)[index];
    const uint32_t bits = uint32_t(static_cast<const uint16_t *>(data)[index]) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

void set_element(void *data, int type, size_t index, float value) {
    if (type == float32) {
        static_cast<float *>(data)[index] = value;
        return;
    }
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const bool is_nan = (bits & 0x7FFFFFFF) > 0x7F800000;
    static_cast<uint16_t *>(data)[index] = is_nan ? 0x7FFF : uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* op(a) row by row, or op(b) column by column: the inner dimension comes last. */
std::vector<double> packed(const Layout &layout, const void *data, size_t first, bool inner_is_row) {
    const uint64_t outer = inner_is_row ? layout.columns : layout.rows;
    const uint64_t inner = inner_is_row ? layout.rows : layout.columns;
    std::vector<double> values(outer * inner);
    for (uint64_t i = 0; i < outer; i++)
        for (uint64_t k = 0; k < inner; k++)
            values[i * inner + k] =
                element(data, layout.type, first + (inner_is_row ? layout.place(k, i) : layout.place(i, k)));
    return values;
}

struct Product {
    Description description;
    Layout a, b, c, d;
    const void *a_data, *b_data, *c_data;
    void *d_data;
    float alpha, beta;

    void run() const {
        for (int batch = 0; batch < d.batch; batch++) run(size_t(batch));
    }
    void run(size_t batch) const {
        const uint64_t inner = columns_of(a, description.transpose_a);
        const auto left = packed(a, a_data, batch * size_t(a.stride), description.transpose_a != 0);
        const auto right = packed(b, b_data, batch * size_t(b.stride), description.transpose_b == 0);
        for (uint64_t row = 0; row < d.rows; row++)
            for (uint64_t column = 0; column < d.columns; column++) {
                double sum = 0;
                for (uint64_t k = 0; k < inner; k++) sum += left[row * inner + k] * right[column * inner + k];
                sum *= double(alpha);
                if (beta != 0)
                    sum += double(beta) * element(c_data, c.type, batch * size_t(c.stride) + c.place(row, column));
                set_element(d_data, d.type, batch * size_t(d.stride) + d.place(row, column), float(sum));
            }
    }
};

} // namespace
} // namespace simulated

using namespace simulated;

extern "C" {

size_t cublasLtGetVersion(void) { return 130000; }

const char *cublasLtGetStatusString(int status) {
    switch (status) {
    case success: return "CUBLAS_STATUS_SUCCESS";
    case not_initialized: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case invalid_value: return "CUBLAS_STATUS_INVALID_VALUE";
    case not_supported: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    default: return "CUBLAS_STATUS_INTERNAL_ERROR";
    }
}

int cublasLtCreate(void **handle) {
    SIMULATED_CALL(cublasLtCreate);
    return created(handle, new int(0));
}
int cublasLtDestroy(void *handle) {
    SIMULATED_CALL(cublasLtDestroy);
    return destroyed<int>(handle);
}

int cublasLtMatmulDescCreate(void **handle, int compute, int scale) {
    SIMULATED_CALL(cublasLtMatmulDescCreate);
    if (compute != 68 || scale != float32) return not_supported;
    return created(handle, new Description);
}
int cublasLtMatmulDescDestroy(void *handle) {
    SIMULATED_CALL(cublasLtMatmulDescDestroy);
    return destroyed<Description>(handle);
}
int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
    SIMULATED_CALL(cublasLtMatmulDescSetAttribute);
    auto *description = static_cast<Description *>(handle);
    switch (attribute) {
    case 3: return set(description->transpose_a, value, bytes);
    case 4: return set(description->transpose_b, value, bytes);
    case 7: return set(description->epilogue, value, bytes);
    default: return not_supported;
    }
}

int cublasLtMatrixLayoutCreate(void **handle, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    SIMULATED_CALL(cublasLtMatrixLayoutCreate);
    if (type != float32 && type != bfloat16) return not_supported;
    return created(handle, new Layout{type, rows, columns, leading});
}
int cublasLtMatrixLayoutDestroy(void *handle) {
    SIMULATED_CALL(cublasLtMatrixLayoutDestroy);
    return destroyed<Layout>(handle);
}
int cublasLtMatrixLayoutSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
    SIMULATED_CALL(cublasLtMatrixLayoutSetAttribute);
    auto *layout = static_cast<Layout *>(handle);
    switch (attribute) {
    case 1: return set(layout->order, value, bytes);
    case 5: return set(layout->batch, value, bytes);
    case 6: return set(layout->stride, value, bytes);
    default: return not_supported;
    }
}

int cublasLtMatmulPreferenceCreate(void **handle) {
    SIMULATED_CALL(cublasLtMatmulPreferenceCreate);
    return created(handle, new Preference);
}
int cublasLtMatmulPreferenceDestroy(void *handle) {
    SIMULATED_CALL(cublasLtMatmulPreferenceDestroy);
    return destroyed<Preference>(handle);
}
int cublasLtMatmulPreferenceSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
    SIMULATED_CALL(cublasLtMatmulPreferenceSetAttribute);
    auto *preference = static_cast<Preference *>(handle);
    if (attribute == 1) return set(preference->workspace, value, bytes);
    return attribute >= 0 && attribute <= 9 && bytes == 4 ? success : not_supported;
}

int cublasLtMatmulAlgoGetHeuristic(void *, void *description, void *a, void *b, void *c, void *d, void *preference,
                                   int capacity, void *choices, int *count) {
    SIMULATED_CALL(cublasLtMatmulAlgoGetHeuristic);
    *count = 0;
    const int status = status_of(*static_cast<Description *>(description), *static_cast<Layout *>(a),
                                 *static_cast<Layout *>(b), *static_cast<Layout *>(c), *static_cast<Layout *>(d));
    if (status) return status;
    /* Two algorithms: one needs no workspace, the other a little. */
    const size_t workspaces[] = {0, 4096};
    for (size_t workspace : workspaces) {
        if (*count == capacity || workspace > static_cast<Preference *>(preference)->workspace) break;
        Choice choice{};
        choice.algorithm.data[0] = algorithm_mark;
        choice.algorithm.data[1] = workspace;
        choice.workspace = workspace;
        choice.waves = 1;
        std::memcpy(static_cast<Choice *>(choices) + (*count)++, &choice, sizeof choice);
    }
    return *count ? success : not_supported;
}

int cublasLtMatmul(void *, void *description, const void *alpha, const void *a_data, void *a, const void *b_data,
                   void *b, const void *beta, const void *c_data, void *c, void *d_data, void *d,
                   const void *algorithm, void *workspace, size_t workspace_bytes, void *stream) {
    SIMULATED_CALL(cublasLtMatmul);
    if (settings().lost) return 14;
    Product product{*static_cast<Description *>(description), *static_cast<Layout *>(a), *static_cast<Layout *>(b),
                    *static_cast<Layout *>(c), *static_cast<Layout *>(d), a_data, b_data, c_data, d_data, 0, 0};
    std::memcpy(&product.alpha, alpha, 4);
    std::memcpy(&product.beta, beta, 4);
    if (int status = status_of(product.description, product.a, product.b, product.c, product.d)) return status;
    if (algorithm) {
        const auto *chosen = static_cast<const Algorithm *>(algorithm);
        if (chosen->data[0] != algorithm_mark || chosen->data[1] > workspace_bytes) return invalid_value;
        if (chosen->data[1] && !workspace) return invalid_value;
    }
    counts().matrix_products++;
    const int result = enqueue(stream, [product] {
        const std::pair<const void *, size_t> parts[] = {{product.a_data, product.a.byte_count()},
                                                         {product.b_data, product.b.byte_count()},
                                                         {product.d_data, product.d.byte_count()}};
        for (auto [data, bytes] : parts) {
            const std::string why = outside_memory(uint64_t(uintptr_t(data)), bytes);
            if (!why.empty()) return lose(700, "cublasLtMatmul: " + why);
        }
        product.run();
    });
    return result ? invalid_value : success;
}

} // extern "C"
