import CCUDA

/// A kernel file, which becomes one module on the device.
package struct KernelFile: Equatable, Sendable {
  /// Such as "norm.cu".
  package var name: String
  /// Text of the file.
  package var text: String

  /// A file that is not part of this program.
  package init(name: String, text: String) {
    self.name = name
    self.text = text
  }

  private init(_ file: cc_kernel_file) {
    self.init(name: String(cString: file.name), text: String(cString: file.text))
  }

  /// The files of this program.
  package static var embedded: [KernelFile] {
    var count = 0
    let files = cc_kernel_files(&count)
    return UnsafeBufferPointer(start: files, count: count).map(KernelFile.init)
  }

  /// The headers that the files of this program include.
  package static var embeddedHeaders: [KernelFile] {
    var count = 0
    let headers = cc_kernel_headers(&count)
    return UnsafeBufferPointer(start: headers, count: count).map(KernelFile.init)
  }
}
