import Files
import FoundationEssentials
import Gemma

/// What all measurements on one GPU share. Each runs in a process of its own, within a limit: a failure costs one line.
struct GPUSitting {
  /// This program.
  let gemmabench: String
  /// Why this program's own part cannot run; nil where it can.
  let obstacle: String?
  /// transformers and PEFT; nil leaves them out.
  let peer: Peer?
  /// Where they compute, as their script is told.
  let peerDevice: String
  /// The workload's file, and arguments that all own measurements get.
  let workload: String, ownArguments: [String]
  /// A folder for what programs write.
  let scratch: String
  /// When everything must be done.
  let deadline: ContinuousClock.Instant

  /// What came of a measurement.
  enum Outcome {
    case measured([JSONObject])
    /// Why not.
    case missing(String)

    /// The numbers under a key of a single result, or none.
    func samples(_ key: String, scale: Double = 1) -> Samples {
      guard case .measured(let objects) = self, let value = objects.first?[key] else { return Samples([]) }
      return Samples(
        (value.arrayValue?.compactMap(\.doubleValue) ?? value.doubleValue.map { [$0] } ?? []).map {
          $0 * scale
        })
    }

    /// A text under a key, or why there is none.
    func text(_ key: String) -> String? {
      switch self {
      case .measured(let objects): objects.first?[key]?.stringValue
      case .missing(let reason): reason
      }
    }

    /// Why there is nothing.
    var reason: String? { if case .missing(let reason) = self { reason } else { nil } }
  }

  /// One of this program's measurements.
  func own(_ subject: String, _ arguments: [String] = [], limit: Double) -> Outcome {
    if let obstacle { return .missing(obstacle) }
    return outcome(subject, limit) { seconds in
      let child = try runChild(
        [gemmabench, "measure-gpu", subject, "--workload", workload] + ownArguments + arguments,
        scratch: scratch, limit: seconds)
      return try objects(child, from: "gemmabench measure-gpu").map { object in
        var object = object
        for (key, instant) in [("kernels_seconds", "kernels_at"), ("first_step_seconds", "first_step_at")] {
          object[key] = object[instant]?.doubleValue.map { .double($0 - child.startedAt) }
        }
        return object
      }
    }
  }

  /// One of the peer's; nil without a peer.
  func peers(_ arguments: [String], limit: Double) -> Outcome? {
    peer.map { peer in
      outcome("peer, " + arguments.joined(separator: " "), limit) { seconds in
        [
          try peer.measure(
            arguments + ["--workload", workload, "--device", peerDevice], scratch: scratch, limit: seconds)
        ]
      }
    }
  }

  private func outcome(
    _ name: String, _ limit: Double, _ body: (_ seconds: Double) throws -> [JSONObject]
  ) -> Outcome {
    let left = ContinuousClock.now.duration(to: deadline) / .seconds(1)
    guard left > 1 else { return .missing("the time of the whole benchmark was over") }
    note(name)
    do {
      let results = try body(min(limit, left))
      return results.isEmpty ? .missing("no result") : .measured(results)
    } catch {
      let message = (error as? Fault)?.message ?? "\(error)"
      note("not measured: \(message)")
      return .missing(message)
    }
  }
}

/// The rates that shares are taken of.
struct GPUCeilings {
  /// Of bfloat16 products, in operations a second, and of copies, in bytes a second; nil where not measured.
  var product: Double?, copy: Double?
  /// Of products by the GPU's datasheet; nil for one that is not known.
  var datasheet: Double?

  /// Seconds that the unit's ceiling needs for so many operations or bytes.
  func floor(_ amount: Double, _ unit: MeasuredUnit) -> Double? {
    (unit == .gigaflops ? product : copy).map { amount / $0 }
  }
}
