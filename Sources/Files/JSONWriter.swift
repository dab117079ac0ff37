extension JSONValue {
  /// The document as JSON: on one line without spaces, or with `indent` spaces for each level. Non-ASCII text
  /// is not escaped.
  package func text(indent: Int? = nil) -> String {
    var out = ""
    write(to: &out, indent: indent, level: 0)
    return out
  }

  private func write(to out: inout String, indent: Int?, level: Int) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .number(let number): out += number.text
    case .string(let text): writeString(text, to: &out)
    case .array(let elements):
      writeList("[", "]", count: elements.count, to: &out, indent: indent, level: level) { index, out in
        elements[index].write(to: &out, indent: indent, level: level + 1)
      }
    case .object(let object):
      writeList("{", "}", count: object.members.count, to: &out, indent: indent, level: level) { index, out in
        writeString(object.members[index].key, to: &out)
        out += indent == nil ? ":" : ": "
        object.members[index].value.write(to: &out, indent: indent, level: level + 1)
      }
    }
  }
}

private func writeList(
  _ open: String, _ close: String, count: Int, to out: inout String, indent: Int?, level: Int,
  element: (Int, inout String) -> Void
) {
  out += open
  for index in 0..<count {
    if index > 0 { out += "," }
    if let indent { out += "\n" + String(repeating: " ", count: indent * (level + 1)) }
    element(index, &out)
  }
  if let indent, count > 0 { out += "\n" + String(repeating: " ", count: indent * level) }
  out += close
}

private func writeString(_ text: String, to out: inout String) {
  out += "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    case "\0"..<" ": out += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
    default: out.unicodeScalars.append(scalar)
    }
  }
  out += "\""
}
