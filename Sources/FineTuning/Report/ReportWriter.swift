import Files
import FoundationEssentials

/// Writes a report into a folder.
package struct ReportWriter {
  /// The folder, which is made if it does not exist.
  package let folder: String
  package let gnuplot: Gnuplot

  /// A writer that draws with `gnuplot`.
  package init(folder: String, gnuplot: Gnuplot) {
    self.folder = folder
    self.gnuplot = gnuplot
  }

  /// Writes every file, each whole or not at all. The files replace those of an earlier report.
  /// - Returns: a hint for the person when pictures are missing.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite.
  package func write(_ report: StudyReport) throws -> String? {
    try makeDirectory(folder)
    var drawn: [Picture] = []
    var svg: [String: [UInt8]] = [:]
    var hint: String?
    let pictures = Picture.all(report)
    for kind in Picture.Kind.allCases {
      guard let picture = pictures.first(where: { $0.kind == kind }) else {
        remove(kind, ["tsv", "gp", "png", "svg"])
        continue
      }
      try writeAtomically(picture.data, to: path(kind, "tsv"))
      try writeAtomically(picture.script, to: path(kind, "gp"))
      switch try gnuplot.draw(picture, in: "\(folder)/.drawing") {
      case .drawn(let png, let image):
        try writeAtomically(png, to: path(kind, "png"))
        try writeAtomically(image, to: path(kind, "svg"))
        svg[kind.rawValue] = image
        drawn.append(picture)
      case .missing:
        remove(kind, ["png", "svg"])
        hint = "no pictures: gnuplot is not installed; on Debian: apt install gnuplot-nox"
      case .failed(let complaint):
        remove(kind, ["png", "svg"])
        hint =
          "pictures are missing: gnuplot failed: \(withoutControls(complaint)); on Debian: apt install gnuplot-nox"
      }
    }
    let note = hint.map {
      "\($0.prefix(1).uppercased())\($0.dropFirst()). Data and scripts lie beside this report."
    }
    let document = ReportDocument(report, pictures: drawn, pictureNote: note)
    try writeAtomically(document.markdown, to: "\(folder)/report.md")
    try writeAtomically(document.html(svg: svg), to: "\(folder)/report.html")
    try writeAtomically(report.json.text(indent: 2) + "\n", to: "\(folder)/summary.json")
    return hint
  }

  private func path(_ kind: Picture.Kind, _ ending: String) -> String {
    "\(folder)/\(kind.rawValue).\(ending)"
  }

  /// Removes an earlier report's picture, which must not stand for this report's.
  private func remove(_ kind: Picture.Kind, _ endings: [String]) {
    for ending in endings { try? FileManager.default.removeItem(atPath: path(kind, ending)) }
  }
}
