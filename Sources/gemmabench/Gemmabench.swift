import ArgumentParser
import Files
import FoundationEssentials
import Glibc
import Tensors

/// The root of the benchmark's command line.
@main
struct Gemmabench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemmabench",
    abstract: "Measure how fast gemmatune is, and how much memory it takes.",
    subcommands: [
      RunCommand.self, GPUCommand.self, RandomModelCommand.self, MeasureCommand.self, MeasureGPUCommand.self,
    ],
    defaultSubcommand: RunCommand.self)

  static func main() {
    do {
      var command = try parseAsRoot()
      try CPUKernels.prepareProcess(threads: ProcessInfo.processInfo.activeProcessorCount)
      try command.run()
    } catch let fault as Fault {
      note("error: \(fault.message)")
      if let hint = fault.hint { note("hint: \(hint)") }
      Glibc.exit(fault.kind.exitStatus)
    } catch {
      exit(withError: error)
    }
  }
}

/// Writes a line for the person who waits to standard error.
func note(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
