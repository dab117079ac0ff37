import Files

extension ModelConfiguration {
  /// Reads `config.json` at `path`, written by transformers 4 or 5, to the same effect as transformers 5.23.
  ///
  /// Every key is read, or is known not to change what is computed (`ConfigurationPolicy`), or is refused.
  /// - Throws: `Fault` `.missing` without the file, `.badData` naming a key that is absent, mistyped, out of
  ///   range or not implemented.
  package init(contentsOf path: String) throws {
    // Real files are about 1 KB; the cap only bounds the work on a hostile one.
    try self.init(JSONFields(contentsOf: path, limit: 1 << 20, expected: Self.expected))
  }

  /// Reads the object of a `config.json`; `file` is the name that messages bear.
  package init(json: JSONValue, file: String) throws {
    try self.init(JSONFields(json, file: file, expected: Self.expected))
  }

  private static let expected = "the keys of a Gemma model"

  /// Source: transformers 5.23 configuration_gemma.py, configuration_gemma2.py, configuration_gemma3.py.
  private init(_ keys: JSONFields) throws {
    let family = try keys.family()
    try keys.refuseWhatIsNotImplemented(family)
    try keys.refuseUnknown(ConfigurationPolicy(of: family))

    self.family = family
    vocabSize = try keys.size("vocab_size", upTo: 1 << 24)
    hiddenSize = try keys.size("hidden_size", upTo: 1 << 16)
    intermediateSize = try keys.size("intermediate_size", upTo: 1 << 20)
    numHiddenLayers = try keys.size("num_hidden_layers", upTo: 1 << 10)
    numAttentionHeads = try keys.size("num_attention_heads", upTo: 1 << 10)
    numKeyValueHeads = try keys.size("num_key_value_heads", upTo: 1 << 10)
    headDim = try keys.size("head_dim", upTo: 1 << 12)
    maxPositionEmbeddings = try keys.size(
      "max_position_embeddings", upTo: 1 << 24, missing: family == .gemma3 ? 131_072 : 8192)
    rmsNormEps = Float(try keys.positive("rms_norm_eps", missing: 1e-6))
    initializerRange = try keys.positive("initializer_range", missing: 0.02)
    queryPreAttnScalar =
      family == .gemma ? Double(headDim) : try keys.positive("query_pre_attn_scalar", missing: 256)
    attnLogitSoftcapping = try keys.softcap("attn_logit_softcapping", family)
    finalLogitSoftcapping = try keys.softcap("final_logit_softcapping", family)
    layerKinds = try keys.layerKinds(family, count: numHiddenLayers)
    slidingWindow = layerKinds.contains(.sliding) ? try keys.size("sliding_window", upTo: 1 << 24) : nil
    (fullRotary, slidingRotary) = try keys.rotary(family)
    eosTokenIds = try keys.tokens("eos_token_id", missing: [1], vocabSize: vocabSize)
    padTokenId = try keys.token("pad_token_id", missing: 0, vocabSize: vocabSize)
    // The tokenizer says which token begins a sequence. This key only has to hold a token.
    _ = try keys.token("bos_token_id", missing: 2, vocabSize: vocabSize)
    try keys.checkHeads(numAttentionHeads, numKeyValueHeads, headDim)
  }
}

/// The values of a `config.json`, or of an object inside it.
extension JSONFields {
  func size(_ name: String, upTo limit: Int, missing: Int? = nil) throws -> Int {
    try read(.whole(name, in: 1...limit), missing: missing)
  }

  /// A null is not replaced by the default: transformers refuses it.
  func positive(_ name: String, missing: Double? = nil) throws -> Double {
    try read(.positive(name), missing: missing)
  }
}

extension JSONFields {
  func family() throws -> ModelConfiguration.Family {
    let expected = "gemma, gemma2 or gemma3_text"
    guard let value = value("model_type") else { throw fault("model_type", "missing; expected \(expected)") }
    if value.stringValue == "gemma3" || self.value("vision_config") != nil {
      throw fault(
        "model_type", "a model that sees pictures, only text models are supported", got: value,
        expected: expected)
    }
    guard let family = value.stringValue.flatMap(ModelConfiguration.Family.init(rawValue:)) else {
      throw fault("model_type", "not a Gemma 1-3 text model", got: value, expected: expected)
    }
    return family
  }

  func refuseWhatIsNotImplemented(_ family: ModelConfiguration.Family) throws {
    for key in ["attention_bias", "use_bidirectional_attention"] where try optional(.flag(key)) == true {
      throw fault(key, "not supported, got true; expected false")
    }
    if let tied = object["tie_word_embeddings"], tied != .bool(true) {
      throw fault("tie_word_embeddings", "not supported", got: tied, expected: "true")
    }
    if let value = value("attention_dropout"), value.doubleValue != 0 {
      throw fault("attention_dropout", "not supported", got: value, expected: "0")
    }
    if let value = value("quantization_config") {
      throw fault(
        "quantization_config", "not supported", got: value, expected: "weights in bfloat16 or float32")
    }
    if let value = value("architectures"), value != .array([]) {
      let expected = JSONValue.array([.string(family.architecture)])
      guard value == expected else {
        throw fault("architectures", "not supported", got: value, expected: expected.text())
      }
    }
    try checkActivation(family)
  }

