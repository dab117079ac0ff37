import Files
import Glibc
import Tensors

/// Tells one base model from another: a SHA-256 over the fields of its configuration that the computation
/// uses, and over name, shape, dtype and bytes of every tensor.
///
/// Of a model with more than 2^20 parameters only samples are read: an equal share of each tensor, in eight
/// windows spread evenly from its first byte to its last. In all these are about 2 MB of bfloat16 weights.
/// Training, shuffling, rounding or exchanging a tensor changes the fingerprint. A change that falls between
/// the windows, such as one to some rows of a matrix, does not, so it is no seal against forgery. The number
/// of files and the spelling of config.json make no difference.
package struct BaseFingerprint: Equatable, Sendable {
  /// The digest in 64 lower-case hexadecimal digits.
  package let text: String

  /// A stored fingerprint; nil where `text` is not one.
  package init?(_ text: String) {
    guard text.utf8.count == 64, text.utf8.allSatisfy({ Array("0123456789abcdef".utf8).contains($0) }) else {
      return nil
    }
    self.text = text
  }

  /// The fingerprint of a model. `tensor` returns each of its tensors by name, in main memory.
  package init(
    of configuration: ModelConfiguration, tensor: (_ name: String) throws -> Tensor
  ) rethrows {
    var hash = SHA256()
    hash.update("\(configuration.computed.text())\n")
    let sampling = Sampling(configuration)
    for name in sampling.names {
      let tensor = try tensor(name)
      hash.update("\(name) \(tensor.dtype.rawValue) \(tensor.shape)\n")
      withExtendedLifetime(tensor) {
        for window in sampling.windows(of: tensor) { hash.update(window) }
      }
    }
    text = hash.finishedText()
  }
}

/// Which bytes of which tensors are read.
private struct Sampling {
  /// Sorted names, so that the order of a file or a model makes no difference.
  let names: [String]
  /// Elements of each tensor that are read.
  private let share: Int

  init(_ configuration: ModelConfiguration) {
    names = WeightNames.all(in: configuration).map(\.name).sorted()
    let limit = 1 << 20
    share = configuration.parameterCount() <= limit ? limit : limit / names.count
  }

  /// All bytes of the tensor, or those of eight windows of it.
  func windows(of tensor: Tensor) -> [UnsafeRawBufferPointer] {
    let bytes = UnsafeRawBufferPointer(start: tensor.bytes, count: tensor.byteCount)
    guard share < tensor.count else { return [bytes] }
    let count = 8
    let length = max(1, share / count) * tensor.dtype.byteCount
    return (0..<count).map { index in
      let start = (bytes.count - length) * index / (count - 1)
      return UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
    }
  }
}

extension ModelWeights {
  /// The fingerprint of the weights as they are stored.
  /// - Throws: `Fault`.
  package func fingerprint(_ configuration: ModelConfiguration) throws -> BaseFingerprint {
    // All windows are requested before the first is waited for: what takes time is the disk.
    let sampling = Sampling(configuration)
    for name in sampling.names { sampling.windows(of: try tensor(named: name)).forEach(expect) }
    return try BaseFingerprint(of: configuration) { try tensor(named: $0) }
  }
}

/// Tells the system that bytes of a mapped file will be read. It fetches these pages and no others.
private func expect(_ bytes: UnsafeRawBufferPointer) {
  guard let address = bytes.baseAddress else { return }
  let before = Int(bitPattern: address) % Int(getpagesize())
  madvise(UnsafeMutableRawPointer(mutating: address - before), bytes.count + before, MADV_WILLNEED)
}

extension GemmaModel {
  /// The fingerprint of the weights in memory. Adapters do not count.
  package func baseFingerprint(_ kernels: any Kernels) -> BaseFingerprint {
    let tensors = Dictionary(uniqueKeysWithValues: parameters(.all).map { ($0.name, $0.tensor) })
    return BaseFingerprint(of: configuration) { name in
      guard let tensor = tensors[name] else { preconditionFailure("baseFingerprint: no \(name)") }
      return kernels.onHost(tensor)
    }
  }
}

extension ModelConfiguration {
  /// The fields that the logits depend on, under their names in config.json.
  fileprivate var computed: JSONValue {
    func rotary(_ embedding: RotaryEmbedding) -> JSONValue {
      .array([.double(embedding.theta), .double(embedding.linearScale)])
    }
    return .object([
      "model_type": .string(family.rawValue), "vocab_size": .int(vocabSize), "hidden_size": .int(hiddenSize),
      "intermediate_size": .int(intermediateSize), "num_hidden_layers": .int(numHiddenLayers),
      "num_attention_heads": .int(numAttentionHeads), "num_key_value_heads": .int(numKeyValueHeads),
      "head_dim": .int(headDim), "rms_norm_eps": .double(Double(rmsNormEps)),
      "query_pre_attn_scalar": .double(queryPreAttnScalar),
      "attn_logit_softcapping": attnLogitSoftcapping.map { .double(Double($0)) } ?? .null,
      "final_logit_softcapping": finalLogitSoftcapping.map { .double(Double($0)) } ?? .null,
      "sliding_window": slidingWindow.map { .int($0) } ?? .null,
      "layer_types": .array(layerKinds.map { .string($0.rawValue) }),
      "rope_full": rotary(fullRotary),
      // Without sliding layers the rotary embedding of sliding layers is never used.
      "rope_sliding": layerKinds.contains(.sliding) ? rotary(slidingRotary) : .null,
    ])
  }
}
