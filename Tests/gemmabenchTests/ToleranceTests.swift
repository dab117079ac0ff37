import KernelCases
import Testing

@Test func aResultThatIsEqualHasNoError() {
  for tolerance in [Tolerance.float32, .bfloat16, .exact, .codes] {
    #expect(tolerance.error(of: [1, -2, 0], from: [1, -2, 0]) == 0)
  }
}

@Test func oneStepOfBFloat16IsWithinItsTolerance() {
  // 1 and the next bfloat16 above it.
  #expect(Tolerance.bfloat16.error(of: [1.0078125], from: [1]) <= 1)
  #expect(Tolerance.bfloat16.error(of: [1.015625], from: [1]) > 1)
}

@Test func float32MayDifferByATenThousandth() {
  #expect(Tolerance.float32.error(of: [1.0001], from: [1]) <= 1)
  #expect(Tolerance.float32.error(of: [1.0002], from: [1]) > 1)
}

@Test func oneCodeOfAThousandMayDifferByOneStep() {
  let codes = [Float](repeating: 7, count: 1000)
  #expect(Tolerance.codes.error(of: [8] + codes.dropFirst(), from: codes) == 1)
  #expect(Tolerance.codes.error(of: [8, 6] + codes.dropFirst(2), from: codes) > 1)
  #expect(Tolerance.codes.error(of: [9] + codes.dropFirst(), from: codes) == .infinity)
}

@Test func noNumberNeverAgrees() {
  for tolerance in [Tolerance.float32, .bfloat16, .exact, .codes] {
    #expect(tolerance.error(of: [.nan], from: [1]) == .infinity)
    #expect(tolerance.error(of: [.nan], from: [.nan]) == .infinity)
    #expect(tolerance.error(of: [], from: [1]) == .infinity)
  }
}
