import ArgumentParser
import Files
import Glibc

/// The command line's root: `train`, `eval`, `report`.
@main
struct Gemmatune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemmatune",
    abstract: "Fine-tune Google's Gemma models on grade-school mathematics.",
    subcommands: [TrainCommand.self, EvalCommand.self, ReportCommand.self])

  /// Runs the command and ends with its exit status (sysexits.h; the README lists them).
  static func main() {
    // A closed pipe must show up as a failed write, not end the process.
    signal(SIGPIPE, SIG_IGN)
    Console.holdStandardStreams()
    WorkUnderWay.endProcessOnExhaustion()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let fault as Fault {
      Console.show(fault)
      Glibc.exit(fault.kind.exitStatus)
    } catch let faults as ConfigurationFaults {
      faults.faults.forEach(Console.show)
      Glibc.exit((faults.faults.first?.kind ?? .configuration).exitStatus)
    } catch  where exitCode(for: error) == .validationFailure {
      let fault = Fault(
        .usage, message(for: error), hint: "gemmatune --help, or gemmatune train --help, says what goes")
      Console.show(fault)
      Glibc.exit(fault.kind.exitStatus)
    } catch {
      // A wish for help, or for a completion script: not an error.
      exit(withError: error)
    }
  }
}

extension Fault.Kind {
  /// Exit status of a process that ends with such a fault.
  var exitStatus: Int32 {
    switch self {
    case .usage: 64
    case .badData: 65
    case .missing: 66
    case .unavailable: 69
    case .cannotCreate: 73
    case .cannotWrite: 74
    case .inUse: 75
    case .configuration: 78
    case .failure: 1
    }
  }
}
