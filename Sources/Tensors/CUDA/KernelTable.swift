import CUDARuntime
import Files

/// All kernels of this program, looked up at start: a missing kernel ends the start, and not the first step
/// that needs it. Each name, block and size of shared memory stands here and in the kernel's file.
struct KernelTable {
  // elementwise.cu, rows.cu, embedding.cu
  let add: TypedKernel, accumulate: TypedKernel, dropout: TypedKernel
  let gegluForward: TypedKernel, gegluBackward: TypedKernel
  private let convertToFloat32: TypedKernel, convertToBFloat16: TypedKernel
  let gatherRows: TypedKernel, scatterRows: TypedKernel, copyRows: TypedKernel
  let embeddingForward: TypedKernel, embeddingBackward: TypedKernel
  // norm.cu, rotary.cu
  let rmsNormForward: TypedKernel, addRMSNormForward: TypedKernel, rmsNormBackward: TypedKernel
  let rmsNormWeightGradient: TypedKernel, addPartials: KernelHandle
  let rotary: TypedKernel
  /// attention.cu, attention_decode.cu, attention_backward.cu
  let attention: AttentionKernels
  /// product.cu, thin.cu
  let product: ProductKernels
  /// crossentropy.cu, reduce.cu, adamw.cu
  let reduction: ReductionKernels

  /// Looks up all kernels.
  /// - Throws: `Fault` .failure that names the first one that no module has.
  init(_ modules: KernelModules) throws {
    do throws(CUDAError) {
      add = try TypedKernel("add", modules)
      accumulate = try TypedKernel("accumulate", modules)
      dropout = try TypedKernel("dropout", modules)
      gegluForward = try TypedKernel("geglu_forward", modules)
      gegluBackward = try TypedKernel("geglu_backward", modules)
      convertToFloat32 = try TypedKernel(from: "convert", to: "f32", modules)
      convertToBFloat16 = try TypedKernel(from: "convert", to: "bf16", modules)
      gatherRows = try TypedKernel("gather_rows", modules)
      scatterRows = try TypedKernel("scatter_rows", modules)
      copyRows = try TypedKernel("copy_rows", modules)
      embeddingForward = try TypedKernel("embedding_forward", modules)
      embeddingBackward = try TypedKernel("embedding_backward", modules)
      rmsNormForward = try TypedKernel("rms_norm_forward", modules)
      addRMSNormForward = try TypedKernel("add_rms_norm_forward", modules)
      rmsNormBackward = try TypedKernel("rms_norm_backward", modules)
      rmsNormWeightGradient = try TypedKernel("rms_norm_weight_gradient", modules)
      addPartials = try KernelHandle("add_partials", modules, block: 256)
      rotary = try TypedKernel("rotary", modules) { 4 * $0 }
      attention = try AttentionKernels(modules)
      product = try ProductKernels(modules)
      reduction = try ReductionKernels(modules)
    } catch {
      throw error.fault
    }
  }

  /// The kernel that converts elements of either dtype to `dtype`.
  func convert(to dtype: DType) -> TypedKernel {
    switch dtype {
    case .float32: convertToFloat32
    case .bfloat16: convertToBFloat16
    case .int32, .uint8: preconditionFailure("convert: \(dtype) is not computed with")
    }
  }
}

/// Kernels of attention: for heads of any size, and on tensor cores for heads of some sizes.
struct AttentionKernels {
  /// Kernels for one size of heads, with bfloat16 factors on tensor cores.
  struct TensorCores {
    /// Keys in one tile of `backwardKeysAndValues`.
    let tileKeys: Int
    let forward: KernelHandle, backwardQueries: KernelHandle, backwardKeysAndValues: KernelHandle

