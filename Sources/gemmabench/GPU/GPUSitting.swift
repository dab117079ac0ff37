import Files
import FoundationEssentials
import Gemma

/// What all measurements on one GPU share. Each runs in a process of its own, with a time limit, so that a
/// failure costs one line.
struct GPUSitting {
  /// Path of this program.
  let gemmabench: String
  /// Why this program's own measurements cannot run; nil where they can.
  let obstacle: String?
  /// transformers and PEFT; nil leaves the peer out.
  let peer: Peer?
  /// The device of the peer, an argument of its script.
  let peerDevice: String
  /// The workload's file, and the arguments of all measurements of this program.
  let workload: String, ownArguments: [String]
  /// A folder for the programs' output.
  let scratch: String
  /// When everything must be done.
  let deadline: ContinuousClock.Instant

  /// The outcome of a measurement.
  enum Outcome {
    case measured([JSONObject])
    /// Why there is no result.
    case missing(String)

    /// The numbers under `key` of the first result; none where there are none.
    func samples(_ key: String, scale: Double = 1) -> Samples {
      guard case .measured(let objects) = self, let value = objects.first?[key] else { return Samples([]) }
      return Samples(
        (value.arrayValue?.compactMap(\.doubleValue) ?? value.doubleValue.map { [$0] } ?? []).map {
          $0 * scale
        })
    }

    /// The text under `key` of the first result, or why there is no result.
    func text(_ key: String) -> String? {
      switch self {
      case .measured(let objects): objects.first?[key]?.stringValue
      case .missing(let reason): reason
      }
    }

    /// Why there is no result; nil where there is one.
    var reason: String? { if case .missing(let reason) = self { reason } else { nil } }
  }

  /// Makes one of this program's measurements.
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

  /// Makes one of the peer's measurements; nil without a peer.
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
