import Files

/// A report as a list of blocks. Each form (Markdown, HTML) writes them in its own way. All texts are plain:
/// nothing in them is markup.
package struct ReportDocument: Equatable, Sendable {
  /// A part of a report.
  package enum Block: Equatable, Sendable {
    case heading(String)
    case paragraph(String)
    case list([String])
    case table(ReportTable)
    /// A picture by its file name without extension, and its caption.
    case picture(name: String, caption: String)
    case question(ShownQuestion)
  }

  package let title: String
  package let blocks: [Block]

  /// The document of a report.
  /// - pictures: the pictures that were drawn.
  /// - pictureNote: why there are no pictures, or a hint.
  package init(_ report: StudyReport, pictures: [Picture], pictureNote: String?) {
    title = "Gemma on grade-school mathematics"
    func drawn(_ kind: Picture.Kind) -> [Block] {
      pictures.filter { $0.kind == kind }.map { .picture(name: $0.kind.rawValue, caption: $0.caption) }
    }
    var blocks = Self.accuracy(report, drawn(.exactMatch))
    if !report.trained.isEmpty {
      let drawings = Picture.Kind.ofTraining.flatMap(drawn)
      blocks += Self.training(report, drawings)
    }
    if let pictureNote { blocks.append(.paragraph(pictureNote)) }
    blocks += Self.answers(report)
    blocks += [.heading("Facts of the runs"), .table(report.factsTable)]
    self.blocks = blocks + [.heading("Definitions"), .list(ReportWording.definitions)]
  }

  private static func accuracy(_ report: StudyReport, _ pictures: [Block]) -> [Block] {
    var blocks: [Block] = [.heading("Accuracy"), .table(report.accuracyTable)]
    if !report.notes.isEmpty { blocks.append(.list(report.notes)) }
    blocks += pictures
    if !report.comparisons.isEmpty {
      blocks += [
        .heading("Differences between runs"), .table(report.comparisonTable),
        .paragraph(ReportWording.comparison(count: report.comparisons.count)),
      ]
    }
    if report.runs.contains(where: { $0.evaluation != nil }) {
      blocks += [.heading("Wrong answers"), .table(report.missTable), .paragraph(ReportWording.misses)]
    }
    return blocks
  }

  private static func training(_ report: StudyReport, _ pictures: [Block]) -> [Block] {
    var blocks: [Block] = [
      .heading("Training"), .table(report.trainingTable), .paragraph(ReportWording.training),
    ]
    if report.mixesVariants { blocks.append(.paragraph(ReportWording.lossNote)) }
    return blocks + pictures
  }

  private static func answers(_ report: StudyReport) -> [Block] {
    var blocks: [Block] = []
    if !report.questions.isEmpty {
      blocks += [.heading("Answers side by side"), .paragraph(ReportWording.choice)]
      blocks += report.questions.map { .question($0) }
    }
    if !report.probes.isEmpty {
      blocks += [.heading("Probes"), .paragraph(ReportWording.probes)]
      blocks += report.probes.map { .question($0) }
    }
    return blocks
  }
}

/// The texts of the report that do not depend on the runs.
enum ReportWording {
  static let lossNote =
    "Loss is not comparable between main and socratic: socratic answers are longer, and much of what they add is easy "
    + "to predict, so a lower mean loss per token is expected."

  static let training =
    "Loss is in nats per target token. Final loss is the mean over the last 10 % of the steps. Samples/s, tokens/s and "
    + "the share of stored weights that a step changes are medians over the steps."

  static let misses =
    "A wrong answer may carry several tags; reasoning means none of the others. The last column counts the answers, "
    + "right or wrong, about which the scoring definitions differ."

  static let choice =
    "Chosen, not drawn at random: questions where the runs disagree come first, the most evenly split at the top."

  /// Stands for facts that the files of an evaluation do not state.
  static let notRecorded = "not recorded"

  static let probes = "Questions of the user's own, answered and not scored."

  static func comparison(count: Int) -> String {
    let test =
      "McNemar's exact test, paired by question: b is the number of questions that only the first run got right, c that "
      + "only the second did; the difference is second minus first, in percentage points. Not shown means p ≥ 0.05: "
      + "the runs may differ, these questions do not show it."
    if count == 1 { return test }
    return test + " The \(count) p-values are not corrected for their number."
  }

  static let definitions = [
    "Exact match (strict): the first \"#### NUMBER\" of an answer against that of the reference, as "
      + "lm-evaluation-harness's strict-match of task gsm8k 3.0 compares them (commas, dollar signs and a full stop at "
      + "the end do not count).",
    "Flexible: the last number anywhere in the answer, compared the same way (flexible-extract).",
    "OpenAI: the first \"#### NUMBER\" as grade-school-math extracts it, commas removed, equal as text.",
    "95 % interval: Wilson's, of the strict share. Mean tokens: the mean number of generated tokens an answer.",
    "Tags of a wrong answer: no answer (no \"#### NUMBER\"), truncated (ended by the length limit), ran on (text after the "
      + "answer's line), arithmetic slip (an equation that does not hold), reasoning (none of these).",
  ]
}
