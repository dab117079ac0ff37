import Files

/// Which keys the `config.json` of a family may hold: keys that are read, and keys that change nothing here.
///
/// Any other key must be off (null, false, empty), known or not, because what it asks for is not done here.
package struct ConfigurationPolicy {
  private let read: Set<String>
  private let inert: Set<String>

  /// The keys that files of `family` may hold.
  package init(of family: ModelConfiguration.Family) {
    switch family {
    case .gemma: (read, inert) = (Self.readInAll, Self.inertInAll)
    case .gemma2: (read, inert) = (Self.readInAll.union(Self.readInLater), Self.inertInAll)
    case .gemma3:
      read = Self.readInAll.union(Self.readInLater).union(["rope_local_base_freq"])
      // The pattern that transformers 5 writes and never reads.
      inert = Self.inertInAll.union(["_sliding_window_pattern"])
    }
  }

  /// Whether the key changes nothing in what a text model computes here.
  package func isInert(_ key: String) -> Bool {
    // Unsloth's own notes: `unsloth_version`, `unsloth_fixed`.
    inert.contains(key) || key.hasPrefix("unsloth_")
  }

  func allows(_ key: String) -> Bool { read.contains(key) || isInert(key) }

  private static let readInAll: Set = [
    "model_type", "architectures", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps",
    "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id", "hidden_act", "hidden_activation",
    "tie_word_embeddings", "attention_bias", "attention_dropout", "use_bidirectional_attention",
    "quantization_config", "rope_parameters", "rope_theta", "rope_scaling", "partial_rotary_factor",
  ]
  private static let readInLater: Set = [
    "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "sliding_window",
    "layer_types", "sliding_window_pattern",
  ]

  private static let inertInAll = names.union(execution).union(otherHeads).union(generation)

  /// Keys that say where the file comes from.
  private static let names: Set = [
    "transformers_version", "_name_or_path", "name_or_path", "_commit_hash", "tokenizer_class",
    "finetuning_task", "task_specific_params", "transformers.js_config",
  ]

  /// Keys that say how transformers computes, not what. The dtype is that of the weights and of
  /// `model.precision`.
  private static let execution: Set = [
    "dtype", "torch_dtype", "use_bfloat16", "torchscript", "use_cache", "cache_implementation",
    "attn_implementation", "_attn_implementation", "_attn_implementation_autoset",
    "_attn_implementation_internal",
    "experts_implementation", "_experts_implementation", "chunk_size_feed_forward", "pretraining_tp",
    "gradient_checkpointing", "output_attentions", "_output_attentions", "output_hidden_states",
    "output_scores",
    "return_dict", "return_dict_in_generate", "tie_last_hidden_states",
    // Read by types of RoPE that are not implemented.
    "original_max_position_embeddings",
  ]

  /// Keys of models that classify, translate or see.
  private static let otherHeads: Set = [
    "id2label", "label2id", "num_labels", "problem_type", "tie_encoder_decoder", "decoder_start_token_id",
    "sep_token_id", "unk_token_id",
  ]

  /// Defaults of generation, which transformers 5 leaves out too. Answers here are greedy.
  /// Source: transformers 5.23 generation/configuration_utils.py,
  /// GenerationConfig._get_default_generation_params.
  private static let generation: Set = [
    "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "temperature", "top_k", "top_p",
    "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "bad_words_ids", "num_return_sequences", "forced_bos_token_id", "forced_eos_token_id",
    "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
    "epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty", "num_assistant_tokens",
    "num_assistant_tokens_schedule", "assistant_confidence_threshold", "assistant_lookbehind",
    "target_lookbehind", "num_beam_groups", "diversity_penalty", "prefix",
  ]
}

extension JSONFields {
  /// Refuses every key that the policy does not allow and that is not off.
  func refuseUnknown(_ policy: ConfigurationPolicy) throws {
    for (key, value) in object.members where !policy.allows(key) { try requireOff(key, value) }
  }

  /// Refuses every key outside `known` that is not off.
  func refuseOtherThan(_ known: Set<String>) throws {
    for (key, value) in object.members where !known.contains(key) { try requireOff(key, value) }
  }

  private func requireOff(_ key: String, _ value: JSONValue) throws {
    guard [.null, .bool(false), .array([]), .object(JSONObject())].contains(value) else {
      throw fault(key, "not supported", got: value, expected: "false, null or empty")
    }
  }
}
