extension Operations {
  /// Rotary position embedding of each head of each row, half-split: pairs are (i, i + H/2).
  /// - x: [T, heads · H]; positions: int32 [T], counted within each sequence.  - Returns: x's shape and
  ///   dtype.
  /// - Keeps for backward: positions.
  /// Source: Su et al. 2021, eq. 34; transformers modeling_gemma.py, apply_rotary_pos_emb.
  package func rotary(_ x: Tensor, positions: Tensor, _ table: RotaryTable) -> Tensor {
    let output = kernels.rotated(x, positions: positions, table, .forward)
    let node = x.node
    return recorded(output, from: [x]) { dY in
      node?.receive(kernels.rotated(dY, positions: positions, table, .backward), kernels)
    }
  }
}
