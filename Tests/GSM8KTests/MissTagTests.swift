import GSM8K
import Testing

@Suite struct ArithmeticTests {
  @Test(arguments: [
    ("16-3-4", 9), ("2+3*4", 14), ("(2+3)*4", 20), ("48/2", 24), ("-3+5", 2), ("2*-3", -6), ("-(1+2)", -3),
    (".5*4", 2), ("5.*2", 10), ("1.25", 1.25), ("8/2/2", 2), (" ( 1 + 2 ) * 3 ", 9), ("--2", 2),
  ])
  func expressionHasItsValue(text: String, value: Double) {
    #expect(arithmeticValue(of: text) == value)
  }

  @Test(arguments: [
    "", " ", "+", "1+", "(1", "1)", "()", "2**3", "1/0", "0/0", "1 2", "1. 3", "1..2", ".", "x", "1+x", "1e3",
    "+1",
    "1,000", "0x10", "nan", "\u{661}",
  ])
  func whatIsNoExpressionHasNone(text: String) {
    #expect(arithmeticValue(of: text) == nil)
  }

  @Test func nestingAndLengthAreBounded() {
    func nested(_ depth: Int) -> String {
      String(repeating: "(", count: depth) + "1" + String(repeating: ")", count: depth)
    }
    #expect(arithmeticValue(of: nested(31)) == 1)
    #expect(arithmeticValue(of: nested(32)) == nil)
    #expect(arithmeticValue(of: String(repeating: "-", count: 400) + "1") == nil)
    #expect(arithmeticValue(of: String(repeating: "9", count: 400)) == nil)
    #expect(arithmeticValue(of: String(repeating: "1+", count: 300) + "1") == nil)
  }

  @Test(arguments: [
    "9 * 2 = $<<9*2=18>>18", "<<3.5*0.14=0.49>>", "<<0.3-0.1*3=0>>", "<<3/4=3/4>>", "<<3/4=6/9>>", "<<5>>",
    "<<5+3=",
    "<<x+1=3>>", "She has 3 + 4 = 7 eggs.", "3 + 4 = 7.", "1,000 * 2 = 2,000, so", "$5 * 3 = $15.00", "x = 5",
    "-5 = 3", "3 apples + 4 = 9", "a2 + 3 = 9", "2 x 3 + 4 = 10", "2 \u{D7} 3 + 4 = 10",
    #"2 \times 3 + 4 = 10"#,
    "1/4 = 25%", "50% - 20 = 30", "3 + 4 = 14 / 2", "3 + 4 = 2 + 5 = 7", "- 3 + 4 = 7", "1. 3 + 4 = 7",
    "3 + 4 = x", "3 + 4 = 5 * 2 - 3", "3 + 4 =", "= 7", "3 + 4 = 7a", "<<3+4=7>>12 + 5 = 17", "3 + 4 == 8",
    "3 / 4 * 2 = 1 1/2",
  ])
  func soundOrUnreadableEquationIsNoSlip(text: String) {
    #expect(arithmeticSlips(in: text) == [])
  }

  @Test(arguments: [
    ("9 * 2 = $<<9*2=17>>17", ["<<9*2=17>>"]),
    ("<<1,000*2=2,001>>", ["<<1,000*2=2,001>>"]),
    ("She has 3 + 4 = 8 eggs.", ["3 + 4 = 8"]),
    ("- 3 + 4 = 8", ["3 + 4 = 8"]),
    ("so: (2 + 3) * 4 = 21.", ["(2 + 3) * 4 = 21"]),
    ("10 / 3 = 3.33", ["10 / 3 = 3.33"]),
    ("3 - 5 = 2", ["3 - 5 = 2"]),
    ("5 - 3 = -2", ["5 - 3 = -2"]),
    ("<<1+1=3>> then\n2 + 2 = 5 and <<2*2=5>>", ["<<1+1=3>>", "<<2*2=5>>", "2 + 2 = 5"]),
  ])
  func wrongEquationIsASlip(text: String, slips: [String]) {
    #expect(arithmeticSlips(in: text) == slips)
  }
}

@Suite struct MissTagTests {
  @Test(arguments: [
    ("<<9*2=18>>18\n#### 17", StopReason.endOfSequence, [MissTag.reasoning]),
    ("The answer is 17", .endOfTurn, [.noAnswer]),
    ("She sells 16 - 3", .length, [.noAnswer, .truncated]),
    ("#### 17\n\nQuestion: If 3 pens", .length, [.truncated, .ranOn]),
    ("#### 17\n\n", .stopString, [.reasoning]),
    ("9*2=<<9*2=17>>17\n#### 17", .endOfSequence, [.arithmeticSlip]),
    ("#### seventeen", .endOfSequence, [.noAnswer]),
  ])
  func missIsTagged(completion: String, stop: StopReason, tags: [MissTag]) {
    #expect(missTags(completion: completion, stop: stop) == tags)
  }
}
