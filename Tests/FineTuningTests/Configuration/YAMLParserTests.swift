import Testing
import FineTuning
import YAML

struct YAMLParserTests {
  @Test(arguments: [
    ("a: &x 1", "1:4: anchor '&x' is not supported; leave it out"),
    ("a: 1\nb: *x", "2:4: alias '*x' is not supported; write the value out"),
    ("a: !!str 1", "1:4: tag '!!str' is not supported; leave it out"),
    ("a: !x 1", "1:4: tag '!x' is not supported; leave it out"),
    ("a: !!map {b: 1}", "1:4: tag '!!map' is not supported; leave it out"),
    ("<<: {a: 1}", "1:1: merge key '<<' is not supported; use extends"),
    ("a: 1\n---\nb: 1", "2:1: a second document is not supported; expected one"),
    ("? [a]\n: 1", "1:3: a key that is a list or a map; expected a name"),
    ("a: [${b.c}, 1]", "1:5: '${...}' inside [ ] or { } must be quoted; quote it"),
    ("a: {x: ${b.c}}", "1:8: '${...}' inside [ ] or { } must be quoted; quote it"),
    ("train:\n\tepochs: 1", "2:1: a tab; indent with blanks"),
    ("a: @x", "1:4: not YAML: a value cannot begin with '@'; quote it"),
    ("a: b: c", "1:5: not YAML: mapping values are not allowed in this context"),
    ("a: 'x\n", "2:1: not YAML: found unexpected end of stream"),
    ("a: x\0", "1:5: the control character U+0000; expected none"),
    ("a: 1\né: \u{7}", "2:4: the control character U+0007; expected none"),
    ("a: \"\\0\"", "1:4: a text with the character NUL in it; expected none"),
    ("", "1:1: nothing in it; expected a map of sections"),
    ("# only a comment\n", "1:1: nothing in it; expected a map of sections"),
    ("text", "1:1: expected a map of sections, got 'text'"),
    ("- a", "1:1: expected a map of sections, got a list"),
  ])
  func textThatIsNoConfigurationIsRejected(yaml: String, message: String) {
    #expect(configurationFaults(yaml) == ["configs/a.yaml:" + message])
  }

