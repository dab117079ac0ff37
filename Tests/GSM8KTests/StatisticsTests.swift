import GSM8K
import Testing

@Suite struct StatisticsTests {
  /// Percentages rounded to the printed digits, hence within half of the last digit.
  @Test(arguments: [
    (6, 100, 2.78, 12.48), (11, 100, 6.25, 18.63), (20, 100, 13.34, 28.88), (23, 100, 15.84, 32.15),
    (31, 100, 22.78, 40.63), (79, 1319, 4.83, 7.40), (145, 1319, 9.42, 12.80), (264, 1319, 17.94, 22.26),
    (303, 1319, 20.78, 25.32), (409, 1319, 28.57, 33.56),
  ])
  func wilsonIntervalMatchesTheTable(correct: Int, count: Int, low: Double, high: Double) {
    let interval = wilsonInterval(correct: correct, count: count)
    #expect(abs(interval.lowerBound * 100 - low) <= 0.0051)
    #expect(abs(interval.upperBound * 100 - high) <= 0.0051)
  }

  @Test func wilsonIntervalStaysWithinZeroAndOne() {
    #expect(wilsonInterval(correct: 0, count: 7).lowerBound == 0)
    #expect(wilsonInterval(correct: 7, count: 7).upperBound == 1)
    #expect(wilsonInterval(correct: 0, count: 0) == 0...1)
  }

  /// p from Python 3.11's integers: 2 * sum(comb(n, i)) / 2**n. The tolerance covers lgamma and exp.
  @Test(arguments: [
    (11, 0, 0.0009765625), (6, 0, 0.03125), (5, 0, 0.0625), (18, 7, 0.043285250663757324),
    (17, 6, 0.03468966484069824), (20, 9, 0.06142834573984146), (25, 14, 0.10812902140605729),
    (7, 18, 0.043285250663757324), (10, 2, 0.03857421875), (13, 4, 0.049041748046875),
    (21, 9, 0.04277394525706768), (2001, 1999, 0.9873851258441647),
  ])
  func mcnemarIsExact(onlyFirst: Int, onlySecond: Int, p: Double) {
    let outcome = PairedOutcome(count: 4000, onlyFirst: onlyFirst, onlySecond: onlySecond)
    #expect(abs(outcome.mcnemarP - p) <= 1e-10 * p)
  }

  @Test func mcnemarIsOneWithoutEvidence() {
    #expect(PairedOutcome(count: 5, onlyFirst: 0, onlySecond: 0).mcnemarP == 1)
    #expect(PairedOutcome(count: 5, onlyFirst: 2, onlySecond: 2).mcnemarP == 1)
  }

  @Test func pairsAreCountedOverCommonItems() {
    let outcome = PairedOutcome(
      [0: true, 1: true, 2: false, 3: false, 9: true], [0: true, 1: false, 2: true, 3: true, 8: false])
    #expect(outcome == PairedOutcome(count: 4, onlyFirst: 1, onlySecond: 2))
    #expect(outcome.difference == 0.25)
  }

  @Test func scoreCountsEachDefinition() {
    let problem = Problem(id: 0, question: "?", answer: "#### 18")
    let completions = ["#### 18", "#### 18.", "18", "#### 17"]
    let score = Score(of: completions.map { ScoredAnswer($0, to: problem) })
    #expect([score.count, score.correct, score.correctFlexible, score.correctOpenAI] == [4, 2, 3, 1])
    #expect([score.exactMatch, score.exactMatchFlexible, score.exactMatchOpenAI] == [0.5, 0.75, 0.25])
    #expect(score.confidenceInterval == wilsonInterval(correct: 2, count: 4))
    #expect(Score(of: []).exactMatch == 0)
  }
}
