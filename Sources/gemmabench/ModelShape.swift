import ArgumentParser
import Files
import Gemma
import Tensors

extension ModelShape: ExpressibleByArgument {}

/// Shapes of published models that can be made with random weights.
package enum ModelShape: String, CaseIterable, Sendable {
  /// 2,506,172,416 parameters, 5 GB.
  case gemma2B = "gemma-2b"

  /// The content of config.json.
  /// Source: google/gemma-2b's file, with the sizes of table 1 of the Gemma technical report.
  package var configuration: JSONValue {
    .object([
      "architectures": .array([.string("GemmaForCausalLM")]), "model_type": .string("gemma"),
      "vocab_size": .int(256_000), "hidden_size": .int(2048), "intermediate_size": .int(16384),
      "num_hidden_layers": .int(18), "num_attention_heads": .int(8), "num_key_value_heads": .int(1),
      "head_dim": .int(256), "max_position_embeddings": .int(8192), "rope_theta": .double(10000),
      "rms_norm_eps": .double(1e-6), "hidden_activation": .string("gelu_pytorch_tanh"),
      "attention_bias": .bool(false), "bos_token_id": .int(2), "eos_token_id": .int(1),
      "pad_token_id": .int(0),
      "tie_word_embeddings": .bool(true), "torch_dtype": .string("bfloat16"),
    ])
  }
}
