import CCUDA

/// A library that was opened, or the reason why it was not.
enum LibraryOpening<Library> {
  case opened(Library, CUDAVersion, file: String)
  case refused(String)
}

/// Opens a library with one of CCUDA's functions, and describes a failure.
func openedLibrary<Functions, Library>(
  _ path: String,
  _ opener: (UnsafePointer<CChar>, UnsafeMutablePointer<cc_opening>) -> UnsafePointer<Functions>?,
  _ make: (UnsafePointer<Functions>, String) -> LibraryOpening<Library>
) -> LibraryOpening<Library> {
  var opening = cc_opening()
  let functions = opener(path, &opening)
  let detail = text(&opening.detail)
  guard let functions else {
    return .refused(
      Int(opening.state) == Int(CC_MISSING_SYMBOL) ? "it lacks the function \(detail)" : detail)
  }
  let file = text(&opening.file)
  return make(functions, file.isEmpty ? path : file)
}

/// A C string in a field of fixed size.
private func text<Field>(_ field: inout Field) -> String {
  withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
