import Tensors

/// Random tensors of any size where the kernels compute, cut from one pool: to draw the billions of numbers of a model one
/// by one would take minutes. Never zeros: processors are faster on them than on what they will meet.
final class RandomPool {
  let kernels: any Kernels
  /// Uniform numbers, bfloat16.
  private let pool: Tensor
  /// Where the next tensor begins in the pool.
  private var start = 0
  /// An odd number of elements: equal rows of a table are then farther apart than it has rows.
  private static let usualCount = 1 << 24 | 1
  /// A prime, so that tensors begin at places that do not repeat.
  private static let stride = 1_299_709

  /// A pool of uniform numbers in ±`amplitude`.
  init(_ kernels: any Kernels, amplitude: Float = 1, count: Int = usualCount) {
    self.kernels = kernels
    let numbers = Tensor(uninitialized: [count], .bfloat16)
    let key = RandomKey(seed: 20, stream: 0)
    let elements = numbers.bfloat16
    // Four numbers of 16 bits from each draw.
    for first in Swift.stride(from: 0, to: count, by: 4) {
      var bits = key.bits(at: UInt64(first))
      for element in first..<min(first + 4, count) {
        elements[element] = roundedToBFloat16((Float(bits & 0xFFFF) * 0x1p-15 - 1) * amplitude)
        bits >>= 16
      }
    }
    pool = kernels.placed(numbers)
  }

  /// A new tensor, unlike the one before.
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
