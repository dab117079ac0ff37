import Tensors

/// The list of all cases at given sizes: a new operation is tested and timed everywhere by its entry here.
///
/// A case is made in the file of its kind: what goes in, what is computed, and then what it is `checked` by,
/// the tolerances that differ from those of the results' dtypes, and the work that it is `timed` by.
package struct KernelCases: Sendable {
  /// Where they are made.
  package let sizes: CaseSizes

  /// The cases at these sizes.
  package init(_ sizes: CaseSizes) { self.sizes = sizes }

  /// Every case in both dtypes.
  package var all: [KernelCase] { [DType.float32, .bfloat16].flatMap(of) + optimizer }

  /// The cases with a rate, on bfloat16 activations.
  package var timed: [KernelCase] { (of(.bfloat16) + optimizer).filter { $0.work != nil } }

  private func of(_ dtype: DType) -> [KernelCase] {
    products(dtype) + attention(dtype) + vocabulary(dtype) + rows(dtype) + elementwise(dtype)
  }

  /// "1 row", "16 rows".
  func rowsText(_ count: Int) -> String { "\(count) row\(count == 1 ? "" : "s")" }
}
