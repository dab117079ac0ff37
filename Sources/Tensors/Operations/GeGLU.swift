extension Operations {
  /// gelu(gate) · up with the tanh approximation: gelu(x) = x/2 · (1 + tanh(sqrt(2/π) · (x + 0.044715 x³))).
  /// - gate, up: of one shape and dtype, as the result.  - Keeps for backward: gate, up.
  /// Source: Shazeer 2020, eq. 6; Hendrycks & Gimpel 2016; torch gelu(approximate="tanh").
  package func geglu(_ gate: Tensor, _ up: Tensor) -> Tensor {
    recorded(kernels.gegluForward(gate, up), from: [gate, up]) { dY in
      let (dGate, dUp) = kernels.gegluBackward(dY, gate, up)
      gate.node?.receive(dGate, kernels)
      up.node?.receive(dUp, kernels)
    }
  }
}
