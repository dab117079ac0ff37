import Testing

import gemmabench

@Test func medianOfAnOddCountIsTheMiddleValue() {
  #expect(Samples([9, 1, 4]).median == 4)
}

@Test func medianOfAnEvenCountIsTheMeanOfTheMiddleTwo() {
  #expect(Samples([8, 1, 2, 4]).median == 3)
}

@Test func noValuesHaveNeitherMedianNorRange() {
  #expect(Samples([]).median == nil)
  #expect(Samples([]).range == nil)
}

@Test func rangeIsFromLeastToMost() {
  #expect(Samples([3, 1, 2]).range == 1...3)
}

@Test func advantageOfARateIsOursOverThePeers() throws {
  let times = try #require(advantage(of: Samples([40, 50, 60]), over: Samples([10, 10, 20]), .more))
  #expect(times.median == 5)
  // The pairs, in the order measured, give 4, 5 and 3.
  #expect(times.range == 3...5)
}

@Test func advantageOfSecondsIsThePeersOverOurs() throws {
  let times = try #require(advantage(of: Samples([2]), over: Samples([8]), .less))
  #expect(times.median == 4)
}

@Test func nothingIsBetterOfACount() {
  #expect(advantage(of: Samples([2]), over: Samples([8]), .neither) == nil)
}

@Test func noAdvantageOverAPeerThatWasNotMeasured() {
  #expect(advantage(of: Samples([2]), over: Samples([]), .more) == nil)
}

@Test func noAdvantageOverZero() {
  #expect(advantage(of: Samples([2]), over: Samples([0]), .more) == nil)
}

@Test func steadyRateLeavesTheFirstStepOut() {
  #expect(steadyRate([1, 10, 30, 20]) == 20)
}

@Test func steadyRateOfOneStepIsItsRate() {
  #expect(steadyRate([7]) == 7)
}

@Test func steadyRateOfNoStepIsNone() {
  #expect(steadyRate([]) == nil)
}
