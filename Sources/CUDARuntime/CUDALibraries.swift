/// The libraries of CUDA on this machine, opened, and a record of every place that was searched for them.
package struct CUDALibraries {
  /// The oldest driver that is supported.
  package static let oldestDriver = CUDAVersion(12, 0)
  /// Major versions of NVRTC and cuBLASLt that are known, newest first.
  static let majors = [13, 12]

  /// The driver; nil without one.
  let driver: CUDADriver?
  /// The newest CUDA version that the driver runs.
  package let driverVersion: CUDAVersion?
  /// The compiler of the kernels; nil without one whose output the driver can run.
  let compiler: CUDACompiler?
  /// cuBLASLt; nil without it.
  let matmul: CUDAMatmul?
  /// Every look, in the order of the search.
  package let sightings: [LibrarySighting]
  /// The places that were searched.
  package let places: LibraryPlaces

  /// Searches for all three libraries, each the newest first whose major is not above the driver's. A missing
  /// one is nil.
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

  /// One line for each library, found or not: for `--dry-run` and `report`-like output.
  package var lines: [String] {
    let found = sightings.filter { $0.outcome != .absent }.map(\.description)
    let names = ["libcuda.so.1": driver == nil, "libnvrtc": compiler == nil, "libcublasLt": matmul == nil]
    return found + names.filter(\.value).keys.sorted().map { "\($0): not found\(looked(for: $0))" }
  }

  /// Places and faults of the libraries whose name begins with `name`, such as " in the system's loader
  /// paths, /usr/local/cuda/lib64; unusable: …".
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

/// The first library that opens. Every attempt is added to `sightings`.
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
      // The loader's text for a bare name that it finds nowhere.
      let absence = "\(name): cannot open shared object file: No such file"
      if place != .loader || !why.hasPrefix(absence) { sighting.outcome = .unusable(why) }
    }
  }
  return nil
}
