import Files
import Gemma
import Testing

/// The sizes of a published model, in the keys of transformers 4.
private struct Published: CustomTestStringConvertible, Sendable {
  let name: String
  let type: String
  let sizes: [Int]  // hidden, intermediate, layers, heads, key/value heads, head_dim, vocabulary
  let parameters: Int
  var testDescription: String { name }

  var text: String {
    let caps =
      type == "gemma"
      ? "" : #""attn_logit_softcapping": null, "final_logit_softcapping": null, "sliding_window": 512,"#
    return """
      {"model_type": "\(type)", "hidden_size": \(sizes[0]), "intermediate_size": \(sizes[1]), \(caps)
       "num_hidden_layers": \(sizes[2]), "num_attention_heads": \(sizes[3]),
       "num_key_value_heads": \(sizes[4]),
       "head_dim": \(sizes[5]), "vocab_size": \(sizes[6])}
      """
  }

  static let all = [
    Published(
      name: "Gemma 2B", type: "gemma", sizes: [2048, 16384, 18, 8, 1, 256, 256_000], parameters: 2_506_172_416
    ),
    Published(
      name: "Gemma 7B", type: "gemma", sizes: [3072, 24576, 28, 16, 16, 256, 256_000],
      parameters: 8_537_680_896),
    Published(
      name: "Gemma 2 2B", type: "gemma2", sizes: [2304, 9216, 26, 8, 4, 256, 256_000],
      parameters: 2_614_341_888),
    Published(
      name: "Gemma 2 9B", type: "gemma2", sizes: [3584, 14336, 42, 16, 8, 256, 256_000],
      parameters: 9_241_705_984),
    Published(
      name: "Gemma 2 27B", type: "gemma2", sizes: [4608, 36864, 46, 32, 16, 128, 256_000],
      parameters: 27_227_128_320),
    Published(
      name: "Gemma 3 270M", type: "gemma3_text", sizes: [640, 2048, 18, 4, 1, 256, 262_144],
      parameters: 268_098_176),
    Published(
      name: "Gemma 3 1B", type: "gemma3_text", sizes: [1152, 6912, 26, 4, 1, 256, 262_144],
      parameters: 999_885_952),
  ]
}

private func configuration(_ text: String) throws -> ModelConfiguration {
  try ModelConfiguration(
    json: JSONValue(parsing: Array(text.utf8), file: "m/config.json"), file: "m/config.json")
}

/// A small valid configuration of `type` with `members` (JSON members, comma separated) added or replaced.
private func small(_ type: String, _ members: String = "") throws -> ModelConfiguration {
  var base = try object(
    """
    {"model_type": "\(type)", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 7,
     "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 300}
    """)
  let later = #"{"sliding_window": 16, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}"#
  if type != "gemma" { for (key, value) in try object(later).members { base[key] = value } }
  for (key, value) in try object("{\(members)}").members { base[key] = value }
  return try ModelConfiguration(json: .object(base), file: "m/config.json")
}

private func object(_ text: String) throws -> JSONObject {
  try #require(JSONValue(parsing: Array(text.utf8), file: "test").objectValue)
}

private func message(_ type: String = "gemma3_text", _ members: String) throws -> String? {
  do {
    _ = try small(type, members)
    return nil
  } catch let fault as Fault {
    #expect(fault.kind == .badData)
    return fault.message
  }
}

@Suite struct ModelConfigurationTests {
  @Test(arguments: Published.all) private func parameterCountsEqualThePublishedOnes(_ model: Published) throws
  {
    #expect(try configuration(model.text).parameterCount() == model.parameters)
  }

