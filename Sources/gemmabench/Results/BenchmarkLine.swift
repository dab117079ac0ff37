import Files

/// The goal of a line.
package enum Goal: Equatable, Sendable {
  /// This many times better than the peer.
  case advantage(Double)
  /// At most this much, in the line's unit.
  case atMost(Double)
}

/// One line of a table of results: a quantity, and what it is compared to.
package struct BenchmarkLine: Equatable, Sendable {
  /// What was done.
  package var work: String
  /// What was measured, such as "real tokens/s".
  package var quantity: String
  /// Whether more or less is better, or neither.
  package var preference: Preference
  /// This project's values.
  package var ours: Samples
  /// The peer's values; none where it took no part.
  package var peer = Samples([])
  /// The machine's best value of the quantity: the most, or the least where less is better; nil if unknown.
  package var ceiling: Double?
  /// The goal; nil where there is none.
  package var goal: Goal?
  /// A remark for the reader, such as why something was not measured.
  package var remark: String?

  /// A line without peer, ceiling and goal.
  package init(_ work: String, _ quantity: String, _ preference: Preference, _ ours: Samples) {
    self.work = work
    self.quantity = quantity
    self.preference = preference
    self.ours = ours
  }

  /// The median's share of the ceiling, or a floor's share of the median; nil without either.
  package var shareOfCeiling: Double? {
    guard let ceiling, ceiling > 0, let median = ours.median, median > 0 else { return nil }
    return preference == .less ? ceiling / median : median / ceiling
  }

  /// Whether the median reaches the goal; nil without a goal, or without the value to compare with.
  package var isGoalMet: Bool? {
    switch goal {
    case .advantage(let wanted): advantage(of: ours, over: peer, preference).map { $0.median >= wanted }
    case .atMost(let wanted): ours.median.map { $0 <= wanted }
    case nil: nil
    }
  }

  /// The line as JSON. A missing value has no key.
  package var json: JSONValue {
    var object = JSONObject([
      "work": .string(work), "quantity": .string(quantity), "better": .string(preference.rawValue),
      "ours": ours.json,
    ])
    if !peer.values.isEmpty { object["peer"] = peer.json }
    if let times = advantage(of: ours, over: peer, preference) {
      object["advantage"] = .object(["median": .double(times.median), "range": times.range.json])
    }
    object["ceiling"] = ceiling.map { .double($0) }
    object["share_of_ceiling"] = shareOfCeiling.map { .double($0) }
    switch goal {
    case .advantage(let wanted): object["wanted_advantage"] = .double(wanted)
    case .atMost(let wanted): object["wanted_at_most"] = .double(wanted)
    case nil: break
    }
    object["goal_met"] = isGoalMet.map { .bool($0) }
    object["remark"] = remark.map { .string($0) }
    return .object(object)
  }
}

extension Samples {
  /// Median, range and all values.
  fileprivate var json: JSONValue {
    .object([
      "median": median.map { .double($0) } ?? .null, "range": range?.json ?? .null,
      "samples": .array(values.map { .double($0) }),
    ])
  }
}

extension ClosedRange<Double> {
  fileprivate var json: JSONValue { .array([.double(lowerBound), .double(upperBound)]) }
}
