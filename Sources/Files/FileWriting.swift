import Glibc

/// Makes `path` hold exactly `bytes`, as a `WholeFile`.
/// - Throws: `Fault` .cannotCreate when the file cannot be made, .cannotWrite afterwards.
package func writeAtomically(_ bytes: some Collection<UInt8>, to path: String) throws {
  let file = try WholeFile(path)
  try file.write(bytes)
  try file.commit()
}

/// Makes `path` hold exactly `text` in UTF-8, as a `WholeFile`.
/// - Throws: `Fault` .cannotCreate when the file cannot be made, .cannotWrite afterwards.
package func writeAtomically(_ text: String, to path: String) throws {
  try writeAtomically(text.utf8, to: path)
}

/// Writes several files as `writeAtomically` does, in this order. The first takes its name only when all are
/// written and synced. If that fails, for lack of room for instance, every file stays as it was.
///
/// The last file vouches for the others: an older file of its name is away while the others take their names.
/// Files at `removed` are removed then too.
/// - Throws: `Fault` .cannotCreate or .cannotWrite.
package func writeTogether(_ files: [(path: String, text: String)], removed: [String] = []) throws {
  let written = try files.map { path, text in
    let file = try WholeFile(path)
    try file.write(text.utf8)
    try file.sync()
    return file
  }
  guard let last = files.last?.path else { return }
  let earlier = last + ".old"
  let hasEarlier = rename(last, earlier) == 0
  do {
    try written.first?.takeName()
  } catch {
    if hasEarlier { rename(earlier, last) }
    throw error
  }
  defer { unlink(earlier) }
  removed.forEach { unlink($0) }
  for file in written.dropFirst() { try file.takeName() }
  for folder in Set(files.map { parent(of: $0.path) }) { try syncDirectory(folder) }
}