    fileprivate init(headDim: Int, tileKeys keys: Int, _ modules: KernelModules) throws(CUDAError) {
      tileKeys = keys
      forward = try KernelHandle("attention_forward_bf16_\(headDim)", modules, block: 128) { 384 * $0 }
      backwardQueries = try KernelHandle("attention_backward_q_bf16_\(headDim)", modules, block: 128) {
        $0 * (256 + 4 * keys) + 512
      }
      backwardKeysAndValues = try KernelHandle(
        "attention_backward_kv_bf16_\(headDim)", modules, block: 128
      ) { $0 * (128 + 4 * keys) + 128 * keys + 1280 }
    }
  }

  let forward: TypedKernel, decode: TypedKernel, merge: TypedKernel
  let delta: TypedKernel, backwardQueries: TypedKernel, backwardKeysAndValues: TypedKernel
  let mergeKeysAndValues: TypedKernel
  /// Tensor-core kernels by H.
  let tensorCores: [Int: TensorCores]

  fileprivate init(_ modules: KernelModules) throws(CUDAError) {
    // A row of shared memory has an odd number of elements, so that a column lies in different banks.
    forward = try TypedKernel("attention_forward", modules, block: 128) { 256 * ($0 | 1) + 2048 }
    decode = try TypedKernel("attention_decode", modules, block: 128) { 32 * $0 + 1152 }
    merge = try TypedKernel("attention_merge", modules, block: 128)
    delta = try TypedKernel("attention_delta", modules)
    backwardQueries = try TypedKernel("attention_backward_q", modules, block: 128) { 320 * ($0 | 1) + 2048 }
    backwardKeysAndValues = try TypedKernel("attention_backward_kv", modules, block: 128) {
      384 * ($0 | 1) + 2048
    }
    mergeKeysAndValues = try TypedKernel("attention_merge_kv", modules)
    tensorCores = [
      64: try TensorCores(headDim: 64, tileKeys: 64, modules),
      128: try TensorCores(headDim: 128, tileKeys: 64, modules),
      256: try TensorCores(headDim: 256, tileKeys: 32, modules),
    ]
  }
}

/// Kernels of matrix products.
struct ProductKernels {
  let thin: KernelHandle, bfloat16: KernelHandle, any: KernelHandle, merge: KernelHandle
  let lowRankSplit: KernelHandle, lowRankProject: KernelHandle, lowRankGradient: KernelHandle
  let lowRankUpdate: TypedKernel

  fileprivate init(_ modules: KernelModules) throws(CUDAError) {
    thin = try KernelHandle("product_thin", modules, block: 256)
    bfloat16 = try KernelHandle("product_bf16", modules, block: 128) { _ in 65_536 }
    any = try KernelHandle("product_any", modules, block: 256)
    merge = try KernelHandle("product_merge", modules, block: 256)
    lowRankSplit = try KernelHandle("low_rank_split", modules, block: 256)
    lowRankProject = try KernelHandle("low_rank_project", modules, block: 256)
    lowRankGradient = try KernelHandle("low_rank_gradient", modules, block: 256) { _ in 32_768 }
    lowRankUpdate = try TypedKernel("low_rank_update", modules, block: 128)
  }
}

/// Kernels of the vocabulary, of sums, and of the optimizer.
struct ReductionKernels {
  let crossEntropy: KernelHandle, softCap: KernelHandle, argmax: KernelHandle
  let sum: KernelHandle, squareSums: KernelHandle, normAndClip: KernelHandle
  let adamW8bit: KernelHandle, adamW32bit: KernelHandle

  fileprivate init(_ modules: KernelModules) throws(CUDAError) {
    crossEntropy = try KernelHandle("cross_entropy", modules, block: 512)
    softCap = try KernelHandle("soft_cap", modules, block: 256)
    argmax = try KernelHandle("argmax", modules, block: 1024)
    sum = try KernelHandle("sum_float", modules, block: 256)
    squareSums = try KernelHandle("square_sums", modules, block: 256)
    normAndClip = try KernelHandle("norm_and_clip", modules, block: 256)
    adamW8bit = try KernelHandle("adamw_8bit", modules, block: 256)
    adamW32bit = try KernelHandle("adamw_32bit", modules, block: 256)
  }
}
