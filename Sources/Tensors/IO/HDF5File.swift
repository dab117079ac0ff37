import CHDF5
import Files

/// Writes tables as HDF5 through libhdf5: one compound dataset at the root, which h5py and pandas read
/// directly.
///
/// The library only writes here: its version 1.10 crashes when it reads damaged files.
package enum HDF5File {
  /// The values of one column.
  package enum Column {
    case int64([Int64])
    case float64([Double])

    /// Number of rows.
    var count: Int {
      switch self {
      case .int64(let values): values.count
      case .float64(let values): values.count
      }
    }
  }

  /// Makes `path` hold one table, as a `WholeFile`.
  /// - Parameters:
  ///   - dataset: name of the dataset at the root.
  ///   - columns: name and values of each column, all of one length, at least one.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite.
  package static func writeTable(
    path: String, dataset: String, columns: [(name: String, values: Column)]
  ) throws {
    let rowCount = columns.first?.values.count ?? 0
    precondition(
      !columns.isEmpty && columns.allSatisfy { $0.values.count == rowCount },
      "HDF5File: columns of \(columns.map(\.values.count)) rows")
    let file = try WholeFile(path)
    try write(rows(of: columns, count: rowCount), rowCount, dataset, columns, to: file)
    try file.commit()
  }

  /// The table's rows, end to end, 8 bytes a value.
  private static func rows(of columns: [(name: String, values: Column)], count: Int) -> [UInt64] {
    var rows = [UInt64](repeating: 0, count: count * columns.count)
    for (column, (_, values)) in columns.enumerated() {
      for row in 0..<count {
        switch values {
        case .int64(let values): rows[row * columns.count + column] = UInt64(bitPattern: values[row])
        case .float64(let values): rows[row * columns.count + column] = values[row].bitPattern
        }
      }
    }
    return rows
  }

  private static func write(
    _ rows: [UInt64], _ rowCount: Int, _ dataset: String, _ columns: [(name: String, values: Column)],
    to whole: WholeFile
  ) throws {
    let path = whole.path
    // Without this, the library prints its own error stack to standard error.
    H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
    // The file exists already: the library gives no reason when it cannot create one.
    let file = try Handle(H5Fcreate(whole.temporary, chdf5_truncate(), 0, 0), path, "file", H5Fclose)
    let type = try Handle(H5Tcreate(H5T_COMPOUND, columns.count * 8), path, "type", H5Tclose)
    for (index, column) in columns.enumerated() {
      let isInteger = if case .int64 = column.values { true } else { false }
      let member = isInteger ? chdf5_native_int64() : chdf5_native_double()
      try check(H5Tinsert(type.id, column.name, index * 8, member), path, "column \(column.name)")
    }
    let space = try Handle(H5Screate_simple(1, [hsize_t(rowCount)], nil), path, "shape", H5Sclose)
    let data = try Handle(
      H5Dcreate2(file.id, dataset, type.id, space.id, 0, 0, 0), path, "dataset \(dataset)", H5Dclose)
    try check(H5Dwrite(data.id, type.id, 0, 0, 0, rows), path, "rows")
    try data.close()
    // Closing flushes, so a full disk shows here.
    try file.close()
  }

  private static func check(_ status: herr_t, _ path: String, _ part: String) throws {
    guard status >= 0 else { throw failed(path, part) }
  }

  fileprivate static func failed(_ path: String, _ part: String) -> Fault {
    Fault(.cannotWrite, file: path, "cannot be written: libhdf5 failed at the \(part)")
  }
}

/// An identifier of the library, closed exactly once.
private final class Handle {
  let id: hid_t
  private let path: String
  private let part: String
  private let closing: (hid_t) -> herr_t
  private var isOpen = true

  init(_ id: hid_t, _ path: String, _ part: String, _ closing: @escaping (hid_t) -> herr_t) throws {
    guard id >= 0 else { throw HDF5File.failed(path, part) }
    self.id = id
    self.path = path
    self.part = part
    self.closing = closing
  }

  /// Closes the identifier now, and throws if that fails.
  func close() throws {
    guard isOpen else { return }
    isOpen = false
    guard closing(id) >= 0 else { throw HDF5File.failed(path, part) }
  }

  deinit {
    if isOpen { _ = closing(id) }
  }
}
