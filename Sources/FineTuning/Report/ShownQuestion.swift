/// A question with the answers of several runs, to be shown side by side.
package struct ShownQuestion: Equatable, Sendable {
  /// One run's answer.
  package struct Answer: Equatable, Sendable {
    package var run: String
    /// Whether the answer is right; nil for a probe, which is not scored.
    package var isCorrect: Bool?
    /// The text that was taken for the final answer.
    package var extracted: String?
    package var completion: String
  }

  package var title: String
  package var question: String
  /// The worked answer; nil for a probe.
  package var reference: String?
  package var answers: [Answer]
}

/// The questions that a report shows, from the reference file that most runs were evaluated on. Those on
/// which the runs disagree most evenly come first, then the others, each by id.
package func chosenQuestions(_ runs: [RunRecord], limit: Int = 5) -> [ShownQuestion] {
  let evaluated = runs.compactMap { run in run.evaluation.map { (name: run.name, evaluation: $0) } }
  let counts = Dictionary(evaluated.map { ($0.evaluation.references, 1) }, uniquingKeysWith: +)
  // On a tie the earliest run's file wins.
  let largest = counts.values.max()
  guard let file = evaluated.map(\.evaluation.references).first(where: { counts[$0] == largest }) else {
    return []
  }
  let group = evaluated.filter { $0.evaluation.references == file }
  var byID: [Int: [(run: String, answer: AnswerRecord)]] = [:]
  for (name, evaluation) in group {
    for answer in evaluation.answers { byID[answer.id, default: []].append((name, answer)) }
  }
  let shared = byID.filter { $0.value.count == group.count && allSame($0.value.map(\.answer.question)) }
  let ranked = shared.sorted { left, right in
    let (l, r) = (disagreement(left.value.map(\.answer)), disagreement(right.value.map(\.answer)))
    return l != r ? l > r : left.key < right.key
  }
  return ranked.prefix(limit).map { id, answers in shownQuestion(id, answers) }
}

/// The probes of all runs. Each question comes once, with the answers of the runs that were asked it.
package func shownProbes(_ runs: [RunRecord]) -> [ShownQuestion] {
  var questions: [ShownQuestion] = []
  for run in runs {
    for probe in run.evaluation?.probes ?? [] {
      let answer = ShownQuestion.Answer(run: run.name, completion: probe.completion)
      if let place = questions.firstIndex(where: { $0.question == probe.question }) {
        questions[place].answers.append(answer)
      } else {
        questions.append(
          ShownQuestion(title: "Probe \(questions.count + 1)", question: probe.question, answers: [answer]))
      }
    }
  }
  return questions
}

/// How evenly runs are split over a question: the number of right or of wrong answers, whichever is smaller.
private func disagreement(_ answers: [AnswerRecord]) -> Int {
  let right = answers.count { $0.correct }
  return min(right, answers.count - right)
}

private func allSame(_ texts: [String]) -> Bool { texts.allSatisfy { $0 == texts.first } }

private func shownQuestion(_ id: Int, _ answers: [(run: String, answer: AnswerRecord)]) -> ShownQuestion {
  ShownQuestion(
    title: "Question \(id)", question: answers.first?.answer.question ?? "",
    reference: answers.first?.answer.reference,
    answers: answers.map { run, answer in
      ShownQuestion.Answer(
        run: run, isCorrect: answer.correct, extracted: answer.extracted, completion: answer.completion)
    })
}
