import CUDARuntime
import Files
import FoundationEssentials
import Tensors

/// The memory budget of a run, where its tensors are.
package struct MemoryRoom: Equatable, Sendable {
  /// All memory of the device in bytes; nil for main memory.
  package let deviceTotal: Int?
  /// Bytes that no plan may exceed.
  package let bytes: Int
  /// Budget of a plan that has a choice. On the CPU it is 70 % of what is free now, since nobody knows what
  /// else the machine will do. On a GPU it is 90 %, since a plan is not exact.
  package let comfortable: Int
  /// Budget of a plan that merges micro-batches. On the CPU it is 70 % of all memory, so that the order of a
  /// run's sums does not depend on what else the machine does.
  package let forMerging: Int
  /// The bound in words: "this machine has 24.00 GB".
  package let name: String

  /// Budget on a device that has `total` bytes, of which `bytes` may be taken.
  package init(bytes: Int, ofDevice total: Int, name: String) {
    self.bytes = bytes
    self.name = name
    deviceTotal = total
    comfortable = bytes / 10 * 9
    forMerging = comfortable
  }

  /// Main memory of `bytes`, of which `available` bytes are free.
  package init(bytes: Int, available: Int, name: String) {
    self.bytes = bytes
    self.name = name
    deviceTotal = nil
    comfortable = available / 10 * 7
    forMerging = bytes / 10 * 7
  }

  /// Where the memory is.
  var place: Place { deviceTotal == nil ? .host : .device }

  /// Main memory, or the addresses that a limit leaves this process, where they are fewer. Free memory may
  /// grow while a run waits for it; the total does not.
  package static func machine(threads: Int) -> MemoryRoom {
    let total = ProcessMemory.totalBytes ?? .max
    let free = ProcessMemory.availableBytes
    if let addresses = AddressSpace.available(besideWorkers: threads), addresses < total {
      let alone = threads == 1 ? nil : AddressSpace.available(besideWorkers: 1)
      let other = alone.map { ", with threads=1 \(byteText($0))" } ?? ""
      // The program already takes a part of these addresses, and a plan counts that part again.
      return MemoryRoom(
        bytes: addresses + ProcessMemory.programBytes, available: min(free, addresses),
        name: "the limit on addresses (ulimit -v) leaves \(byteText(addresses))\(other)")
    }
    return MemoryRoom(
      bytes: total, available: free, name: "this machine has \(byteText(total))")
  }
}
