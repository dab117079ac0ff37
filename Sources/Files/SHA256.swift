/// SHA-256, all at once or of bytes that come piece by piece.
/// Source: FIPS 180-4, sections 4.1.2, 5 and 6.2.
package struct SHA256 {
  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// What has come since the last whole block of 64 bytes.
  private var rest: [UInt8] = []
  private var byteCount = 0

  /// The hash of nothing yet.
  package init() { rest.reserveCapacity(blockByteCount) }

  /// Adds bytes at the end.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += bytes.count
    var start = 0
    if !rest.isEmpty {
      start = min(blockByteCount - rest.count, bytes.count)
      rest.append(contentsOf: bytes[..<start])
      guard rest.count == blockByteCount else { return }
      rest.withUnsafeBytes { state.add($0) }
      rest.removeAll(keepingCapacity: true)
    }
    let end = bytes.count - (bytes.count - start) % blockByteCount
    state.add(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    rest.append(contentsOf: bytes[end...])
  }

  /// Adds the bytes of a text in UTF-8 at the end.
  package mutating func update(_ text: String) { Array(text.utf8).withUnsafeBytes { update($0) } }

  /// The 32 bytes of the digest of all that came. Ends the hash: nothing may be added afterwards.
  package consuming func finish() -> [UInt8] {
    let bitCount = UInt64(byteCount) * 8
    var padding: [UInt8] = [0x80]
    padding += [UInt8](repeating: 0, count: (119 - byteCount % blockByteCount) % blockByteCount)
    padding += withUnsafeBytes(of: bitCount.bigEndian, Array.init)
    padding.withUnsafeBytes { update($0) }
    return state.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }
  }

  /// The digest in 64 lower-case hexadecimal digits. Ends the hash, as `finish` does.
  package consuming func finishedText() -> String {
    let digits = Array("0123456789abcdef".utf8)
    let characters = finish().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: characters, as: UTF8.self)
  }

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
}

private let blockByteCount = 64

extension [UInt32] {
  /// Works whole blocks into the eight words of the state.
  fileprivate mutating func add(_ blocks: UnsafeRawBufferPointer) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { words in
      roundConstants.withUnsafeBufferPointer { constants in
        for start in stride(from: 0, to: blocks.count, by: blockByteCount) {
          expand(UnsafeRawBufferPointer(rebasing: blocks[start..<start + blockByteCount]), into: words)
          compress(words, constants)
        }
      }
    }
  }

  private mutating func compress(
    _ words: UnsafeMutableBufferPointer<UInt32>, _ constants: UnsafeBufferPointer<UInt32>
  ) {
    var (a, b, c, d) = (self[0], self[1], self[2], self[3])
    var (e, f, g, h) = (self[4], self[5], self[6], self[7])
    for i in 0..<64 {
      let sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
      let first = h &+ sum1 &+ (e & f ^ ~e & g) &+ constants[i] &+ words[i]
      let sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
      let second = sum0 &+ (a & b ^ a & c ^ b & c)
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ second)
    }
    self[0] &+= a
    self[1] &+= b
    self[2] &+= c
    self[3] &+= d
    self[4] &+= e
    self[5] &+= f
    self[6] &+= g
    self[7] &+= h
  }
}

/// The message schedule of one block.
private func expand(_ block: UnsafeRawBufferPointer, into words: UnsafeMutableBufferPointer<UInt32>) {
  for i in 0..<16 {
    words[i] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))
  }
  for i in 16..<64 {
    let low = words[i - 15]
    let high = words[i - 2]
    let sum0 = rotated(low, 7) ^ rotated(low, 18) ^ low &>> 3
    let sum1 = rotated(high, 17) ^ rotated(high, 19) ^ high &>> 10
    words[i] = words[i - 16] &+ sum0 &+ words[i - 7] &+ sum1
  }
}

/// To the right.
private func rotated(_ x: UInt32, _ count: UInt32) -> UInt32 { x &>> count | x &<< (32 - count) }

private let roundConstants: [UInt32] = [
  0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
  0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
  0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
  0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
  0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
  0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
  0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
  0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
]