  /// Accepts only the tanh form of GELU.
  ///
  /// transformers 4 took `hidden_activation`, and without it the tanh form, whatever `hidden_act` said.
  /// transformers 5 takes `hidden_act` in Gemma 1, where `gelu` means the tanh form too, and
  /// `hidden_activation` in Gemma 2 and 3.
  private func checkActivation(_ family: ModelConfiguration.Family) throws {
    for key in ["hidden_activation", "hidden_act"] {
      guard let activation = try optional(.text(key)), activation != "gelu_pytorch_tanh" else { continue }
      if activation == "gelu", family == .gemma, key == "hidden_act" { continue }
      throw fault(key, "not supported, got \"\(activation)\"; expected gelu_pytorch_tanh")
    }
  }

  func checkHeads(_ heads: Int, _ keyValueHeads: Int, _ headDim: Int) throws {
    guard heads.isMultiple(of: keyValueHeads) else {
      throw fault(
        "num_key_value_heads", "got \(keyValueHeads); expected a divisor of num_attention_heads, \(heads)")
    }
    guard headDim.isMultiple(of: 2) else {
      throw fault("head_dim", "odd, got \(headDim); expected an even number (rotary embedding turns pairs)")
    }
  }

  /// A cap; null is none. Gemma 2 must say it, since without the key it would silently be another model.
  func softcap(_ key: String, _ family: ModelConfiguration.Family) throws -> Float? {
    if family == .gemma { return nil }
    if family == .gemma2, object[key] == nil {
      throw fault(key, "missing; expected a number above 0, or null for none")
    }
    return value(key) == nil ? nil : Float(try positive(key))
  }

  func layerKinds(
    _ family: ModelConfiguration.Family, count: Int
  ) throws -> [ModelConfiguration.LayerKind] {
    if family == .gemma { return Array(repeating: .full, count: count) }
    if family == .gemma2, let value = value("sliding_window_pattern"), value != .int(2) {
      throw fault("sliding_window_pattern", "not supported in gemma2", got: value, expected: "2")
    }
    if let value = value("layer_types") { return try layerKinds(listed: value, count: count) }
    let pattern = family == .gemma2 ? 2 : try size("sliding_window_pattern", upTo: 1 << 10, missing: 6)
    return (1...count).map { $0.isMultiple(of: pattern) ? .full : .sliding }
  }

  private func layerKinds(listed value: JSONValue, count: Int) throws -> [ModelConfiguration.LayerKind] {
    guard let list = value.arrayValue else {
      throw fault("layer_types", "not a list", got: value, expected: "one entry per layer")
    }
    guard list.count == count else {
      throw fault(
        "layer_types", "got \(list.count) entries; expected one per layer, num_hidden_layers is \(count)")
    }
    return try list.enumerated().map { index, entry in
      guard let kind = entry.stringValue.flatMap(ModelConfiguration.LayerKind.init(rawValue:)) else {
        throw fault(
          "layer_types[\(index)]", "not supported", got: entry,
          expected: "full_attention or sliding_attention")
      }
      return kind
    }
  }
}

extension JSONFields {
  /// A token id; null is none.
  func token(_ key: String, missing: Int, vocabSize: Int) throws -> Int? {
    guard let value = object[key] else { return missing }
    return value == .null ? nil : try token(key, value, vocabSize: vocabSize)
  }

  /// `eos_token_id` is one id or a list of them; null is none.
  func tokens(_ key: String, missing: [Int], vocabSize: Int) throws -> [Int] {
    guard let value = object[key] else { return missing }
    if value == .null { return [] }
    guard let list = value.arrayValue else { return [try token(key, value, vocabSize: vocabSize)] }
    guard !list.isEmpty else { throw fault(key, "an empty list; expected at least one id") }
    return try list.map { try token(key, $0, vocabSize: vocabSize) }
  }

  private func token(_ key: String, _ value: JSONValue, vocabSize: Int) throws -> Int {
    guard let id = value.intValue, (0..<vocabSize).contains(id) else {
      throw fault(key, "not a token id", got: value, expected: "a whole number from 0 to \(vocabSize - 1)")
    }
    return id
  }
}

extension ModelConfiguration.Family {
  /// The class of a text model with a tied output map, as `architectures` names it in transformers.
  fileprivate var architecture: String {
    switch self {
    case .gemma: "GemmaForCausalLM"
    case .gemma2: "Gemma2ForCausalLM"
    case .gemma3: "Gemma3ForCausalLM"
    }
  }
}
