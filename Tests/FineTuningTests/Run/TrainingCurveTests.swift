import Files
import Testing
import FineTuning

struct TrainingCurveTests {
  /// The curve of a metrics.jsonl with this text.
  private func curve(_ text: String) throws -> TrainingCurve? {
    try withRunFolders(["metrics.jsonl": text]) { try TrainingCurve(contentsOf: "\($0)/metrics.jsonl") }
  }

  @Test func cutAtAnyByteItHoldsTheWholeLinesBefore() throws {
    let lines = (1...3).map { stepLine($0, loss: "1.5") }
    let bytes = Array(lines.joined().utf8)
    var ends: [Int] = []
    for line in lines { ends.append((ends.last ?? 0) + line.utf8.count) }
    for cut in 0...bytes.count {
      let steps = try curve(String(decoding: bytes[..<cut], as: UTF8.self))?.steps.count ?? 0
      // A line is whole even if it lacks its line feed.
      #expect(steps == ends.count { $0 - 1 <= cut }, "cut at \(cut)")
    }
  }

  @Test(arguments: [
    ("{\"step\":", "metrics.jsonl:2:9: unexpected end; expected a value"),
    ("3", "metrics.jsonl:2: got 3; expected an object"),
    ("{\"step\": 0}", "metrics.jsonl:2: step: got 0; expected a whole number from 1"),
    ("{\"step\": 2}", "metrics.jsonl:2: epoch: missing; expected a number or null"),
    (
      "{\"step\": 2, \"epoch\": 1, \"loss\": \"1\"}",
      "metrics.jsonl:2: loss: got \"1\"; expected a number or null"
    ),
  ])
  func badLineThatIsNotTheLastIsNamed(line: String, message: String) throws {
    try withRunFolders(["metrics.jsonl": stepLine(1, loss: "1") + line + "\n" + stepLine(3, loss: "1")]) {
      folder in
      #expect(throws: Fault(.badData, "\(folder)/\(message)")) {
        try TrainingCurve(contentsOf: "\(folder)/metrics.jsonl")
      }
    }
  }

  @Test func stepsThatDoNotRiseAreNamed() throws {
    try withRunFolders(["m": stepLine(2, loss: "1") + stepLine(2, loss: "1") + stepLine(3, loss: "1")]) {
      folder in
      #expect(throws: Fault(.badData, "\(folder)/m:2: step 2 after step 2; expected steps that rise from 1"))
      {
        try TrainingCurve(contentsOf: "\(folder)/m")
      }
    }
  }

  @Test func finalLossIsTheMeanOfTheLastTenth() throws {
    let text = (1...25).map { stepLine($0, loss: "\($0)") }.joined()
    let curve = try #require(try curve(text))
    #expect(curve.finalStepCount == 3)
    #expect(curve.finalLoss == 24)
  }

  @Test func lossThatIsNotFiniteLeavesNoFinalLoss() throws {
    let curve = try #require(try curve(stepLine(1, loss: "1") + stepLine(2, loss: "null")))
    #expect(curve.finalLoss == nil)
    #expect(curve.smoothedLosses == [1, nil])
  }

  @Test func smoothingWeighsAllStepsFromTheFirst() throws {
    let curve = try #require(try curve(stepLine(1, loss: "1") + stepLine(2, loss: "3")))
    // (0.9 · 1 + 1 · 3) / 1.9 by hand; doubles keep about 16 digits.
    let second = try #require(curve.smoothedLosses[1])
    #expect(abs(second - 3.9 / 1.9) < 1e-12)
  }

  @Test func throughputIsTheMedian() throws {
    let rates = ["1.0", "100", "3"]
    let text = rates.enumerated().map { index, rate in
      stepLine(index + 1, loss: "1").replacing(
        "\"samples_per_second\":8.0", with: "\"samples_per_second\":\(rate)")
    }
    let curve = try #require(try curve(text.joined()))
    #expect(curve.samplesPerSecond == 3)
  }

  @Test func countsBeyondAnySumStopAtTheLargest() throws {
    let huge = stepLine(1, loss: "1").replacing("3000", with: "\(Int.max)")
    let curve = try #require(try curve(huge + huge.replacing("\"step\":1", with: "\"step\":2")))
    #expect(curve.tokens == .max)
  }
}
