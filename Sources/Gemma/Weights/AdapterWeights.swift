import Files
import Tensors

/// A LoRA adapter: two float32 matrices for each adapted linear map.
package struct AdapterWeights {
  /// The adapter of one linear map.
  package struct Pair {
    /// Index of the layer of the linear map.
    package let layer: Int
    package let module: LinearModule
    /// A [R, in], float32.
    package var a: Tensor
    /// B [out, R], float32.
    package var b: Tensor

    /// The adapter of `module` in `layer`.
    package init(layer: Int, module: LinearModule, a: Tensor, b: Tensor) {
      self.layer = layer
      self.module = module
      self.a = a
      self.b = b
    }
  }

  /// R, the rank of every pair.
  package var rank: Int
  /// The adapter adds alpha / R · B A x to the output of its linear map.
  package var alpha: Double
  /// Probability of dropping an element of the adapter's input while training.
  package var dropout: Double
  /// The linear maps that every layer has adapters for, in the order of `LinearModule`.
  package var targets: [LinearModule]
  /// One for each layer and target, layer after layer.
  package var pairs: [Pair]

  /// An adapter made of these matrices, which `pairs` holds for each layer and target, layer after layer.
  package init(rank: Int, alpha: Double, dropout: Double, targets: [LinearModule], pairs: [Pair]) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.targets = targets
    self.pairs = pairs
  }

  /// A new adapter: A is uniform in ±1/√in, drawn from `key`, and B is zero, so that it adds nothing yet.
  /// Source: PEFT 0.21 tuners/lora/layer.py, reset_lora_parameters (Kaiming uniform with a = √5).
  package init(
    random configuration: ModelConfiguration, rank: Int, alpha: Double, dropout: Double,
    targets: [LinearModule], key: RandomKey
  ) {
    let targets = LinearModule.allCases.filter(targets.contains)
    var pairs: [Pair] = []
    for layer in 0..<configuration.numHiddenLayers {
      for module in targets {
        let shape = module.shape(in: configuration)
        let bound = 1 / Float(shape[1]).squareRoot()
        let part = key.derived(UInt64(pairs.count))
        let values = (0..<rank * shape[1]).map { (2 * part.uniform(at: UInt64($0)) - 1) * bound }
        pairs.append(
          Pair(
            layer: layer, module: module, a: Tensor(values, [rank, shape[1]]),
            b: Tensor(zeros: [shape[0], rank], .float32)))
      }
    }
    self.init(rank: rank, alpha: alpha, dropout: dropout, targets: targets, pairs: pairs)
  }

  /// Moves the matrices to where `kernels` compute. Matrices that are there already stay as they are.
  package mutating func place(_ kernels: any Kernels) {
    for index in pairs.indices {
      pairs[index].a = kernels.placed(pairs[index].a)
      pairs[index].b = kernels.placed(pairs[index].b)
    }
  }

  /// The adapter with its matrices in main memory.
  package func onHost(_ kernels: any Kernels) -> AdapterWeights {
    var copy = self
    for index in pairs.indices {
      copy.pairs[index].a = kernels.onHost(pairs[index].a)
      copy.pairs[index].b = kernels.onHost(pairs[index].b)
    }
    return copy
  }

  /// Name and tensor of each matrix, in the order of `WeightNames.adapter`.
  package var tensors: [(name: String, tensor: Tensor)] {
    pairs.flatMap { pair in
      [
        (WeightNames.adapterA(pair.module, layer: pair.layer), pair.a),
        (WeightNames.adapterB(pair.module, layer: pair.layer), pair.b),
      ]
    }
  }
}

