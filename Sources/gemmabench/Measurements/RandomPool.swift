import Tensors

/// Random tensors of any size where the kernels compute, cut from one pool. Drawing a model's billions of
/// numbers one by one would take minutes. None is all zeros, on which processors are faster.
final class RandomPool {
  /// Where tensors are made.
  let kernels: any Kernels
  /// The uniform numbers, bfloat16.
  private let pool: Tensor
  /// Where the next tensor begins in the pool.
  private var start = 0
  /// An odd number of elements, so that equal rows of a table are farther apart than it has rows.
  private static let usualCount = 1 << 24 | 1
  /// A prime, so that the places at which tensors begin do not repeat.
  private static let stride = 1_299_709

  /// A pool of uniform numbers in ±`amplitude`.
  init(_ kernels: any Kernels, amplitude: Float = 1, count: Int = usualCount) {
    self.kernels = kernels
    let numbers = Tensor(uninitialized: [count], .bfloat16)
    let key = RandomKey(seed: 20, stream: 0)
    let elements = numbers.bfloat16
    // Each draw gives four numbers of 16 bits.
    for first in Swift.stride(from: 0, to: count, by: 4) {
      var bits = key.bits(at: UInt64(first))
      for element in first..<min(first + 4, count) {
        elements[element] = roundedToBFloat16((Float(bits & 0xFFFF) * 0x1p-15 - 1) * amplitude)
        bits >>= 16
      }
    }
    pool = kernels.placed(numbers)
  }

  /// A new tensor, which differs from the one before.
  func tensor(_ shape: Shape, _ dtype: DType) -> Tensor {
    let tensor = kernels.uninitialized([shape.reduce(1, *)], .bfloat16)
    var filled = 0
    while filled < tensor.count {
      let count = min(tensor.count - filled, pool.count - start)
      kernels.copy(pool.rows(start..<start + count), to: tensor.rows(filled..<filled + count))
      filled += count
      start = (start + count) % pool.count
    }
    start = (start + Self.stride) % pool.count
    let shaped = tensor.reshaped(shape)
    return dtype == .bfloat16 ? shaped : kernels.converted(shaped, to: dtype, scale: 1)
  }
}
