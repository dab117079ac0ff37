import Glibc

/// The tanh form of GELU, and its slope. Source: Hendrycks & Gimpel 2016, sec. 2.
func gelu(_ x: Double) -> (value: Double, slope: Double) {
  let factor = (2 / Double.pi).squareRoot()
  let tangent = tanh(factor * (x + 0.044715 * x * x * x))
  let inner = factor * (1 + 3 * 0.044715 * x * x)
  return (0.5 * x * (1 + tangent), 0.5 * (1 + tangent) + 0.5 * x * (1 - tangent * tangent) * inner)
}
