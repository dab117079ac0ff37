import CUDARuntime

/// Replays work as CUDA graphs: one launch in place of about a hundred.
final class CUDAReplays: Replaying {
  /// A captured graph, and the tensors that it reads and writes.
  private struct Recording {
    let graph: CUDAGraph
    let input: Tensor, output: Tensor
  }

  private let kernels: CUDAKernels
  /// nil for a key that has run once. The first run loads kernels and plans, which a capture must not do.
  private var recordings: [[Int]: Recording?] = [:]
  /// Keys, from the least recently used to the last.
  private var order: [[Int]] = []
  private static let kept = 16

  init(_ kernels: CUDAKernels) { self.kernels = kernels }

  /// Keeps counts up to 8, and rounds larger ones up to multiples of 8.
  func paddedCount(_ count: Int) -> Int { count <= 8 ? count : count.roundedUp(to: 8) }

  func run(_ key: [Int], _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor {
    order.removeAll { $0 == key }
    order.append(key)
    if order.count > Self.kept { recordings.removeValue(forKey: order.removeFirst()) }
    guard let known = recordings[key] else {
      recordings[key] = .some(nil)
      return body(input)
    }
    guard let recording = known ?? recorded(input, body) else { return body(input) }
    recordings[key] = recording
    kernels.copy(input, to: recording.input)
    recording.graph.launch()
    return recording.output
  }

  private func recorded(_ input: Tensor, _ body: (Tensor) -> Tensor) -> Recording? {
    let own = kernels.uninitialized(input.shape, input.dtype)
    var output = own
    do throws(CUDAError) {
      let graph = try CUDAGraph(kernels.device, kernels.memory) { output = body(own) }
      return Recording(graph: graph, input: own, output: output)
    } catch {
      kernels.device.record(error)
      return nil
    }
  }
}
