import Tensors

/// What all layers of one forward pass share.
struct ForwardContext {
  /// Position of each token in its sequence, int32 [T].
  var positions: Tensor
  /// Attention heads of full layers, and of layers with a window.
  var fullAttention: AttentionShape, slidingAttention: AttentionShape
  /// Rotation angles of either kind of layer.
  var fullRotary: RotaryTable, slidingRotary: RotaryTable
  var epsilon: Float
  /// Which tokens attend to which.
  var segments: PassSegments
  /// The cache of keys and values that this pass fills and reads, and the places of its tokens there, int32
  /// [T]; nil where the tokens attend to each other alone.
  var cache: (store: KeyValueCache, places: Tensor)?
  /// Key of the adapters' dropout in this forward pass; nil without dropout.
  var dropout: RandomKey?

  func attention(_ kind: ModelConfiguration.LayerKind) -> AttentionShape {
    kind == .full ? fullAttention : slidingAttention
  }
  func rotary(_ kind: ModelConfiguration.LayerKind) -> RotaryTable {
    kind == .full ? fullRotary : slidingRotary
  }
}

/// The segments of one forward pass.
enum PassSegments {
  /// Sequences of any length.
  case sequences([AttentionSegment])
  /// Decoding, one token a sequence. The segments are data (`OperationKernels.attentionDecode`), so that a
  /// recorded pass can be replayed with other segments. No segment has more than `longest` keys.
  case decoding(Tensor, longest: Int)
}
