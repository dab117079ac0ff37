import Files

/// All results of one session, and the machine that they were measured on.
package struct BenchmarkReport: Equatable, Sendable {
  /// Machine, versions, commit, date and settings: name and value, in order.
  package var facts: [Fact]
  /// The results so far.
  package var tables: [BenchmarkTable] = []

  /// One line of the header.
  package struct Fact: Equatable, Sendable {
    /// Key and label of the fact: "processor".
    package var name: String
    /// Its value.
    package var value: String

    /// A name and its value.
    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// A report without results.
  package init(facts: [Fact]) {
    self.facts = facts
  }

  /// Adds a table. It replaces a table with the same title.
  package mutating func add(_ table: BenchmarkTable) {
    if let index = tables.firstIndex(where: { $0.title == table.title }) {
      tables[index] = table
    } else {
      tables.append(table)
    }
  }

  /// The content of `results.json`.
  package var json: JSONValue {
    var header = JSONObject()
    for fact in facts { header[fact.name] = .string(fact.value) }
    return .object(["sitting": .object(header), "tables": .array(tables.map(\.json))])
  }

  /// The content of `results.md`.
  package var markdown: String {
    let header = facts.map { "| \($0.name) | \(cell($0.value)) |" }
    return
      (["# Benchmark", "", "| | |", "|---|---|"] + header + [""]
      + tables.map(\.markdown)).joined(separator: "\n")
  }

  /// Writes `results.json` and `results.md` into `folder`, which is made if it does not exist.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite.
  package func write(to folder: String) throws {
    try makeDirectory(folder)
    try writeAtomically(json.text(indent: 2) + "\n", to: "\(folder)/results.json")
    try writeAtomically(markdown, to: "\(folder)/results.md")
  }

  /// The text, with characters escaped that would end its cell.
  private func cell(_ text: String) -> String {
    text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
  }
}
