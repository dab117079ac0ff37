import Files
import FoundationEssentials
import Tensors

/// Writes a model as a Hugging Face folder that transformers loads.
package enum CheckpointFiles {
  /// Files of the base model that are copied unchanged into the new folder, where the base has them.
  package static let copiedNames = [
    "generation_config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
  ]
  /// Most bytes of tensors in one file, the limit of transformers 4.
  package static let shardLimit = 5_000_000_000

  /// Makes the folder `path`, which must not exist, as a `WholeFolder`: complete or absent.
  /// - Parameters:
  ///   - tensors: all tensors of the model, each under its name in `WeightNames`.
  ///   - base: the folder whose config.json and tokenizer the model keeps.
  ///   - extra: further files of the folder.
  /// - Throws: `Fault` .cannotCreate, .cannotWrite; .missing or .badData for a bad base.
  package static func write(
    _ tensors: [(name: String, tensor: Tensor)], base: String, to path: String,
    extra: [(name: String, text: String)] = [], shardLimit: Int = shardLimit
  ) throws {
    try WholeFolder.make(path) { folder in
      try writeContents(tensors, base: base, into: folder, shardLimit: shardLimit)
      for (name, text) in extra { try writeAtomically(text, to: "\(folder)/\(name)") }
    }
  }

  /// Writes the files of the model into a folder that exists.
  /// - Throws: the faults of `write`.
  package static func writeContents(
    _ tensors: [(name: String, tensor: Tensor)], base: String, into folder: String,
    shardLimit: Int = shardLimit
  ) throws {
    let dtype = tensors.first?.tensor.dtype ?? .float32
    try writeAtomically(configuration(of: base, dtype: dtype), to: folder + "/config.json")
    for name in copiedNames where FileManager.default.fileExists(atPath: "\(base)/\(name)") {
      try writeAtomically(readFile("\(base)/\(name)"), to: "\(folder)/\(name)")
    }
    let shards = cut(tensors, limit: shardLimit)
    if shards.count == 1 {
      try SafetensorsWriter.write(tensors, to: folder + "/model.safetensors")
    } else {
      try write(shards, into: folder)
    }
  }

  /// The base's config.json, byte for byte unless its dtype differs.
  private static func configuration(of base: String, dtype: DType) throws -> [UInt8] {
    let path = base + "/config.json"
    let bytes = try readFile(path, limit: 1 << 20)
    guard var object = try JSONValue(parsing: bytes, file: path).objectValue else {
      throw Fault(.badData, file: path, "not an object")
    }
    let name = dtype == .bfloat16 ? "bfloat16" : "float32"
    // transformers 5 says dtype and 4 says torch_dtype. Without either, it takes the dtype of the weights.
    let keys = ["dtype", "torch_dtype"].filter { object[$0] != nil && object[$0]?.stringValue != name }
    if keys.isEmpty { return bytes }
    for key in keys { object[key] = .string(name) }
    return Array((JSONValue.object(object).text(indent: 2) + "\n").utf8)
  }

  /// Cuts the tensors into runs of at most `limit` bytes. A larger tensor has a run of its own.
  private static func cut(
    _ tensors: [(name: String, tensor: Tensor)], limit: Int
  ) -> [[(name: String, tensor: Tensor)]] {
    var shards: [[(name: String, tensor: Tensor)]] = [[]]
    var size = 0
    for (name, tensor) in tensors {
      if size > 0 && size + tensor.byteCount > limit {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append((name, tensor))
      size += tensor.byteCount
    }
    return shards
  }

  private static func write(_ shards: [[(name: String, tensor: Tensor)]], into folder: String) throws {
    func padded(_ number: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
    var map = JSONObject()
    var totalSize = 0
    for (index, shard) in shards.enumerated() {
      let fileName = "model-\(padded(index + 1))-of-\(padded(shards.count)).safetensors"
      try SafetensorsWriter.write(shard, to: "\(folder)/\(fileName)")
      for (name, tensor) in shard {
        map[name] = .string(fileName)
        totalSize += tensor.byteCount
      }
    }
    let index = JSONObject([
      "metadata": .object(JSONObject(["total_size": .int(totalSize)])), "weight_map": .object(map),
    ])
    try writeAtomically(
      JSONValue.object(index).text(indent: 2) + "\n", to: folder + "/model.safetensors.index.json")
  }
}
