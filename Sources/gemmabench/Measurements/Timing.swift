import Files

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  try ContinuousClock().measure(body) / .seconds(1)
}

/// How many times and for how long short work is timed.
struct Timing {
  /// Number of values.
  let repeats: Int
  /// Seconds of work for each value, at least one call.
  let span: Double
  /// Waits for work that calls only queue; nil where a call returns when its work is done.
  var finish: (() -> Void)?

  /// Seconds of one call, `repeats` times. Each value is a mean over the calls that fill the span. The first
  /// call is not counted.
  func samples(_ body: () -> Void) -> [Double] {
    if let finish { return samples(body, finish) }
    body()
    return (0..<max(1, repeats)).map { _ in
      var calls = 0
      var total = 0.0
      repeat {
        total += seconds(body)
        calls += 1
      } while total < span
      return total / Double(calls)
    }
  }

  /// The samples of queued work: many calls for each wait, so that they share its cost.
  private func samples(_ body: () -> Void, _ finish: () -> Void) -> [Double] {
    // The first call chooses algorithms and allocates memory.
    body()
    finish()
    let once = seconds {
      body()
      finish()
    }
    let calls = once * 1000 <= span ? 1000 : max(1, Int(span / once))
    return (0..<max(1, repeats)).map { _ in
      let total = seconds {
        for _ in 0..<calls { body() }
        finish()
      }
      return total / Double(calls)
    }
  }

  /// The result line of work with `amount` operations or bytes a call.
  func rate(_ work: String, _ unit: MeasuredUnit, amount: Double, _ body: () -> Void) -> JSONObject {
    [
      "work": .string(work), "unit": .string(unit.rawValue), "amount": .double(amount),
      "samples": .array(samples(body).map { .double(amount / $0 / 1e9) }),
    ]
  }
}
