import Files
import GSM8K

extension StudyReport {
  /// Exact match by run.
  package var accuracyTable: ReportTable {
    let headings = [
      "Run", "Method", "Data", "Count", "Correct", "Exact match %", "95 % interval", "Flexible %", "OpenAI %",
      "Mean tokens",
    ]
    return ReportTable(
      headings, numbers: Set(headings.dropFirst(3)),
      rows: runs.map { run in
        let evaluation = run.evaluation
        func share(_ correct: Int?) -> String {
          guard let evaluation, let correct else { return ReportTable.dash }
          return percent(Double(correct) / Double(evaluation.count))
        }
        return [
          run.name, run.methodName, run.dataName, evaluation.shown { grouped($0.count) },
          evaluation.shown { grouped($0.correct) }, share(evaluation?.correct),
          evaluation.shown { percent($0.confidenceInterval) }, share(evaluation?.correctFlexible),
          share(evaluation?.correctOpenAI), evaluation.shown { $0.meanTokens.formatted(decimals: 1) },
        ]
      })
  }

  /// McNemar's test for every pair of runs.
  package var comparisonTable: ReportTable {
    let headings = ["First", "Second", "Questions", "Difference", "b", "c", "p", "Verdict"]
    return ReportTable(
      headings, numbers: ["Questions", "Difference", "b", "c", "p"],
      rows: comparisons.map { pair in
        let points = percent(pair.outcome.difference)
        return [
          pair.first, pair.second, grouped(pair.outcome.count), points.hasPrefix("-") ? points : "+" + points,
          grouped(pair.outcome.onlyFirst), grouped(pair.outcome.onlySecond),
          probability(pair.outcome.mcnemarP),
          pair.verdict,
        ]
      })
  }

  /// Loss and speed of the runs that were trained.
  package var trainingTable: ReportTable {
    let headings = [
      "Run", "Steps", "First loss", "Final loss", "Samples/s", "Tokens/s", "Weights changed %", "Time",
      "Peak memory",
    ]
    return ReportTable(
      headings, numbers: Set(headings.dropFirst()),
      rows: trained.map { run, curve in
        [
          run.name, grouped(curve.steps.count),
          curve.losses[0].shown { $0.formatted(decimals: 4) },
          curve.finalLoss.shown { $0.formatted(decimals: 4) },
          curve.samplesPerSecond.shown { $0.formatted(decimals: 2) },
          curve.tokensPerSecond.shown { $0.formatted(decimals: 1) },
          curve.changedShare.shown { percent($0, decimals: 2) }, duration(curve.seconds),
          byteText(curve.peakMemoryBytes),
        ]
      })
  }

  /// How often each tag of a wrong answer occurs.
  package var missTable: ReportTable {
    let tags = MissTag.allCases
    let names = tags.map(\.heading)
    return ReportTable(
      ["Run", "Wrong"] + names + ["Definitions differ"],
      numbers: Set(["Wrong", "Definitions differ"] + names),
      rows: runs.compactMap { run in
        guard let evaluation = run.evaluation else { return nil }
        let counts = evaluation.missCounts
        return [run.name, grouped(evaluation.count - evaluation.correct)]
          + tags.map { tag in counts.shown { grouped($0[tag.rawValue] ?? 0) } }
          + [grouped(evaluation.answers.count { $0.definitionsDisagree })]
      })
  }

  /// What each run was, one column a run.
  package var factsTable: ReportTable {
    let facts = runs.map(\.shownFacts)
    let names = facts.first?.map(\.name) ?? []
    return ReportTable(
      ["Fact"] + runs.map(\.name),
      rows: names.indices.map { index in [names[index]] + facts.map { $0[index].value } })
  }
}

extension EvaluationRecord {
  /// How many wrong answers carry each tag; nil where the file does not record tags.
  var missCounts: [String: Int]? {
    let tags = answers.filter { !$0.correct }.map(\.tags)
    if tags.contains(nil) { return nil }
    return Dictionary(tags.flatMap { $0 ?? [] }.map { ($0, 1) }, uniquingKeysWith: +)
  }
}

extension MissTag {
  fileprivate var heading: String {
    switch self {
    case .noAnswer: "No answer"
    case .truncated: "Truncated"
    case .ranOn: "Ran on"
    case .arithmeticSlip: "Arithmetic slip"
    case .reasoning: "Reasoning"
    }
  }
}
