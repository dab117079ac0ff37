import Dispatch
import Files
import Glibc
import Tensors

/// The best rates of the machine: of matrix products, copies and reads.
func ceilings(_ kernels: any Kernels, threads: Int, _ timing: Timing) -> [JSONObject] {
  let products: [(name: String, size: Int, dtype: DType)] = [
    ("bf16", 2048, .bfloat16), ("bf16", 1024, .bfloat16), ("float32", 2048, .float32),
  ]
  let rates = products.map { product in
    let n = product.size
    let (a, b) = (randomTensor([n, n], product.dtype, 1), randomTensor([n, n], product.dtype, 2))
    let c = Tensor(uninitialized: [n, n], product.dtype)
    return timing.rate(
      "matrix product \(n) x \(n) x \(n), \(product.name)", .gigaflops, amount: 2 * pow(Double(n), 3)
    ) { kernels.multiply(.stored(a), .transposed(b), scale: 1, .replacing, c) }
  }
  // Far larger than any cache.
  let byteCount = 1 << 29
  let source = Tensor(zeros: [byteCount], .uint8)
  let target = Tensor(zeros: [byteCount], .uint8)
  let copied = timing.rate("copy of 512 MiB", .gigabytes, amount: 2 * Double(byteCount)) {
    onThreads(threads, byteCount) { range in
      memcpy(target.bytes + range.lowerBound, source.bytes + range.lowerBound, range.count)
    }
  }
  let read = timing.rate("read of 512 MiB", .gigabytes, amount: Double(byteCount)) {
    onThreads(threads, byteCount) { range in
      // No byte is 1, so the search reads to the end.
      precondition(memchr(source.bytes + range.lowerBound, 1, range.count) == nil)
    }
  }
  return rates + [copied, read]
}

/// Runs `body` on an equal part of `count` for each thread.
private func onThreads(_ threads: Int, _ count: Int, _ body: (Range<Int>) -> Void) {
  withoutActuallyEscaping(body) { escaping in
    // The parts are disjoint, and concurrentPerform returns when all parts are done.
    nonisolated(unsafe) let work = escaping
    DispatchQueue.concurrentPerform(iterations: threads) { part in
      work(count * part / threads..<count * (part + 1) / threads)
    }
  }
}

/// Uniform numbers in ±1.
func randomTensor(_ shape: Shape, _ dtype: DType, _ stream: UInt64) -> Tensor {
  let key = RandomKey(seed: 20, stream: stream)
  let tensor = Tensor(uninitialized: shape, dtype)
  for index in 0..<tensor.count {
    let value = 2 * key.uniform(at: UInt64(index)) - 1
    if dtype == .bfloat16 {
      tensor.bfloat16[index] = roundedToBFloat16(value)
    } else {
      tensor.float32[index] = value
    }
  }
  return tensor
}
