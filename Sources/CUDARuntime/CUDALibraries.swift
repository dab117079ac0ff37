/// The libraries of CUDA as this machine has them, opened, and everything that was looked at to find them.
package struct CUDALibraries {
  /// The oldest driver that will do.
  package static let oldestDriver = CUDAVersion(12, 0)
  /// Majors of NVRTC and cuBLASLt that are known, newest first.
  static let majors = [13, 12]

  /// The driver; nil where there is none.
  let driver: CUDADriver?
  /// The newest CUDA that the driver runs.
  package let driverVersion: CUDAVersion?
  /// The kernels' compiler; nil where there is none that the driver can run the output of.
  let compiler: CUDACompiler?
  /// cuBLASLt; nil where there is none.
  let matmul: CUDAMatmul?
  /// Every look, in the order of the search.
  package let sightings: [LibrarySighting]
  /// Where the search went.
  package let places: LibraryPlaces

  /// Looks for all three, the newest first whose major is not above the driver's. What is missing stays nil.
  package init(places: LibraryPlaces) {
    var sightings: [LibrarySighting] = []
    driver = opened(places.looks(for: ["libcuda.so.1"], in: places.driver), CUDADriver.opened, &sightings)
    driverVersion = driver?.version
    let newest = driverVersion?.major ?? .max
    let majors = Self.majors.filter { $0 <= newest }
    let compilers = places.looks(for: majors.map { "libnvrtc.so.\($0)" }, in: places.toolkit)
    compiler = opened(compilers, CUDACompiler.opened, &sightings)
    let products = places.looks(for: majors.map { "libcublasLt.so.\($0)" }, in: places.toolkit)
    matmul = opened(products, CUDAMatmul.opened, &sightings)
    self.sightings = sightings
    self.places = places
  }

  /// What was found, a line each, and what was not: for `--dry-run` and `report`-like output.
  package var lines: [String] {
    let found = sightings.filter { $0.outcome != .absent }.map(\.description)
    let names = ["libcuda.so.1": driver == nil, "libnvrtc": compiler == nil, "libcublasLt": matmul == nil]
    return found + names.filter(\.value).keys.sorted().map { "\($0): not found\(looked(for: $0))" }
  }

  /// " in the system's loader paths, /usr/local/cuda/lib64; unusable: …" of the libraries whose name begins
  /// so.
  func looked(for name: String) -> String {
    let looks = sightings.filter { $0.library.hasPrefix(name) }
    var places: [String] = []
    for look in looks where !places.contains(look.place.description) { places.append(look.place.description) }
    let broken = looks.compactMap { look in
      if case .unusable = look.outcome { look.description } else { nil }
    }
    return (places.isEmpty ? "" : " in ") + places.joined(separator: ", ") + broken.map { "; " + $0 }.joined()
  }
}

/// The first library that opens; every look is added to `sightings`.
private func opened<Library>(
  _ looks: [(name: String, place: LibraryPlace)], _ open: (String) -> LibraryOpening<Library>,
  _ sightings: inout [LibrarySighting]
) -> Library? {
  for (name, place) in looks {
    var sighting = LibrarySighting(library: name, place: place, outcome: .absent)
    defer { sightings.append(sighting) }
    guard let path = place.path(of: name) else { continue }
    switch open(path) {
    case .opened(let library, let version, let file):
      sighting.outcome = .found(version: version, file: file)
      return library
    case .refused(let why):
      // The loader's words for a bare name that is nowhere.
      let absence = "\(name): cannot open shared object file: No such file"
      if place != .loader || !why.hasPrefix(absence) { sighting.outcome = .unusable(why) }
    }
  }
  return nil
}
