import Files

/// Writes tensors as a safetensors file, straight from their memory.
package enum SafetensorsWriter {
  /// Makes `path` hold the tensors in the given order, as a `WholeFile`.
  /// The file has `__metadata__` {"format": "pt"}, which transformers 4 demands.
  /// - Throws: `Fault` .cannotCreate when the file cannot be made, .cannotWrite afterwards.
  package static func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws {
    let file = try WholeFile(path)
    try file.write(header(of: tensors))
    for (_, tensor) in tensors {
      // The bytes belong to the storage, which must outlive the call.
      try withExtendedLifetime(tensor.storage) {
        try file.write(UnsafeRawBufferPointer(start: tensor.bytes, count: tensor.byteCount))
      }
    }
    try file.commit()
  }

  /// Length of the file that `write` makes, in bytes.
  package static func byteCount(of tensors: [(name: String, tensor: Tensor)]) -> Int {
    header(of: tensors).count + tensors.reduce(0) { $0 + $1.tensor.byteCount }
  }

  /// Length and text of the header, padded so that the data begins at a multiple of 8.
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
}
