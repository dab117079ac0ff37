import CSHA256
import Glibc

/// SHA-256 of bytes that come all at once or piece by piece.
/// Source: FIPS 180-4, sections 5 and 6.2; the compression function is in CSHA256.
package struct SHA256 {
  /// How blocks update the state. All ways give one digest.
  package enum Way: Sendable, CaseIterable {
    /// By the processor's SHA instructions.
    case instructions
    /// In plain C.
    case portable

    /// The fastest way that this processor has.
    package static let fastest: Way = csha256_has_instructions() ? .instructions : .portable
  }

  private let way: Way
  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// The bytes since the last whole block.
  private var rest: [UInt8] = []
  private var byteCount = 0

  /// The hash of no bytes yet. A processor without SHA instructions always goes the portable way.
  package init(_ way: Way = .fastest) {
    self.way = Way.fastest == .portable ? .portable : way
    rest.reserveCapacity(blockByteCount)
  }

  /// Appends bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += bytes.count
    var start = 0
    if !rest.isEmpty {
      start = min(blockByteCount - rest.count, bytes.count)
      rest.append(contentsOf: bytes[..<start])
      guard rest.count == blockByteCount else { return }
      rest.withUnsafeBytes { compress($0) }
      rest.removeAll(keepingCapacity: true)
    }
    let end = bytes.count - (bytes.count - start) % blockByteCount
    compress(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    rest.append(contentsOf: bytes[end...])
  }

  /// Appends the bytes of a text in UTF-8.
  package mutating func update(_ text: String) { Array(text.utf8).withUnsafeBytes { update($0) } }

  /// Updates the state with whole blocks.
  private mutating func compress(_ blocks: UnsafeRawBufferPointer) {
    guard let start = blocks.baseAddress else { return }
    switch way {
    case .instructions: csha256_update_instructions(&state, start, blocks.count / blockByteCount)
    case .portable: csha256_update_portable(&state, start, blocks.count / blockByteCount)
    }
  }

  /// The 32 bytes of the digest of all bytes so far. It ends the hash: nothing may be appended afterwards.
  package consuming func finish() -> [UInt8] {
    let bitCount = UInt64(byteCount) * 8
    var padding: [UInt8] = [0x80]
    padding += [UInt8](repeating: 0, count: (119 - byteCount % blockByteCount) % blockByteCount)
    padding += withUnsafeBytes(of: bitCount.bigEndian, Array.init)
    padding.withUnsafeBytes { update($0) }
    return state.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }
  }

  /// The digest in 64 lower-case hexadecimal digits. It ends the hash, as `finish` does.
  package consuming func finishedText() -> String {
    let digits = Array("0123456789abcdef".utf8)
    let characters = finish().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: characters, as: UTF8.self)
  }
}

extension SHA256 {
  /// The 32 bytes of the digest of `bytes`.
  package static func digest(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.finish()
  }

  /// The digest of `bytes` in 64 lower-case hexadecimal digits.
  package static func text(_ bytes: [UInt8]) -> String {
    var hash = SHA256()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.finishedText()
  }

  /// The digest of the regular file at `path` in 64 lower-case hexadecimal digits. The file may be larger
  /// than memory.
  ///
  /// The file is read and not mapped: another program may cut it short meanwhile.
  /// - Throws: `Fault` .missing without a readable file.
  package static func text(ofFile path: String) throws -> String {
    let (descriptor, _) = try openRegularFile(path)
    defer { close(descriptor) }
    var hash = SHA256()
    try readPieces(descriptor, path: path) { hash.update($0) }
    return hash.finishedText()
  }
}

private let blockByteCount = 64
