import Gemma
import Tensors

/// Which examples make up each optimizer step. A pure function of the seed.
///
/// 5 examples, 2 in a micro-batch, 2 of these in a step: epoch 1 in file order is [[[0, 1], [2, 3]], [[4]]].
package struct Batcher: Sendable {
  /// Number of examples.
  package let exampleCount: Int
  /// Examples of one micro-batch, that is, of one forward and backward pass.
  package let perDeviceBatchSize: Int
  /// Micro-batches of one optimizer step.
  package let gradientAccumulationSteps: Int
  /// Key of the epochs' orders; nil keeps file order.
  package let shuffle: RandomKey?

  /// Batches of `exampleCount` examples.
  package init(
    exampleCount: Int, perDeviceBatchSize: Int, gradientAccumulationSteps: Int, shuffle: RandomKey?
  ) {
    self.exampleCount = exampleCount
    self.perDeviceBatchSize = perDeviceBatchSize
    self.gradientAccumulationSteps = gradientAccumulationSteps
    self.shuffle = shuffle
  }

  /// Optimizer steps of one epoch: ceil(ceil(examples / per device) / accumulation).
  package var stepsPerEpoch: Int {
    (microBatchesPerEpoch + gradientAccumulationSteps - 1) / gradientAccumulationSteps
  }

  /// Micro-batches of the longest optimizer step: all that are to be accumulated, unless the data end before.
  package var microBatchesPerStep: Int { min(gradientAccumulationSteps, microBatchesPerEpoch) }

  private var microBatchesPerEpoch: Int { (exampleCount + perDeviceBatchSize - 1) / perDeviceBatchSize }

  /// The order of the examples in an epoch (from 0).
  package func order(epoch: Int) -> [Int] {
    var order = Array(0..<exampleCount)
    guard let key = shuffle?.derived(UInt64(epoch)) else { return order }
    // The shuffle of Fisher and Yates, from the end.
    for last in stride(from: exampleCount - 1, to: 0, by: -1) {
      order.swapAt(last, key.below(last + 1, at: UInt64(last)))
    }
    return order
  }

  /// The micro-batches of each optimizer step of an epoch, as indices of examples.
  package func steps(epoch: Int) -> [[[Int]]] {
    let microBatches = Self.chunks(order(epoch: epoch), of: perDeviceBatchSize)
    return Self.chunks(microBatches, of: gradientAccumulationSteps)
  }

  private static func chunks<Element>(_ elements: [Element], of size: Int) -> [[Element]] {
    stride(from: 0, to: elements.count, by: size).map {
      Array(elements[$0..<min(elements.count, $0 + size)])
    }
  }
}
