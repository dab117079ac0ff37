import Files

/// A table of texts.
package struct ReportTable: Equatable, Sendable {
  /// A column: its heading, and whether its cells are numbers, which are aligned to the right.
  package struct Column: Equatable, Sendable {
    package var heading: String
    package var isNumber: Bool
  }

  package var columns: [Column]
  /// Rows of cells, one cell for each column.
  package var rows: [[String]]

  /// Stands in a cell without a value.
  package static let dash = "–"

  /// A table. The columns whose headings are in `numbers` hold numbers.
  package init(_ headings: [String], numbers: Set<String> = [], rows: [[String]]) {
    columns = headings.map { Column(heading: $0, isNumber: numbers.contains($0)) }
    self.rows = rows
  }

  /// The table as plain text for a terminal, with columns aligned by blanks and no line feed at its end.
  package var text: String {
    let lines = ([columns.map(\.heading)] + rows).map { $0.map(withoutControls) }
    let widths = columns.indices.map { index in lines.map { $0[index].count }.max() ?? 0 }
    return lines.map { cells in
      let padded = cells.indices.map { index in
        let blanks = String(repeating: " ", count: widths[index] - cells[index].count)
        return columns[index].isNumber ? blanks + cells[index] : cells[index] + blanks
      }
      return trimmedAtEnd(padded.joined(separator: "  "))
    }.joined(separator: "\n")
  }
}

private func trimmedAtEnd(_ line: String) -> String {
  var line = line
  while line.hasSuffix(" ") { line.removeLast() }
  return line
}
