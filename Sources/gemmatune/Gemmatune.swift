import ArgumentParser
import Files
import FineTuning
import Glibc
import Tensors

/// The command line's root: `train`, `eval`, `report`.
@main
struct Gemmatune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemmatune",
    abstract: "Fine-tune Google's Gemma models on grade-school mathematics.",
    subcommands: [TrainCommand.self, EvalCommand.self, ReportCommand.self])

  /// Runs the command and ends with its exit status (sysexits.h; the README lists them).
  static func main() {
    // A closed pipe must appear as a failed write, not end the process.
    signal(SIGPIPE, SIG_IGN)
    Console.holdStandardStreams()
    endOnMemoryExhaustion()
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
      // Help or a completion script was asked for: not an error.
      exit(withError: error)
    }
  }

  /// From now on, a failed allocation ends the process with status 69 and one line that names the work.
  private static func endOnMemoryExhaustion() {
    MemoryExhaustion.onFailure { bytes in
      Console.show(WorkUnderWay.fault(bytes))
      // Exit handlers are skipped, since they would run on a worker's thread beside work that goes on.
      _exit(Fault.Kind.unavailable.exitStatus)
    }
  }
}
