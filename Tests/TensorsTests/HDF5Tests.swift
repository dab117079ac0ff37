import CHDF5
import Files
import Foundation
import Tensors
import Testing

/// The values of one column of a table, read back through libhdf5 as doubles.
private func column(_ name: String, count: Int, dataset: String, path: String) -> [Double] {
  let file = H5Fopen(path, chdf5_read_only(), 0)
  let data = H5Dopen2(file, dataset, 0)
  let type = H5Tcreate(H5T_COMPOUND, 8)
  H5Tinsert(type, name, 0, chdf5_native_double())
  var values = [Double](repeating: .nan, count: count)
  #expect(H5Dread(data, type, 0, 0, 0, &values) >= 0)
  H5Tclose(type)
  H5Dclose(data)
  H5Fclose(file)
  return values
}

// The library takes one caller at a time, unless it was built with locks.
@Suite(.serialized) struct HDF5Tests {
  /// The library locks a file that it writes. A program that another test starts at that moment inherits the
  /// lock and holds it until it ends. Nothing could be read back until then.
  init() { setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1) }

  @Test func tableReadsBack() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.h5"
      try HDF5File.writeTable(
        path: path, dataset: "train",
        columns: [
          ("step", .int64([1, 2, -3])), ("loss", .float64([0.5, 1e-300, 3])), ("tokens", .int64([7, 8, 9])),
        ])
      #expect(column("step", count: 3, dataset: "train", path: path) == [1, 2, -3])
      #expect(column("loss", count: 3, dataset: "train", path: path) == [0.5, 1e-300, 3])
      #expect(column("tokens", count: 3, dataset: "train", path: path) == [7, 8, 9])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["metrics.h5"])
    }
  }

  @Test func tableWithoutRowsIsWritten() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.h5"
      try HDF5File.writeTable(path: path, dataset: "train", columns: [("step", .int64([]))])
      #expect(column("step", count: 0, dataset: "train", path: path) == [])
    }
  }

  @Test func secondTableReplacesTheFirst() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.h5"
      for value in [1.0, 2] {
        try HDF5File.writeTable(path: path, dataset: "train", columns: [("loss", .float64([value]))])
      }
      #expect(column("loss", count: 1, dataset: "train", path: path) == [2])
    }
  }

  @Test func missingFolderIsNamed() {
    let message = "/nowhere/metrics.h5: cannot be created: No such file or directory"
    #expect(throws: Fault(.cannotCreate, message)) {
      try HDF5File.writeTable(path: "/nowhere/metrics.h5", dataset: "train", columns: [("a", .int64([1]))])
    }
  }

  @Test func badDatasetNameIsRefusedAndLeavesNoFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.h5"
      let message = path + ": cannot be written: libhdf5 failed at the dataset a/b"
      #expect(throws: Fault(.cannotWrite, message)) {
        try HDF5File.writeTable(path: path, dataset: "a/b", columns: [("a", .int64([1]))])
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names.isEmpty)
    }
  }

  @Test func failedRenameLeavesNoTemporaryFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.h5"
      try makeDirectory(path)
      #expect(throws: Fault(.cannotWrite, path + ": cannot be written: Is a directory")) {
        try HDF5File.writeTable(path: path, dataset: "train", columns: [("a", .int64([1]))])
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["metrics.h5"])
    }
  }
}
