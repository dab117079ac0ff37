import Files
import Foundation
import Testing
import FineTuning

/// Memory limits of control groups in Linux's format, in a folder made for the test.
@Suite struct ProcessMemoryTests {
  private let root = FileManager.default.temporaryDirectory.appendingPathComponent("gemmatune-\(UUID())").path

  private func write(_ name: String, _ text: String) throws {
    let file = "\(root)/\(name)"
    try makeDirectory(URL(fileURLWithPath: file).deletingLastPathComponent().path)
    try writeAtomically(text, to: file)
  }

  private func groups(_ membership: String) -> [ControlGroup] {
    defer { try? FileManager.default.removeItem(atPath: root) }
    return ControlGroup.all(membership: membership, root: root)
  }

  @Test func limitOfAnOuterGroupHoldsForAnInnerOne() throws {
    try write("system.slice/job/memory.max", "max\n")
    try write("system.slice/job/memory.current", "10\n")
    try write("system.slice/memory.max", "1000\n")
    try write("system.slice/memory.current", "400\n")
    let groups = groups("0::/system.slice/job\n")
    #expect(groups.compactMap(\.limit) == [1000])
    #expect(groups.compactMap(\.available) == [600])
  }

  @Test func groupsOfVersionOneAreRead() throws {
    try write("memory/slurm/job_7/memory.limit_in_bytes", "5000\n")
    try write("memory/slurm/job_7/memory.usage_in_bytes", "1200\n")
    let groups = groups("11:cpu,cpuacct:/slurm\n4:memory:/slurm/job_7\n0::/\n")
    #expect(groups.compactMap(\.limit) == [5000])
    #expect(groups.compactMap(\.available) == [3800])
  }

  @Test func containerSeesItsLimitAtTheRoot() throws {
    try write("memory.max", "2000\n")
    try write("memory.current", "3000\n")
    let groups = groups("0::/docker/0123\n")
    #expect(groups.compactMap(\.limit) == [2000])
    #expect(groups.compactMap(\.available) == [0])
  }

  @Test func machineWithoutGroupsHasNoLimit() {
    #expect(groups("").isEmpty)
    #expect(groups("0::/\n").allSatisfy { $0.limit == nil && $0.available == nil })
  }
}
