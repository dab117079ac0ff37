import Files

/// The content of PEFT's `adapter_config.json` that this program implements.
///
/// PEFT reads a missing `target_modules` as q and v alone and adapts the wrong layers in silence; here whatever would
/// change the result and is not implemented is refused by name.
struct AdapterSettings {
  var rank: Int
  var alpha: Double
  var dropout: Double
  var targets: [LinearModule]

  /// The highest rank that is read.
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
  /// Reads the file.
  /// - Throws: `Fault` .missing without it, .badData naming the key.
  init(path: String) throws {
    let json = try JSONValue(parsing: readFile(path, limit: 1 << 20), file: path)
    guard let object = json.objectValue else {
      throw Fault(
        .badData, file: path, "\(json.kindName); expected an object with the keys of a PEFT adapter")
    }
    let keys = AdapterKeys(path: path, object: object)
    try keys.require("peft_type", "LORA")
    if keys.value("task_type") != nil { try keys.require("task_type", "CAUSAL_LM") }
    if keys.value("bias") != nil { try keys.require("bias", "none") }
    rank = try keys.rank()
    alpha = try keys.alpha()
    dropout = try keys.dropout()
    targets = try keys.targets()
    try keys.refuseWhatIsNotImplemented()
  }
}

/// The members of an `adapter_config.json`.
private struct AdapterKeys {
  let path: String
  let object: JSONObject

  /// Keys that do not change what a saved adapter computes.
  private static let inert: Set = [
    "auto_mapping", "base_model_name_or_path", "inference_mode", "megatron_core", "peft_version",
    "qalora_group_size", "revision", "runtime_config",
  ]
  private static let read: Set = [
    "peft_type", "task_type", "bias", "r", "lora_alpha", "lora_dropout", "target_modules",
    "init_lora_weights",
  ]

  /// The value of `key`; nil when absent or null, which PEFT takes as absent too.
  func value(_ key: String) -> JSONValue? {
    guard let value = object[key], value != .null else { return nil }
    return value
  }

  private func fault(_ key: String, _ problem: String) -> Fault {
    Fault(.badData, file: path, place: key, problem)
  }

  private func shown(_ value: JSONValue?) -> String {
    value.map { "got \(String($0.text().unicodeScalars.prefix(60)))" } ?? "missing"
  }

  func require(_ key: String, _ text: String) throws {
    guard value(key)?.stringValue == text else {
      throw fault(key, "\(shown(value(key))); expected \"\(text)\"")
    }
  }

  func rank() throws -> Int {
    guard let rank = value("r")?.intValue, (1...AdapterSettings.maximumRank).contains(rank) else {
      throw fault(
        "r", "\(shown(value("r"))); expected a whole number from 1 to \(AdapterSettings.maximumRank)")
    }
    return rank
  }

  /// 8 when absent, as in PEFT.
  func alpha() throws -> Double {
    guard let value = value("lora_alpha") else { return 8 }
    guard let alpha = value.doubleValue, alpha > 0, Float(alpha).isFinite else {
      throw fault("lora_alpha", "\(shown(value)); expected a number above 0")
    }
    return alpha
  }

  func dropout() throws -> Double {
    guard let value = value("lora_dropout") else { return 0 }
    guard let dropout = value.doubleValue, dropout >= 0, dropout < 1 else {
      throw fault("lora_dropout", "\(shown(value)); expected a number from 0 to below 1")
    }
    return dropout
  }

  func targets() throws -> [LinearModule] {
    let all = LinearModule.allCases.map(\.rawValue).joined(separator: ", ")
    guard let names = value("target_modules")?.arrayValue, !names.isEmpty else {
      throw fault("target_modules", "\(shown(value("target_modules"))); expected a list of some of \(all)")
    }
    let targets = try names.map { name in
      guard let module = name.stringValue.flatMap(LinearModule.init(rawValue:)) else {
        throw fault("target_modules", "\(shown(name)); expected only some of \(all)")
      }
      return module
    }
    // PEFT writes them in any order.
    return LinearModule.allCases.filter(targets.contains)
  }

  /// Every other key must be off, known or not: what it would do is not done here.
  func refuseWhatIsNotImplemented() throws {
    if let value = value("init_lora_weights"), value.boolValue == nil, value.stringValue != "gaussian" {
      // PiSSA and its like change the base model's weights when the adapter is made.
      throw fault("init_lora_weights", "not supported, \(shown(value)); expected true, false or \"gaussian\"")
    }
    for (key, value) in object.members where !Self.inert.contains(key) && !Self.read.contains(key) {
      guard [.null, .bool(false), .array([]), .object(JSONObject())].contains(value) else {
        throw fault(key, "not supported, \(shown(value)); expected false, null or empty")
      }
    }
  }
}
