import Files

/// What a rate counts.
enum MeasuredUnit: String {
  /// 10⁹ floating-point operations a second, a multiplication and an addition counted each.
  case gigaflops = "GFLOP/s"
  /// 10⁹ bytes a second, read or written.
  case gigabytes = "GB/s"
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  try ContinuousClock().measure(body) / .seconds(1)
}

/// How often and how long a short piece of work is timed.
struct Timing {
  /// Values wanted.
  let repeats: Int
  /// Seconds of work behind each value, at least one call.
  let span: Double

  /// Seconds of one call, `repeats` times: the mean over as many calls as fill the span, after one that is not counted.
  func samples(_ body: () -> Void) -> [Double] {
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

  /// A result line of `amount` operations or bytes a call.
  func rate(_ work: String, _ unit: MeasuredUnit, amount: Double, _ body: () -> Void) -> JSONObject {
    [
      "work": .string(work), "unit": .string(unit.rawValue),
      "samples": .array(samples(body).map { .double(amount / $0 / 1e9) }),
    ]
  }
}
