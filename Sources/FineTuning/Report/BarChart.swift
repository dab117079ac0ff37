/// Horizontal bars, one a run. Names of any length have room beside them.
struct BarChart {
  struct Bar {
    var name: String
    /// 0xRRGGBB.
    var color: Int
    var value: Double
    /// The interval that whiskers show.
    var interval: ClosedRange<Double>?
    /// The value in words, beside the bar.
    var label: String

    var end: Double { max(value, interval?.upperBound ?? value) }
  }

  var kind: Picture.Kind
  /// The title in one or two lines.
  var title: [String]
  var axis: String
  var caption: String
  var bars: [Bar]
  /// The largest value that is possible.
  var bound: Double?

  /// The picture; nil without bars.
  var picture: Picture? {
    if bars.isEmpty { return nil }
    return Picture(kind: kind, caption: caption, data: data, script: script)
  }

  private var data: String {
    let rows = bars.map { bar in
      let interval = bar.interval ?? bar.value...bar.value
      return [
        GnuplotText.cell(bar.name), "\(bar.value)", "\(interval.lowerBound)", "\(interval.upperBound)",
        "\(bar.color)", GnuplotText.cell(bar.label),
      ]
    }
    return GnuplotText.table([["run", "value", "low", "high", "color", "label"]] + rows)
  }

  private var script: String {
    let file = GnuplotText.quoted("\(kind.rawValue).tsv")
    let names = bars.enumerated().map { "\(GnuplotText.tick($1.name)) \($0)" }.joined(separator: ", ")
    let largest = bars.map(\.end).max() ?? 0
    let width = max(largest, 1e-9) / (1 - labelShare)
    let tics = bound.map { "set xtics \(width > $0 ? "0, 20, \($0)" : "autofreq")\n" } ?? ""
    var parts = ["\(file) skip 1 using (0):0:(0):2:($0-0.32):($0+0.32):5 with boxxyerror lc rgb variable"]
    if bars.contains(where: { $0.interval != nil }) {
      parts.append(
        "'' skip 1 using 3:0:($4-$3):(0) with vectors heads size screen 0.006,90 lc rgb '#333333' lw 1.2")
    }
    parts.append("'' skip 1 using 4:0:6 with labels left offset 0.8,0 tc rgb '#222222'")
    return GnuplotText.script(
      kind, title: title, height: 190 + 44 * bars.count,
      settings: """
        unset key
        set style fill solid 1.0 noborder
        set xlabel \(GnuplotText.quoted(axis))
        set xrange [0:\(width)]
        set yrange [\(Double(bars.count) - 0.4):-0.6]
        \(tics)set ytics (\(names)) scale 0
        """,
      plot: parts.joined(separator: ", \\\n  "))
  }

  /// The share of the axis for the labels, which stand behind the whiskers. The names take what they need of
  /// 1,800 pixels, a character 15 pixels.
  private var labelShare: Double {
    func pixels(_ texts: [String]) -> Double { 15 * Double(texts.map(\.count).max() ?? 0) }
    let axis = 1640 - pixels(bars.map { GnuplotText.shortened($0.name) })
    return (pixels(bars.map(\.label)) + 30) / axis
  }
}