  @Test func gemma1HasNoCapsNoWindowAndOnlyFullLayers() throws {
    let model = try small("gemma")
    #expect(model.layerKinds == Array(repeating: .full, count: 7))
    #expect(
      model.attnLogitSoftcapping == nil && model.finalLogitSoftcapping == nil && model.slidingWindow == nil)
    #expect(model.queryPreAttnScalar == 8)
    #expect(LayerNorm.all(in: model) == [.input, .postAttention])
    #expect(model.maxPositionEmbeddings == 8192)
  }

  @Test func gemma2AlternatesFromASlidingLayer() throws {
    let model = try small("gemma2")
    #expect(model.layerKinds == [.sliding, .full, .sliding, .full, .sliding, .full, .sliding])
    #expect(
      model.attnLogitSoftcapping == 50 && model.finalLogitSoftcapping == 30 && model.slidingWindow == 16)
    #expect(LayerNorm.all(in: model) == [.input, .postAttention, .preFeedforward, .postFeedforward])
  }

  @Test func gemma3IsFullEverySixthLayer() throws {
    let model = try small("gemma3_text", #""attn_logit_softcapping": null, "final_logit_softcapping": null"#)
    #expect(model.layerKinds == [.sliding, .sliding, .sliding, .sliding, .sliding, .full, .sliding])
    #expect(model.attnLogitSoftcapping == nil && model.finalLogitSoftcapping == nil)
    #expect(LayerNorm.all(in: model) == LayerNorm.allCases && model.maxPositionEmbeddings == 131_072)
  }

  @Test func slidingWindowPatternSetsGemma3Layers() throws {
    let model = try small("gemma3_text", #""sliding_window_pattern": 3, "_sliding_window_pattern": 2"#)
    #expect(model.layerKinds == [.sliding, .sliding, .full, .sliding, .sliding, .full, .sliding])
  }

  @Test func layerTypesWinOverThePattern() throws {
    let kinds = #"["full_attention", "sliding_attention", "full_attention"]"#
    let model = try small(
      "gemma3_text", #""num_hidden_layers": 3, "sliding_window_pattern": 2, "layer_types": \#(kinds)"#)
    #expect(model.layerKinds == [.full, .sliding, .full])
  }

  @Test func aModelWithoutSlidingLayersNeedsNoWindow() throws {
    let model = try small("gemma3_text", #""sliding_window_pattern": 1, "sliding_window": null"#)
    #expect(model.slidingWindow == nil)
  }

  @Test func rotaryBasesOfTheFourthGenerationAreRead() throws {
    let gemma = try small("gemma", #""rope_theta": 500.5"#)
    #expect(gemma.rotary(of: .full) == .init(theta: 500.5))
    let gemma3 = try small(
      "gemma3_text",
      #""rope_theta": 5e5, "rope_local_base_freq": 700, "#
        + #""rope_scaling": {"rope_type": "linear", "factor": 8.0}"#
    )
    #expect(gemma3.rotary(of: .full) == .init(theta: 500_000, linearScale: 8))
    #expect(gemma3.rotary(of: .sliding) == .init(theta: 700))
  }

  @Test func rotaryBasesOfTheFifthGenerationAreRead() throws {
    let gemma2 = try small("gemma2", #""rope_parameters": {"rope_theta": 20000.0, "rope_type": "default"}"#)
    #expect(gemma2.rotary(of: .sliding) == .init(theta: 20_000))
    let gemma3 = try small(
      "gemma3_text",
      #"""
      "rope_parameters": {"full_attention": {"rope_theta": 3e6, "rope_type": "linear", "factor": 8},
                          "sliding_attention": {"rope_theta": 30000, "rope_type": "default"}}
      """#)
    #expect(gemma3.rotary(of: .full) == .init(theta: 3_000_000, linearScale: 8))
    #expect(gemma3.rotary(of: .sliding) == .init(theta: 30_000))
  }

  @Test func missingRotaryBasesAreThoseOfTheFamily() throws {
    #expect(try small("gemma").rotary(of: .full) == .init(theta: 10_000))
    #expect(try small("gemma2").rotary(of: .sliding) == .init(theta: 10_000))
    #expect(try small("gemma3_text").rotary(of: .full) == .init(theta: 1_000_000))
    #expect(try small("gemma3_text").rotary(of: .sliding) == .init(theta: 10_000))
  }

  @Test func attentionScaleComesFromQueryPreAttnScalar() throws {
    #expect(try small("gemma2", #""query_pre_attn_scalar": 144"#).attentionScale == 1.0 / 12)
    #expect(try small("gemma3_text").queryPreAttnScalar == 256)
  }

  @Test func endOfSequenceIsOneIdOrAList() throws {
    #expect(try small("gemma3_text", #""eos_token_id": [1, 106]"#).eosTokenIds == [1, 106])
    #expect(try small("gemma3_text", #""eos_token_id": 107"#).eosTokenIds == [107])
    let model = try small("gemma3_text")
    #expect(model.eosTokenIds == [1] && model.padTokenId == 0)
    let none = try small("gemma3_text", #""eos_token_id": null, "pad_token_id": null"#)
    #expect(none.eosTokenIds.isEmpty && none.padTokenId == nil)
  }

  @Test func gemma1sGeluIsTheTanhForm() throws {
    #expect(try small("gemma", #""hidden_act": "gelu""#).family == .gemma)
    #expect(
      try message("gemma2", #""hidden_act": "gelu""#)
        == #"m/config.json: hidden_act: not supported, got "gelu"; expected gelu_pytorch_tanh"#)
  }

  @Test(arguments: [
    (
      #""model_type": "llama""#,
      #"model_type: not a Gemma 1-3 text model, got "llama"; expected gemma, gemma2 or gemma3_text"#
    ),
    (#""model_type": null"#, "model_type: missing; expected gemma, gemma2 or gemma3_text"),
    (
      #""model_type": "gemma3", "text_config": {}, "vision_config": {}"#,
      #"model_type: a model that sees pictures, only text models are supported, got "gemma3"; "#
        + "expected gemma, gemma2 or gemma3_text"
    ),
    (#""attention_bias": true"#, "attention_bias: not supported, got true; expected false"),
    (#""attention_bias": 1"#, "attention_bias: got 1; expected true or false"),
    (
      #""use_bidirectional_attention": true"#,
      "use_bidirectional_attention: not supported, got true; expected false"
    ),
    (#""tie_word_embeddings": false"#, "tie_word_embeddings: not supported, got false; expected true"),
    (#""attention_dropout": 0.1"#, "attention_dropout: not supported, got 0.1; expected 0"),
    (
      #""quantization_config": {"bits": 4}"#,
      #"quantization_config: not supported, got {"bits":4}; expected weights in bfloat16 or float32"#
    ),
    (
      #""hidden_activation": "silu""#,
      #"hidden_activation: not supported, got "silu"; expected gelu_pytorch_tanh"#
    ),
    (#""hidden_activation": 5"#, "hidden_activation: got 5; expected text"),
    (
      #""rope_scaling": {"rope_type": "yarn", "factor": 2}"#,
      #"rope_scaling.rope_type: not supported, got "yarn"; expected default or linear"#
    ),
    (
      #""rope_scaling": {"type": "linear", "factor": 2}"#,
      #"rope_scaling.type: not read in gemma3_text, got "linear"; expected rope_type"#
    ),
    (
      #""rope_scaling": {"rope_type": "linear", "type": "default", "factor": 2}"#,
      #"rope_scaling.type: got "default", but rope_type is "linear"; expected rope_type alone"#
    ),
    (
      #""rope_scaling": {"rope_type": "default", "factor": 2}"#,
      #"rope_scaling.factor: not read with rope_type default, got 2; expected rope_type linear, or no factor"#
    ),
    (#""rope_scaling": {"rope_type": null}"#, "rope_scaling.rope_type: got null; expected text"),
    (
      #""rope_scaling": {"rope_type": "linear", "factor": 2, "beta_fast": 32}"#,
      "rope_scaling.beta_fast: not supported, got 32; expected false, null or empty"
    ),
    (
      #""rope_parameters": {"sliding_attention": {}}, "rope_scaling": {"rope_type": "linear", "factor": 2}"#,
      "rope_scaling: rope_parameters has no full_attention that it could change; expected one of the two"
    ),
    (#""partial_rotary_factor": 0.5"#, "partial_rotary_factor: not supported, got 0.5; expected 1"),
    (
      #""architectures": ["Gemma3TextModel"]"#,
      #"architectures: not supported, got ["Gemma3TextModel"]; expected ["Gemma3ForCausalLM"]"#
    ),
    (#""sliding_windw": 5"#, "sliding_windw: not supported, got 5; expected false, null or empty"),
    (#""tie_word_embeddings": null"#, "tie_word_embeddings: not supported, got null; expected true"),
    (#""rope_scaling": {"rope_type": "linear"}"#, "rope_scaling.factor: missing; expected a number above 0"),
    (#""rope_scaling": 8"#, "rope_scaling: got 8; expected an object"),
    (
      #""rope_parameters": {"rope_theta": 1e4}"#,
      "rope_parameters.rope_theta: not supported, got 1e4; "
        + "expected only full_attention and sliding_attention in gemma3_text"
    ),
    (
      #""rope_parameters": {"full_attention": {"rope_theta": 0}}"#,
      "rope_parameters.full_attention.rope_theta: got 0; expected a number above 0"
    ),
    (
      #""rope_parameters": {"full_attention": {"partial_rotary_factor": 0.5}}"#,
      "rope_parameters.full_attention.partial_rotary_factor: not supported, got 0.5; expected 1"
    ),
  ]) func whatIsNotImplementedIsRefusedByName(_ members: String, _ expected: String) throws {
    #expect(try message("gemma3_text", members) == "m/config.json: " + expected)
  }

  @Test(arguments: [
    (
      #""hidden_size": null"#,
      "hidden_size: got null; expected a whole number from 1 to 65536"
    ),
    (
      #""hidden_size": "640""#,
      #"hidden_size: got "640"; expected a whole number from 1 to 65536"#
    ),
    (
      #""hidden_size": 640.0"#,
      "hidden_size: got 640.0; expected a whole number from 1 to 65536"
    ),
    (#""hidden_size": 0"#, "hidden_size: got 0; expected a whole number from 1 to 65536"),
    (#""vocab_size": -1"#, "vocab_size: got -1; expected a whole number from 1 to 16777216"),
    (
      #""intermediate_size": 9223372036854775807"#,
      "intermediate_size: got 9223372036854775807; expected a whole number from 1 to 1048576"
    ),
    (
      #""num_hidden_layers": 1000000"#,
      "num_hidden_layers: got 1000000; expected a whole number from 1 to 1024"
    ),
    (
      #""num_key_value_heads": 3"#, "num_key_value_heads: got 3; expected a divisor of num_attention_heads, 4"
    ),
    (#""head_dim": 7"#, "head_dim: odd, got 7; expected an even number (rotary embedding turns pairs)"),
    (#""rms_norm_eps": "tiny""#, #"rms_norm_eps: got "tiny"; expected a number above 0"#),
    (#""rms_norm_eps": 1e-60"#, "rms_norm_eps: got 1e-60; expected a number above 0"),
    (
      #""query_pre_attn_scalar": -256"#,
      "query_pre_attn_scalar: got -256; expected a number above 0"
    ),
    (
      #""sliding_window": null"#,
      "sliding_window: got null; expected a whole number from 1 to 16777216"
    ),
    (
      #""layer_types": ["full_attention"]"#,
      "layer_types: got 1 entries; expected one per layer, num_hidden_layers is 7"
    ),
    (
      #""layer_types": "full_attention""#,
      #"layer_types: not a list, got "full_attention"; expected one entry per layer"#
    ),
    (
      #""num_hidden_layers": 1, "layer_types": ["chunked_attention"]"#,
      #"layer_types[0]: not supported, got "chunked_attention"; expected full_attention or sliding_attention"#
    ),
    (#""eos_token_id": []"#, "eos_token_id: an empty list; expected at least one id"),
    (
      #""eos_token_id": [1, 300]"#,
      "eos_token_id: not a token id, got 300; expected a whole number from 0 to 299"
    ),
    (
      #""bos_token_id": "2""#,
      #"bos_token_id: not a token id, got "2"; expected a whole number from 0 to 299"#
    ),
  ]) func badValuesAreNamed(_ members: String, _ expected: String) throws {
    #expect(try message("gemma3_text", members) == "m/config.json: " + expected)
  }

  @Test(arguments: ["sliding_window", "query_pre_attn_scalar", "final_logit_softcapping"])
  func keysOfLaterFamiliesAreRefusedInGemma1(_ key: String) throws {
    #expect(
      try message("gemma", "\"\(key)\": 16")
        == "m/config.json: \(key): not supported, got 16; expected false, null or empty")
    #expect(try small("gemma", "\"\(key)\": null") == small("gemma"))
  }

  @Test func gemma2sPatternIsTwo() throws {
    #expect(try small("gemma2", #""sliding_window_pattern": 2"#) == small("gemma2"))
    #expect(
      try message("gemma2", #""sliding_window_pattern": 3"#)
        == "m/config.json: sliding_window_pattern: not supported in gemma2, got 3; expected 2")
  }

  @Test func rotaryBasesBesideTheFifthGenerationsCountWhereItNamesNone() throws {
    let parameters = #""full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_theta": 9.0}"#
    let model = try small(
      "gemma3_text",
      #""rope_theta": 100.0, "rope_local_base_freq": 50.0, "rope_parameters": {\#(parameters)}"#)
    #expect(model.rotary(of: .full) == .init(theta: 100) && model.rotary(of: .sliding) == .init(theta: 9))
    let gemma = try small("gemma", #""rope_theta": 100.0, "rope_parameters": {"rope_type": "default"}"#)
    #expect(gemma.rotary(of: .full) == .init(theta: 100))
  }

  @Test func gemma2MustNameItsCaps() throws {
    let text =
      #"{"model_type": "gemma2", "hidden_size": 2, "intermediate_size": 2, "num_hidden_layers": 1, "#
      + #""num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 2, "vocab_size": 9, "#
      + #""sliding_window": 4}"#
    #expect(
      throws: Fault(
        .badData,
        "m/config.json: attn_logit_softcapping: missing; expected a number above 0, or null for none")
    ) { try configuration(text) }
  }

  @Test func aListIsNotAConfiguration() {
    #expect(
      throws: Fault(.badData, "m/config.json: got [1]; expected the keys of a Gemma model")
    ) { try configuration("[1]") }
  }
}
