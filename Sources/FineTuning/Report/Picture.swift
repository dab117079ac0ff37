import Files

/// A picture of the report: its data as a table and the gnuplot script that draws it from that table.
package struct Picture: Equatable, Sendable {
  /// What the picture shows. Raw values are the names of the files.
  package enum Kind: String, CaseIterable, Sendable {
    case exactMatch = "exact_match_comparison"
    case trainingLoss = "training_loss_comparison"
    case finalLoss = "final_loss_comparison"
    case throughput = "throughput_samples_comparison"

    static let ofTraining: [Kind] = [.trainingLoss, .finalLoss, .throughput]
  }

  package let kind: Kind
  /// What the picture shows, in words.
  package let caption: String
  /// Content of `KIND.tsv`: tab-separated, with a heading first.
  package let data: String
  /// Content of `KIND.gp`: makes KIND.png and KIND.svg from KIND.tsv, all in the working directory.
  package let script: String

  /// The pictures for which the report has numbers.
  package static func all(_ report: StudyReport) -> [Picture] {
    [
      exactMatch(report), trainingLoss(report), finalLoss(report), throughput(report),
    ].compactMap { $0 }
  }

  private static func exactMatch(_ report: StudyReport) -> Picture? {
    let bars = report.runs.compactMap { run in
      run.evaluation.map { evaluation in
        let (share, interval) = (
          Double(evaluation.correct) / Double(evaluation.count), evaluation.confidenceInterval
        )
        return BarChart.Bar(
          name: run.name, color: run.color, value: share * 100,
          interval: (interval.lowerBound * 100)...(interval.upperBound * 100),
          label: "\(percent(share)) (\(evaluation.correct)/\(evaluation.count))")
      }
    }
    return BarChart(
      kind: .exactMatch, title: ["Exact match"], axis: "Exact match (%), with Wilson's 95 % interval",
      caption: "Share of right answers by run; whiskers are Wilson's 95 % intervals.", bars: bars, bound: 100
    ).picture
  }

  private static func finalLoss(_ report: StudyReport) -> Picture? {
    let bars = report.trained.compactMap { run, curve in
      curve.finalLoss.map {
        BarChart.Bar(name: run.name, color: run.color, value: $0, label: $0.formatted(decimals: 4))
      }
    }
    return BarChart(
      kind: .finalLoss, title: withLossNote("Final training loss", report),
      axis: "Loss (nats per target token), mean over the last 10 % of the steps",
      caption: "Mean training loss over the last 10 % of the steps.", bars: bars
    ).picture
  }

  private static func throughput(_ report: StudyReport) -> Picture? {
    let bars = report.trained.compactMap { run, curve in
      curve.samplesPerSecond.map {
        BarChart.Bar(name: run.name, color: run.color, value: $0, label: $0.formatted(decimals: 2))
      }
    }
    return BarChart(
      kind: .throughput, title: ["Training throughput"], axis: "Samples a second, median over the steps",
      caption: "Sequences trained on a second, median over the steps.", bars: bars
    ).picture
  }

  private static func trainingLoss(_ report: StudyReport) -> Picture? {
    let lines = report.trained.map { run, curve in
      LineChart.Line(name: run.name, color: run.color, curve: curve)
    }
    return LineChart(
      title: withLossNote("Training loss: moving average (0.9), single steps faint", report), lines: lines
    ).picture
  }

  private static func withLossNote(_ title: String, _ report: StudyReport) -> [String] {
    report.mixesVariants ? [title, "main and socratic losses are not comparable"] : [title]
  }
}

extension RunRecord {
  /// The run's colour, 0xRRGGBB: blues for full, oranges for LoRA, grey for the base. The colour-blind can
  /// tell them apart.
  var color: Int {
    switch (configuration.method, configuration.data.variant) {
    case (.none, _): 0x999999
    case (.full, .main): 0x1F77B4
    case (.full, .socratic): 0x56B4E9
    case (.lora, .main): 0xD55E00
    case (.lora, .socratic): 0xE69F00
    }
  }
}
