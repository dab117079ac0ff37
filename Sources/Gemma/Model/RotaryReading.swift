import Files

/// Reads the rotary embeddings of a `config.json`.
///
/// transformers 5 keeps everything in `rope_parameters`, which for Gemma 3 has one object for each kind of
/// layer. transformers 4 has `rope_theta`, `rope_local_base_freq` and `rope_scaling` at the top level; in
/// Gemma 3 `rope_scaling` is for the full layers only. Where both stand, transformers 5 decides which counts.
/// Source: transformers 5.23 modeling_rope_utils.py, RotaryEmbeddingConfigMixin; configuration_gemma3.py,
/// Gemma3TextConfig.convert_rope_params_to_dict.
extension JSONFields {
  func rotary(_ family: ModelConfiguration.Family) throws -> (
    full: ModelConfiguration.RotaryEmbedding, sliding: ModelConfiguration.RotaryEmbedding
  ) {
    try checkUnscaled()
    if family == .gemma3 { return try rotaryOfEachKind() }
    // `rope_scaling` replaces `rope_parameters`, unless it is empty.
    let scaling = try optionalNested("rope_scaling").flatMap { $0.object.members.isEmpty ? nil : $0 }
    let parameters = try scaling ?? optionalNested("rope_parameters") ?? empty("rope_parameters")
    let embedding = try parameters.embedding { try positive("rope_theta", missing: 10_000) }
    return (embedding, embedding)
  }

  private func rotaryOfEachKind() throws -> (
    full: ModelConfiguration.RotaryEmbedding, sliding: ModelConfiguration.RotaryEmbedding
  ) {
    let parameters = try optionalNested("rope_parameters") ?? empty("rope_parameters")
    let kinds = ModelConfiguration.LayerKind.allCases.map(\.rawValue)
    for (key, value) in parameters.object.members where !kinds.contains(key) && value != .null {
      throw parameters.fault(
        key, "not supported", got: value, expected: "only \(kinds.joined(separator: " and ")) in gemma3_text")
    }
    let full = try scaled(parameters)
    let sliding = try parameters.optionalNested(ModelConfiguration.LayerKind.sliding.rawValue)
    return (
      try full.embedding { try positive("rope_theta", missing: 1_000_000) },
      try (sliding ?? empty("rope_parameters")).embedding {
        try positive("rope_local_base_freq", missing: 10_000)
      }
    )
  }

  /// Gemma 3's parameters of full layers, overridden by the members of `rope_scaling`.
  private func scaled(_ parameters: JSONFields) throws -> JSONFields {
    let key = ModelConfiguration.LayerKind.full.rawValue
    let full = try parameters.optionalNested(key)
    guard var scaling = try optionalNested("rope_scaling") else { return full ?? empty("rope_parameters") }
    guard value("rope_parameters") == nil || full != nil else {
      throw fault(
        "rope_scaling", "rope_parameters has no \(key) that it could change; expected one of the two")
    }
    var members = full?.object ?? ["rope_type": .string("default")]
    if let type = scaling.value("type"), scaling.value("rope_type") == nil, type != members["rope_type"] {
      // transformers 4 reads this key and transformers 5 does not, so that the file means two models.
      throw scaling.fault("type", "not read in gemma3_text", got: type, expected: "rope_type")
    }
    for (key, value) in scaling.object.members { members[key] = value }
    scaling.object = members
    return scaling
  }

  private func empty(_ key: String) -> JSONFields {
    nested(key, JSONObject())
  }

  private func checkUnscaled() throws {
    if let value = value("partial_rotary_factor"), value.doubleValue != 1 {
      throw fault("partial_rotary_factor", "not supported", got: value, expected: "1")
    }
  }

  /// The rotary embedding of this object; `theta` is called where the object has no `rope_theta`.
  private func embedding(theta: () throws -> Double) throws -> ModelConfiguration.RotaryEmbedding {
    try checkUnscaled()
    try refuseOtherThan([
      "rope_type", "type", "rope_theta", "factor", "partial_rotary_factor",
      // Read by types of scaling that are not implemented.
      "original_max_position_embeddings",
    ])
    let (type, key) = try ropeType()
    let base = object["rope_theta"] == nil ? try theta() : try positive("rope_theta")
    switch type {
    case "default":
      if let factor = value("factor"), factor.doubleValue != 1 {
        throw fault(
          "factor", "not read with \(key) default", got: factor, expected: "\(key) linear, or no factor")
      }
      return .init(theta: base)
    case "linear": return .init(theta: base, linearScale: try positive("factor"))
    default: throw fault(key, "not supported, got \"\(type)\"; expected default or linear")
    }
  }

  /// The type of scaling: `rope_type`, which transformers 4 first called `type`; without either, `default`.
  private func ropeType() throws -> (type: String, key: String) {
    let (new, old) = (try ropeType("rope_type"), try ropeType("type"))
    if let new, let old, new != old {
      throw fault("type", "got \"\(old)\", but rope_type is \"\(new)\"; expected rope_type alone")
    }
    return (new ?? old ?? "default", new == nil && old != nil ? "type" : "rope_type")
  }

  /// nil where the key is absent. A null is refused.
  private func ropeType(_ key: String) throws -> String? { object[key] == nil ? nil : try read(.text(key)) }
}
