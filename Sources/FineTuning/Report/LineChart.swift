import Files

/// Training losses over the steps, raw in the background and smoothed in front.
struct LineChart {
  struct Line {
    var name: String
    /// 0xRRGGBB.
    var color: Int
    var curve: TrainingCurve
  }

  /// The title in one or two lines.
  var title: [String]
  var lines: [Line]

  /// The picture; nil when no step has a loss.
  var picture: Picture? {
    guard lines.contains(where: { !$0.curve.losses.allSatisfy { $0 == nil } }) else { return nil }
    return Picture(
      kind: .trainingLoss,
      caption:
        "Training loss by optimizer step: an exponential moving average (0.9) over the raw losses, which are faint.",
      data: data, script: script)
  }

  /// One row a step: empty where a run lacks the step, nan where its loss is not finite.
  private var data: String {
    let steps = Set(lines.flatMap { $0.curve.steps.map(\.step) }).sorted()
    let columns = lines.map { line in
      Dictionary(
        zip(line.curve.steps, zip(line.curve.losses, line.curve.smoothedLosses)).map { step, losses in
          (step.step, [losses.0, losses.1].map { $0.map(\.description) ?? "nan" })
        }, uniquingKeysWith: { _, last in last })
    }
    let heading = lines.flatMap { ["\($0.name) loss", "\($0.name) smoothed"] }.map(GnuplotText.cell)
    let rows = steps.map { step in ["\(step)"] + columns.flatMap { $0[step] ?? ["", ""] } }
    return GnuplotText.table([["step"] + heading] + rows)
  }

  private var script: String {
    let file = GnuplotText.quoted("\(Picture.Kind.trainingLoss.rawValue).tsv")
    let raw = lines.indices.map { index in
      "\(index == 0 ? file : "''") skip 1 using 1:\(2 * index + 2) with lines lw 0.8 "
        + "lc rgb \(0xC400_0000 + lines[index].color) notitle"
    }
    let smoothed = lines.indices.map { index in
      "'' skip 1 using 1:\(2 * index + 3) with \(style(index)) lc rgb \(lines[index].color) "
        + "title \(GnuplotText.quoted(GnuplotText.shortened(lines[index].name)))"
    }
    return GnuplotText.script(
      .trainingLoss, title: title,
      height: 520 + 12 * lines.count,
      settings: """
        set key outside below left horizontal height 0.8 Left reverse samplen 3 spacing 1.2
        set grid ytics lc rgb '#dddddd' lt 1 lw 0.6
        set xlabel 'Optimizer step' offset 0,0.4
        set ylabel 'Loss (nats per target token)'
        set xrange \(stepRange)
        """,
      plot: (raw + smoothed).joined(separator: ", \\\n  "))
  }

  /// The range of the steps, which leaves room around a single step.
  private var stepRange: String {
    let last = lines.compactMap { $0.curve.steps.last?.step }.max() ?? 0
    return last > 1 ? "[1:\(last)]" : "[0:2]"
  }

  /// A line, or a dot where there is only one step.
  private func style(_ index: Int) -> String {
    guard lines[index].curve.steps.count > 1 else { return "points pt 7 ps 1.2" }
    // Dashes tell runs of one colour apart.
    let twins = lines[..<index].count { $0.color == lines[index].color }
    return "lines lw 2.2 dt \(Self.dashes[twins % Self.dashes.count])"
  }

  private static let dashes = ["1", "(7,2)", "(2,2)", "(9,2,2,2)", "(9,2,2,2,2,2)"]
}
