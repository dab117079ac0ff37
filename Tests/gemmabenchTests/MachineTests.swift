import Testing

import gemmabench

@Test func firstValueOfAKeyCounts() {
  let text = "processor\t: 0\nmodel name\t: A: fast one\n\nprocessor\t: 1\nmodel name\t: B\n"
  #expect(keyedLines(Array(text.utf8)) == ["processor": "0", "model name": "A: fast one"])
}

@Test func memoryIsShownInDecimalGigabytes() {
  #expect(memoryText("24321112 kB") == "24.90 GB")
  #expect(memoryText("much") == nil)
}

@Test func lastWordsOfAFailureAreItsError() {
  let text = "working\nerror: a.yaml: no such file\nhint: make it\n"
  #expect(lastWords(Array(text.utf8)) == "a.yaml: no such file")
}

@Test func lastWordsWithoutAnErrorAreTheLastLine() {
  #expect(lastWords(Array("Traceback\nKeyError: 'x'\n\n".utf8)) == "KeyError: 'x'")
}