  @Test func bytesThatAreNotUTF8AreRejectedWithTheirPlace() {
    #expect(
      configurationFaults(bytes: Array("a: 1\né: ".utf8) + [0xC3, 0x28]) == [
        "configs/a.yaml:2:4: bytes that are not UTF-8"
      ])
    #expect(
      configurationFaults(bytes: [0xFF, 0xFE, 0x61, 0]) == ["configs/a.yaml:1:1: bytes that are not UTF-8"])
    #expect(
      configurationFaults(bytes: Array("a: ".utf8) + [0xED, 0xA0, 0x80]) == [
        "configs/a.yaml:1:4: bytes that are not UTF-8"
      ])
  }

  @Test func deepNestingIsRejectedSoon() {
    let clock = ContinuousClock()
    for opening in ["[", "{", "[{", "- ", "? "] {
      var messages: [String] = []
      let time = clock.measure { messages = configurationFaults(String(repeating: opening, count: 80_000)) }
      #expect(messages.count == 1)
      #expect(time < .seconds(3), "\(opening) took \(time)")
    }
    #expect(
      configurationFaults(String(repeating: "[", count: 80_000)) == [
        "configs/a.yaml:1:33: lists and maps nested deeper than 32"
      ])
  }

  @Test func aliasBombIsRejectedAtItsFirstAnchor() {
    let bomb = "a: &a [x, x]\n" + (0..<9).map { "b\($0): [*a, *a]\n" }.joined()
    #expect(configurationFaults(bomb) == ["configs/a.yaml:1:4: anchor '&a' is not supported; leave it out"])
  }

  @Test func tooManyValuesAreRejected() {
    let yaml = "a: [" + String(repeating: "1,", count: 10_000) + "]"
    #expect(
      configurationFaults(yaml) == [
        "configs/a.yaml:1:19999: more than 10000 values; expected a configuration"
      ])
  }

  @Test func tenThousandUnknownKeysAreRejectedSoon() {
    let yaml = (0..<4_990).map { "key\($0): 1\n" }.joined()
    let time = ContinuousClock().measure { #expect(configurationFaults(yaml).count == 51) }
    #expect(time < .seconds(10), "took \(time)")
  }

  @Test func longTextIsRejected() {
    #expect(
      configurationFaults("a: " + String(repeating: "x", count: 65_537))
        == ["configs/a.yaml:1:4: a text of 65537 bytes; expected at most 65536"])
  }

  @Test func longFileIsRejected() {
    let bytes = [UInt8](repeating: 0x0A, count: (1 << 20) + 1)
    #expect(
      configurationFaults(bytes: bytes) == [
        "configs/a.yaml:1:1: the text has 1048577 bytes; expected at most 1048576"
      ])
  }

  @Test func noPrefixOfAConfigurationTraps() throws {
    let yaml = Array(RunConfiguration(named: "é").resolvedYAML().utf8)
    for length in yaml.indices { _ = configurationFaults(bytes: Array(yaml[..<length])) }
  }

  @Test func noChangedByteOfAConfigurationTraps() {
    var generator = ConfigurationGenerator(state: 1)
    let yaml = Array(RunConfiguration(named: "é").resolvedYAML().utf8)
    for _ in 0..<500 {
      var changed = yaml
      for _ in 0..<3 {
        changed[Int.random(in: changed.indices, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      _ = configurationFaults(bytes: changed)
    }
  }

  @Test func byteOrderMarkIsSkipped() throws {
    #expect(try configuration("\u{FEFF}run: {seed: 3}").run.seed == 3)
    let found = try configuration("\u{FEFF}run:\n  seed: 3\nmethod: full\n")
    #expect(found.run.seed == 3 && found.method == .full)
  }

  @Test func placesAfterAByteOrderMarkAreThoseWithout() {
    #expect(
      configurationFaults("\u{FEFF}rnu: {}\nlora:\n  rank: x\n") == [
        "configs/a.yaml:1:1: unknown key 'rnu'; did you mean 'run'?",
        "configs/a.yaml:3:9: lora.rank: expected an integer, got 'x'",
      ])
    #expect(
      configurationFaults("\u{FEFF}a: @x") == [
        "configs/a.yaml:1:4: not YAML: a value cannot begin with '@'; quote it"
      ])
  }

  @Test func byteOrderMarkOfAnExtendedFileIsSkipped() throws {
    let files = [
      "a.yaml": "\u{FEFF}extends: b.yaml\nrun:\n  seed: 3\n", "b.yaml": "\u{FEFF}lora:\n  rank: 4\n",
    ]
    let found = try withConfigurationFolder(files) { try RunConfiguration.load(path: "\($0)/a.yaml") }
    #expect(found.run.seed == 3 && found.lora.rank == 4)
  }

  @Test func byteOrderMarkElsewhereIsText() throws {
    let inFile = try configuration("evaluation: {instruction: \"\u{FEFF}a\"}")
    let argument = try configuration("method: lora", "evaluation.instruction=\u{FEFF}a")
    #expect(inFile.evaluation.instruction == "\u{FEFF}a" && argument.evaluation.instruction == "\u{FEFF}a")
  }
}

struct YAMLScalarTests {
  @Test(arguments: [
    ("", YAMLScalar.null), ("~", .null), ("null", .null), ("NULL", .null), ("none", .string("none")),
    ("true", .boolean(true)), ("False", .boolean(false)), ("yes", .ambiguous("yes")),
    ("Off", .ambiguous("Off")),
    ("y", .string("y")), ("0", .integer(0)), ("-12", .integer(-12)), ("+7", .integer(7)),
    ("00", .ambiguous("00")),
    ("017", .ambiguous("017")), ("0x10", .ambiguous("0x10")), ("0o17", .ambiguous("0o17")),
    ("0b11", .ambiguous("0b11")), ("1_000", .ambiguous("1_000")), ("1:30", .ambiguous("1:30")),
    ("1e-5", .float(1e-5)), ("1E5", .float(1e5)), ("1.", .float(1)), (".5", .float(0.5)),
    ("-.5e+1", .float(-5)),
    ("1.0e-06", .float(1e-6)), (".nan", .ambiguous(".nan")), ("-.inf", .ambiguous("-.inf")),
    ("nan", .string("nan")),
    ("inf", .string("inf")), ("1e999", .ambiguous("1e999")), ("1e", .string("1e")), (".", .string(".")),
    ("..", .string("..")), ("-", .string("-")), ("e5", .string("e5")), ("1.2.3", .string("1.2.3")),
    ("2024-01-02", .string("2024-01-02")), ("9223372036854775807", .integer(.max)),
    ("9223372036854775808", .unsigned(9_223_372_036_854_775_808)),
    ("18446744073709551615", .unsigned(.max)), ("18446744073709551616", .float(0x1p64)),
    ("-9223372036854775809", .float(-0x1p63)), ("٣", .string("٣")),
    ("1e5x", .string("1e5x")),
  ])
  func plainScalarMeansWhatYAMLSays(text: String, meaning: YAMLScalar) {
    #expect(YAMLScalar(plain: text) == meaning)
  }
}
