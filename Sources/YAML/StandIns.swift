
/// Replacements for characters that mean something to YAML, by characters that mean nothing and that the text
/// does not hold.
struct StandIns {
  private let pairs: [(character: Unicode.Scalar, standIn: Unicode.Scalar)]

  /// Stand-ins from the private use areas. No argument is large enough to hold all of their characters.
  init(for characters: [Unicode.Scalar], in text: String) {
    let taken = Set(text.unicodeScalars)
    let areas = [0xE000...0xF8FF, 0xF_0000...0xF_FFFD, 0x10_0000...0x10_FFFD] as [ClosedRange<UInt32>]
    let free = areas.joined().lazy.compactMap(Unicode.Scalar.init).filter { !taken.contains($0) }
    pairs = zip(characters, free).map { (character: $0, standIn: $1) }
  }

  /// `text` with each character replaced by its stand-in.
  func replacing(_ text: String) -> String {
    changed(text) { scalar in pairs.first { $0.character == scalar }?.standIn }
  }

  /// `text` with each stand-in replaced by its character.
  func restoring(_ text: String) -> String {
    changed(text) { scalar in pairs.first { $0.standIn == scalar }?.character }
  }

  /// `node` with each stand-in replaced by its character, in its keys too.
  func restoring(_ node: YAMLNode) -> YAMLNode {
    var restored = node
    switch node.content {
    case .scalar(let text, let isPlain): restored.content = .scalar(restoring(text), isPlain: isPlain)
    case .sequence(let elements): restored.content = .sequence(elements.map(restoring))
    case .mapping(let entries):
      restored.content = .mapping(
        entries.map { YAMLNode.Entry(key: restoring($0.key), origin: $0.origin, value: restoring($0.value)) })
    case .unresolved: break
    }
    return restored
  }

  private func changed(_ text: String, _ change: (Unicode.Scalar) -> Unicode.Scalar?) -> String {
    text.unicodeScalars.reduce(into: "") { $0.unicodeScalars.append(change($1) ?? $1) }
  }
}
