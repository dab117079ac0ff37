/// A table [V, D] whose rows are compared with vectors again and again, with what kernels keep to do so faster.
package struct VocabularyTable {
  /// The rows.
  package let rows: Tensor
  /// 8-bit codes of the rows; nil where none are used.
  let codes: VocabularyCodes?

  /// Whether 8-bit codes of the rows are used.
  package var isCoded: Bool { codes != nil }

  /// The table as it is.
  package init(_ rows: Tensor) { self.init(rows, codes: nil) }

  init(_ rows: Tensor, codes: VocabularyCodes?) {
    self.rows = rows
    self.codes = codes
  }
}