extension AdapterWeights {
  /// Reads the PEFT adapter in `folder`; bfloat16 matrices are widened.
  /// - Throws: `Fault` .missing without the folder or a file of it, .badData naming file and key or tensor
  ///   for anything that this configuration's model does not have or that is not implemented.
  package init(contentsOf folder: String, for configuration: ModelConfiguration) throws {
    guard isDirectory(folder) else {
      throw Fault(.missing, file: folder, "no such folder; expected an adapter", hint: homeHint(folder))
    }
    let settings = try AdapterSettings(path: folder + "/adapter_config.json")
    let file = try SafetensorsFile(path: folder + "/adapter_model.safetensors")
    rank = settings.rank
    alpha = settings.alpha
    dropout = settings.dropout
    targets = settings.targets
    pairs = []
    for layer in 0..<configuration.numHiddenLayers {
      for module in settings.targets {
        let shape = module.shape(in: configuration)
        pairs.append(try Self.pair(module, layer, shape, rank: settings.rank, file))
      }
    }
    let known = Set(tensors.map(\.name))
    let unknown = file.names.filter { !known.contains($0) }
    if let first = unknown.first {
      let more = unknown.count == 1 ? "" : ", and \(unknown.count - 1) more"
      throw Fault(
        .badData, file: file.path, place: first,
        "no tensor of an adapter of this model with the targets of adapter_config.json\(more)")
    }
  }

  private static func pair(
    _ module: LinearModule, _ layer: Int, _ shape: Shape, rank: Int, _ file: SafetensorsFile
  ) throws -> Pair {
    let names = (a: WeightNames.adapterA(module, layer: layer), b: WeightNames.adapterB(module, layer: layer))
    let expected = (a: [rank, shape[1]], b: [shape[0], rank])
    let a = try entry(names.a, expected.a, file)
    let b = try entry(names.b, expected.b, file)
    if a.shape.count == 2, b.shape.count == 2, a.shape[0] != b.shape[1] {
      throw Fault(
        .badData, file: file.path, place: names.b,
        "rank \(b.shape[1]) of shape \(b.shape), but \(names.a) has rank \(a.shape[0]) of shape \(a.shape)")
    }
    for (name, entry, shape) in [(names.a, a, expected.a), (names.b, b, expected.b)]
    where entry.shape != shape {
      throw Fault(
        .badData, file: file.path, place: name,
        "shape \(entry.shape); the model and rank \(rank) of adapter_config.json demand \(shape)")
    }
    return Pair(layer: layer, module: module, a: try matrix(names.a, file), b: try matrix(names.b, file))
  }

  private static func entry(
    _ name: String, _ shape: Shape, _ file: SafetensorsFile
  ) throws -> SafetensorsFile.Entry {
    guard let entry = file.entry(named: name) else {
      throw Fault(.badData, file: file.path, place: name, "missing; expected shape \(shape)")
    }
    guard entry.dtype == .float32 || entry.dtype == .bfloat16 else {
      throw Fault(
        .badData, file: file.path, place: name, "dtype \(entry.dtype.rawValue); expected F32 or BF16")
    }
    return entry
  }

  /// A finite matrix in memory of its own: it may be trained further.
  private static func matrix(_ name: String, _ file: SafetensorsFile) throws -> Tensor {
    let stored = try file.tensor(named: name)
    if let index = stored.firstNonFinite() {
      throw Fault(
        .badData, file: file.path, place: name,
        "element \(index) is \(stored.flat(index)); expected finite weights")
    }
    return stored.dtype == .float32 ? stored.copied() : Tensor(stored.floats, stored.shape)
  }
}

extension AdapterWeights {
  /// Makes the folder `path`, which must not exist, with the adapter in PEFT's layout: complete or absent.
  /// - Parameters:
  ///   - baseModel: the model that PEFT loads below the adapter: a path valid from any folder, or a hub's id.
  ///   - extra: further files of the folder.
  /// - Throws: `Fault` .cannotCreate, .cannotWrite.
  package func write(
    to path: String, baseModel: String, extra: [(name: String, text: String)] = []
  ) throws {
    try WholeFolder.make(path) { folder in
      try writeContents(into: folder, baseModel: baseModel)
      for (name, text) in extra { try writeAtomically(text, to: "\(folder)/\(name)") }
    }
  }

  /// Writes the adapter's two files into a folder that exists.
  /// - Throws: `Fault` .cannotCreate, .cannotWrite.
  package func writeContents(into folder: String, baseModel: String) throws {
    let settings = AdapterSettings(rank: rank, alpha: alpha, dropout: dropout, targets: targets)
    try writeAtomically(
      settings.json(baseModel: baseModel).text(indent: 2) + "\n", to: folder + "/adapter_config.json")
    try SafetensorsWriter.write(tensors, to: folder + "/adapter_model.safetensors")
  }
}
