import Files
import Glibc

/// Writes tensors as a safetensors file, straight from their memory.
package enum SafetensorsWriter {
  /// Makes `path` hold the tensors in the given order with `__metadata__` {"format": "pt"}, which transformers 4
  /// demands: all or nothing, by way of `path`.tmp, a sync and a rename.
  /// - Throws: `Fault` .cannotCreate where the file cannot be made, .cannotWrite afterwards.
  package static func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws {
    let temporary = path + ".tmp"
    // Left over by a killed writer, or a link that must not be followed.
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw Fault(.cannotCreate, file: path, "cannot be created: \(String(cString: strerror(errno)))")
    }
    do {
      try fill(descriptor, with: tensors, path)
      guard rename(temporary, path) == 0 else { throw unwritable(path) }
    } catch {
      unlink(temporary)
      throw error
    }
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    try syncDirectory(folder)
  }

  /// Length of the file that `write` makes, in bytes.
  package static func byteCount(of tensors: [(name: String, tensor: Tensor)]) -> Int {
    header(of: tensors).count + tensors.reduce(0) { $0 + $1.tensor.byteCount }
  }

  /// Length and text of the header, padded so that the data begin at a multiple of 8.
  private static func header(of tensors: [(name: String, tensor: Tensor)]) -> [UInt8] {
    var members = JSONObject(["__metadata__": .object(JSONObject(["format": .string("pt")]))])
    var begin = 0
    for (name, tensor) in tensors {
      precondition(members[name] == nil, "SafetensorsWriter: \(name) twice")
      let end = begin + tensor.byteCount
      members[name] = .object(
        JSONObject([
          "dtype": .string(tensor.dtype.rawValue), "shape": .array(tensor.shape.map { .int($0) }),
          "data_offsets": .array([.int(begin), .int(end)]),
        ]))
      begin = end
    }
    var text = Array(JSONValue.object(members).text().utf8)
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  private static func fill(
    _ descriptor: Int32, with tensors: [(name: String, tensor: Tensor)], _ path: String
  ) throws {
    do {
      try header(of: tensors).withUnsafeBytes { try writeAll($0, to: descriptor, path) }
      for (_, tensor) in tensors {
        // The bytes are the storage's, which must outlive the call.
        try withExtendedLifetime(tensor.storage) {
          let bytes = UnsafeRawBufferPointer(start: tensor.bytes, count: tensor.byteCount)
          try writeAll(bytes, to: descriptor, path)
        }
      }
      guard fsync(descriptor) == 0 else { throw unwritable(path) }
    } catch {
      close(descriptor)
      throw error
    }
    guard close(descriptor) == 0 else { throw unwritable(path) }
  }

  private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw unwritable(path) }
      done += count
    }
  }

  private static func unwritable(_ path: String) -> Fault {
    Fault(.cannotWrite, file: path, "cannot be written: \(String(cString: strerror(errno)))")
  }
}
