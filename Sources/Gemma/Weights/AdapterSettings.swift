import Files

/// The content of PEFT's `adapter_config.json` that this program implements.
///
/// PEFT reads a missing `target_modules` as q and v alone and adapts the wrong layers in silence. Here every
/// setting that would change the result and is not implemented is refused by name.
struct AdapterSettings {
  var rank: Int
  var alpha: Double
  var dropout: Double
  var targets: [LinearModule]

  /// The highest rank that is accepted.
  static let maximumRank = 1 << 16

  /// The 13 keys that every PEFT since 0.4 loads without a warning.
  func json(baseModel: String) -> JSONValue {
    .object(
      JSONObject([
        "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"),
        "base_model_name_or_path": .string(baseModel), "inference_mode": .bool(true), "r": .int(rank),
        "lora_alpha": Int(exactly: alpha).map { .int($0) } ?? .double(alpha),
        "lora_dropout": .double(dropout),
        "bias": .string("none"), "fan_in_fan_out": .bool(false), "modules_to_save": .null,
        "use_rslora": .bool(false), "use_dora": .bool(false),
        "target_modules": .array(targets.map { .string($0.rawValue) }),
      ]))
  }
}

extension AdapterSettings {
  /// Reads the file at `path`.
  /// - Throws: `Fault` .missing without it, .badData naming the key.
  init(path: String) throws {
    let keys = AdapterKeys(
      fields: try JSONFields(
        contentsOf: path, limit: 1 << 20, expected: "an object with the keys of a PEFT adapter"))
    try keys.require("peft_type", "LORA")
    if keys.fields.value("task_type") != nil { try keys.require("task_type", "CAUSAL_LM") }
    if keys.fields.value("bias") != nil { try keys.require("bias", "none") }
    rank = try keys.rank()
    // 8 when absent, as in PEFT.
    alpha = try keys.fields.optional(.positive("lora_alpha")) ?? 8
    dropout = try keys.dropout()
    targets = try keys.targets()
    try keys.refuseWhatIsNotImplemented()
  }
}

/// The members of an `adapter_config.json`. PEFT treats a null like an absent key.
private struct AdapterKeys {
  let fields: JSONFields

  /// Keys that do not change what a saved adapter computes.
  private static let inert: Set = [
    "auto_mapping", "base_model_name_or_path", "inference_mode", "megatron_core", "peft_version",
    "qalora_group_size", "revision", "runtime_config",
  ]
  private static let read: Set = [
    "peft_type", "task_type", "bias", "r", "lora_alpha", "lora_dropout", "target_modules",
    "init_lora_weights",
  ]

  private func demanded<Value>(_ key: JSONKey<Value>) throws -> Value {
    guard let value = try fields.optional(key) else {
      throw fields.fault(key.name, "missing; expected \(key.expected)")
    }
    return value
  }

  /// Refuses every text except for `text`.
  func require(_ name: String, _ text: String) throws {
    _ = try demanded(
      JSONKey<String>(
        name, expected: "\"\(text)\"", read: { $0.stringValue == text ? text : nil }, write: { .string($0) }))
  }

  func rank() throws -> Int { try demanded(.whole("r", in: 1...AdapterSettings.maximumRank)) }

  func dropout() throws -> Double {
    let key = JSONKey<Double>(
      "lora_dropout", expected: "a number from 0 to below 1",
      read: { value in value.doubleValue.flatMap { (0..<1).contains($0) ? $0 : nil } },
      write: { .double($0) })
    return try fields.optional(key) ?? 0
  }

  func targets() throws -> [LinearModule] {
    let all = LinearModule.allCases.map(\.rawValue).joined(separator: ", ")
    let names = try demanded(
      JSONKey<[JSONValue]>(
        "target_modules", expected: "a list of some of \(all)",
        read: { value in value.arrayValue.flatMap { $0.isEmpty ? nil : $0 } }, write: { .array($0) }))
    let targets = try names.map { name in
      guard let module = name.stringValue.flatMap(LinearModule.init(rawValue:)) else {
        throw fields.fault("target_modules", got: name, expected: "only some of \(all)")
      }
      return module
    }
    // PEFT writes them in any order.
    return LinearModule.allCases.filter(targets.contains)
  }

  /// Every other key must be off, known or not, because what it asks for is not done here.
  func refuseWhatIsNotImplemented() throws {
    if let value = fields.value("init_lora_weights"), value.boolValue == nil, value.stringValue != "gaussian"
    {
      // PiSSA and similar methods change the base model's weights when the adapter is made.
      throw fields.fault(
        "init_lora_weights", "not supported", got: value, expected: "true, false or \"gaussian\"")
    }
    try fields.refuseOtherThan(Self.inert.union(Self.read))
  }
}
