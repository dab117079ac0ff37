import Files

/// Work that this project does, and perhaps the peer too, with the quantities measured of it.
struct Work {
  /// What is done, as the table names it.
  let name: String
  /// What is measured of it.
  let quantities: [Quantity]
  /// Does the work once with this project.  - Returns: numbers by name.
  let ours: () throws -> JSONObject
  /// Does the work once with the peer; nil where the peer takes no part.
  var peer: ((Peer) throws -> JSONObject)?

  /// One number of the result.
  struct Quantity {
    /// Its label in the table, with the unit.
    let label: String
    /// Its name in the output of the programs.
    let key: String
    let preference: Preference
    var goal: Goal?
  }

  /// Does the work with both programs in turn, so that other load on the machine affects both.
  /// - Returns: one line for each quantity.
  /// - Throws: `Fault`, also when a program's result lacks a quantity.
  func measured(_ sitting: Sitting) throws -> [BenchmarkLine] {
    var (ours, peers): ([JSONObject], [JSONObject]) = ([], [])
    for turn in 1...max(1, sitting.repeats) {
      note("\(name): \(turn) of \(sitting.repeats)")
      ours.append(try sitting.tidily(self.ours))
      if let peer, let program = sitting.peer {
        note("\(name): \(turn) of \(sitting.repeats), peer")
        peers.append(try sitting.tidily { try peer(program) })
      }
    }
    return try quantities.map { quantity in
      var line = BenchmarkLine(
        name, quantity.label, quantity.preference, try samples(ours, quantity.key))
      line.peer = try samples(peers, quantity.key)
      line.goal = quantity.goal
      return line
    }
  }

  private func samples(_ results: [JSONObject], _ key: String) throws -> Samples {
    Samples(
      try results.map { result in
        guard let value = result[key]?.doubleValue else {
          throw Fault(.failure, "\(name): the result has no '\(key)', got \(JSONValue.object(result).text())")
        }
        return value
      })
  }
}
