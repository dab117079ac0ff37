// Shape letters, used in comments all over the project:
// T tokens (all sequences of a batch, end to end) · S keys · D hidden · N query heads · K key/value heads ·
// H head dim · F MLP width · V vocabulary · R LoRA rank · M target tokens.  Einsum order: `TD, FD -> TF`.

/// Element type of a tensor.
package enum DType: String, Sendable {
  case float32 = "F32"
  case bfloat16 = "BF16"
  case int32 = "I32"
  case uint8 = "U8"

  /// Bytes of one element.
  package var byteCount: Int {
    switch self {
    case .float32, .int32: 4
    case .bfloat16: 2
    case .uint8: 1
    }
  }
}
