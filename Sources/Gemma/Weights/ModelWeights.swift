import Files
import FoundationEssentials
import Glibc
import Tensors

/// The weights of a Hugging Face model folder, in one safetensors file or in shards that an index lists.
///
/// Opening checks, by the headers alone, that the files hold exactly the tensors of the configuration.
package struct ModelWeights {
  /// The file that messages about a missing tensor name: the weights, or the index of the shards.
  private let source: String
  private let shards: [SafetensorsFile]
  /// The index of the shard that holds each tensor.
  private let places: [String: Int]
  /// The tensors of the model, in the order of `WeightNames.all`.
  package let names: [String]

  /// Opens the weights in `folder` and checks names, shapes and dtypes. Reads no weight.
  /// - Throws: `Fault` .missing without the folder or a file of it, .badData naming file and tensor.
  package init(contentsOf folder: String, for configuration: ModelConfiguration) throws {
    try requireModelFolder(folder)
    let single = folder + "/model.safetensors"
    let index = folder + "/model.safetensors.index.json"
    if FileManager.default.fileExists(atPath: single) {
      source = single
      shards = [try SafetensorsFile(path: single)]
      places = Dictionary(uniqueKeysWithValues: shards[0].names.map { ($0, 0) })
    } else if FileManager.default.fileExists(atPath: index) {
      source = index
      (shards, places) = try shardsListed(in: index, folder: folder)
    } else {
      throw Fault(
        .missing, file: folder, "no weights; expected model.safetensors or model.safetensors.index.json",
        hint: holdsPickledWeights(folder) ? pickleHint : fetchHint)
    }
    let demanded = WeightNames.all(in: configuration)
    names = demanded.map(\.name)
    try check(demanded, configuration)
  }

  /// A tensor over the mapped file, as stored: float32 or bfloat16, read-only.
  /// - Throws: `Fault` .badData when no tensor has that name.
  package func tensor(named name: String) throws -> Tensor {
    guard let place = places[name] else { throw Fault(.badData, file: source, place: name, "no such tensor") }
    return try shards[place].tensor(named: name)
  }

  /// Dtype and shape of a tensor; nil when none has that name.
  package func entry(named name: String) -> SafetensorsFile.Entry? {
    places[name].flatMap { shards[$0].entry(named: name) }
  }

  /// Reads all weights. Each must be finite. A second copy of the embedding must equal the first.
  /// - Throws: `Fault` .badData naming file and tensor.
  package func checkContents() throws {
    for name in names {
      let tensor = try tensor(named: name)
      if let index = tensor.firstNonFinite() {
        throw fault(name, "element \(index) is \(tensor.flat(index)); expected finite weights")
      }
    }
    guard places[WeightNames.outputMap] != nil else { return }
    let (copy, embedding) = (
      try tensor(named: WeightNames.outputMap), try tensor(named: WeightNames.embedding)
    )
    guard copy.dtype == embedding.dtype, memcmp(copy.bytes, embedding.bytes, embedding.byteCount) == 0 else {
      throw fault(WeightNames.outputMap, "differs from \(WeightNames.embedding); Gemma ties the two")
    }
  }

  private func fault(_ name: String, _ problem: String) -> Fault {
    Fault(.badData, file: places[name].map { shards[$0].path } ?? source, place: name, problem)
  }

  private func check(_ demanded: [ParameterShape], _ configuration: ModelConfiguration) throws {
    let missing = demanded.filter { places[$0.name] == nil }
    if let first = missing.first {
      throw fault(first.name, "missing\(andMore(missing.count)); config.json demands shape \(first.shape)")
    }
    let copy = places[WeightNames.outputMap] == nil ? [] : [(WeightNames.outputMap, demanded[0].shape)]
    for (name, shape) in demanded.map({ ($0.name, $0.shape) }) + copy {
      guard let entry = entry(named: name) else { continue }
      guard entry.shape == shape else {
        throw fault(name, "shape \(entry.shape); config.json demands \(shape)")
      }
      guard entry.dtype == .float32 || entry.dtype == .bfloat16 else {
        throw fault(name, "dtype \(entry.dtype.rawValue); expected F32 or BF16")
      }
    }
    let known = Set(names + [WeightNames.outputMap])
    let unknown = shards.flatMap(\.names).filter { !known.contains($0) }
    if let first = unknown.first {
      throw fault(
        first, "not a tensor of a \(configuration.family.rawValue) model\(andMore(unknown.count))")
    }
  }
}

/// Refuses a model folder that does not exist.
/// - Throws: `Fault` .missing naming it.
package func requireModelFolder(_ folder: String) throws {
  if isDirectory(folder) { return }
  let problem = FileManager.default.fileExists(atPath: folder) ? "not a folder" : "no such folder"
  throw Fault(
    .missing, file: folder, "\(problem); expected a model", hint: homeHint(folder) ?? fetchHint)
}

private let fetchHint = "scripts/fetch_gemma.sh fetches a model"
private let pickleHint =
  "pickled weights are not read; load the folder in transformers and write it again with save_pretrained"

private func andMore(_ count: Int) -> String { count == 1 ? "" : ", and \(count - 1) more" }

private func holdsPickledWeights(_ folder: String) -> Bool {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  return names.contains { $0.hasPrefix("pytorch_model") && $0.hasSuffix(".bin") }
}

/// The shards that the index lists, in the order of their names, and the shard of each tensor.
private func shardsListed(in index: String, folder: String) throws -> ([SafetensorsFile], [String: Int]) {
  // The published index of a 27B model has 60 KB. The limit only bounds the work on a hostile file.
  let map = try JSONFields(contentsOf: index, limit: 1 << 26).nested(
    "weight_map", expected: "an object of tensor and file names"
  ).object
  var fileNames: [String: String] = [:]
  for (name, value) in map.members {
    guard let fileName = value.stringValue else {
      throw Fault(.badData, file: index, place: name, "\(value.kindName); expected a file name")
    }
    guard isPlainFileName(fileName) else {
      throw Fault(
        .badData, file: index, place: name,
        "got \(quoted(fileName)); expected the plain name of a .safetensors file in the same folder")
    }
    fileNames[name] = fileName
  }
  let shardNames = Set(fileNames.values).sorted()
  let shards = try shardNames.map { try SafetensorsFile(path: "\(folder)/\($0)") }
  var places: [String: Int] = [:]
  for (place, shard) in shards.enumerated() {
    for name in shard.names {
      guard fileNames[name] == shardNames[place] else {
        let elsewhere = fileNames[name].map { "places it in \($0)" } ?? "does not list it"
        throw Fault(.badData, file: shard.path, place: name, "the index \(elsewhere)")
      }
      places[name] = place
    }
  }
  for (name, _) in map.members where places[name] == nil {
    let shard = "\(folder)/\(fileNames[name] ?? "")"
    throw Fault(.badData, file: shard, place: name, "missing; the index places it here")
  }
  return (shards, places)
}

private func isPlainFileName(_ name: String) -> Bool {
  !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") } && name.hasSuffix(".safetensors")
    && !name.hasPrefix(".")
}

extension Tensor {
  /// One element of a float tensor.
  func flat(_ index: Int) -> Float {
    dtype == .bfloat16 ? widened(bfloat16[index]) : float32[index]
  }
}
