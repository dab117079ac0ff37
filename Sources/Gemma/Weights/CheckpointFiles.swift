import Files
import FoundationEssentials
import Glibc
import Tensors

/// Writes a model as a Hugging Face folder that transformers loads.
package enum CheckpointFiles {
  /// Files of the base model that go into the new folder as they are, where the base has them.
  package static let copiedNames = [
    "generation_config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
  ]
  /// Bytes of tensors in one file, as transformers 4 cuts them.
  package static let shardLimit = 5_000_000_000

  /// Makes the folder `path`, which must not exist, by way of `path`.tmp: complete or absent.
  /// - Parameters:
  ///   - tensors: all of the model, each under its `WeightNames` name.
  ///   - base: the folder whose config.json and tokenizer the model keeps.
  ///   - extra: further files of the folder.
  /// - Throws: `Fault` .cannotCreate, .cannotWrite; .missing or .badData for a bad base.
  package static func write(
    _ tensors: [(name: String, tensor: Tensor)], base: String, to path: String,
    extra: [(name: String, text: String)] = [], shardLimit: Int = shardLimit
  ) throws {
    try makeFolderAtomically(path) { folder in
      try writeContents(tensors, base: base, into: folder, shardLimit: shardLimit)
      for (name, text) in extra { try writeAtomically(text, to: "\(folder)/\(name)") }
    }
  }

  /// Writes the files of the model into a folder that exists.
  /// - Throws: as `write`.
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

  /// The base's config.json, byte for byte unless its dtype is another.
  private static func configuration(of base: String, dtype: DType) throws -> [UInt8] {
    let path = base + "/config.json"
    let bytes = try readFile(path, limit: 1 << 20)
    guard var object = try JSONValue(parsing: bytes, file: path).objectValue else {
      throw Fault(.badData, file: path, "not an object")
    }
    let name = dtype == .bfloat16 ? "bfloat16" : "float32"
    // transformers 5 says dtype, 4 torch_dtype; without either it takes that of the weights.
    let keys = ["dtype", "torch_dtype"].filter { object[$0] != nil && object[$0]?.stringValue != name }
    if keys.isEmpty { return bytes }
    for key in keys { object[key] = .string(name) }
    return Array((JSONValue.object(object).text(indent: 2) + "\n").utf8)
  }

  /// Runs of the tensors of at most `limit` bytes; a larger tensor has a run of its own.
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

/// Makes the folder `path`, which must not exist: `body` fills `path`.tmp, which then takes the name by a rename, so
/// that the folder is complete or absent. On failure nothing is left.
/// - Throws: `Fault` .cannotCreate where `path` exists or cannot be made, .cannotWrite, and what `body` throws.
package func makeFolderAtomically(_ path: String, _ body: (String) throws -> Void) throws {
  // "final/" must not become "final/.tmp".
  let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  var status = stat()
  guard lstat(path, &status) != 0 else {
    throw Fault(.cannotCreate, file: path, "exists already; expected a new folder")
  }
  let temporary = path + ".tmp"
  // Left over by a killed writer.
  if lstat(temporary, &status) == 0 { try? FileManager.default.removeItem(atPath: temporary) }
  try makeDirectory(temporary)
  do {
    try body(temporary)
    try syncDirectory(temporary)
    guard rename(temporary, path) == 0 else {
      throw Fault(.cannotWrite, file: path, "cannot be written: \(String(cString: strerror(errno)))")
    }
  } catch {
    try? FileManager.default.removeItem(atPath: temporary)
    throw error
  }
  try syncDirectory(URL(fileURLWithPath: path).deletingLastPathComponent().path)
}
