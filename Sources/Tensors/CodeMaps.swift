/// The 256 values that the codes of 8-bit moments stand for, ascending. They lie dense near zero; the last is
/// 1.
///
/// Source: bitsandbytes 0.50.2, functional.py, create_dynamic_map with 7 exponent bits of 8.
package enum CodeMaps {
  /// For the first moment: -0.993 to 1, with 0 at 127.
  package static let signed = values(signed: true)
  /// For the second moment: 0 to 1, with 0 at 0.
  package static let unsigned = values(signed: false)

  private static func values(signed: Bool) -> [Float] {
    let decades: [Float] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]
    var values: [Float] = [0, 1]
    for (index, decade) in decades.enumerated() {
      let edges = tenthToOne(count: ((signed ? 1 : 2) << index) + 1)
      for (low, high) in zip(edges, edges.dropFirst()) {
        let value = decade * ((low + high) / 2)
        values.append(value)
        if signed { values.append(-value) }
      }
    }
    return values.sorted()
  }

  /// `count` values from 0.1 to 1. Each is one fused step from the nearer end, as torch.linspace computes it.
  private static func tenthToOne(count: Int) -> [Float] {
    let step = (1 - 0.1 as Float) / Float(count - 1)
    return (0..<count).map { index in
      index < count / 2
        ? (0.1 as Float).addingProduct(step, Float(index))
        : (1 as Float).addingProduct(-step, Float(count - 1 - index))
    }
  }
}
