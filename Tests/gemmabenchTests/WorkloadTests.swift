import Files
import FoundationEssentials
import Gemma
import Testing

import gemmabench

private func mean(_ values: [Int]) -> Double { Double(values.reduce(0, +)) / Double(values.count) }

@Test func studysSequencesAreAsLongAsGSM8KsExamples() {
  let lengths = Workload.study(ModelShape.gemma2B.configuration).sequences.map(\.tokens)
  #expect(lengths.count == 1000)
  // All 7,473 have 190.4 on average, 95 % are below 321, the longest has 545. These are a little shorter.
  #expect(abs(mean(lengths) - 190.4) < 1)
  #expect((319...323).contains(lengths.sorted()[950]))
  #expect((480...545).contains(lengths.max() ?? 0))
  // The order is random: sixteen neighbours have about 16 x 190 tokens.
  let steps = stride(from: 0, to: 992, by: 16).map { lengths[$0..<$0 + 16].reduce(0, +) }
  #expect(steps.allSatisfy { (2200...4100).contains($0) })
}

@Test func studysPromptsAreAsLongAsGSM8KsQuestions() {
  let prompts = Workload.study(ModelShape.gemma2B.configuration).prompts
  #expect(prompts.count == 100)
  #expect(abs(mean(prompts) - 67) < 1)
}

@Test func workloadIsReadBackAsWritten() throws {
  let workload = Workload.quick(ModelShape.gemma2B.configuration)
  let file = FileManager.default.temporaryDirectory.appendingPathComponent("workload-\(UUID()).json").path
  defer { try? FileManager.default.removeItem(atPath: file) }
  try writeAtomically(workload.json.text(), to: file)
  #expect(try Workload(contentsOf: file) == workload)
}

@Test func fileWithoutAWorkloadIsRefused() throws {
  let file = FileManager.default.temporaryDirectory.appendingPathComponent("workload-\(UUID()).json").path
  defer { try? FileManager.default.removeItem(atPath: file) }
  try writeAtomically(#"{"sequences":[[1]]}"#, to: file)
  let fault = #expect(throws: Fault.self) { try Workload(contentsOf: file) }
  #expect(fault?.message == "\(file): no workload; gemmabench gpu writes it")
}

@Test(arguments: [(TrainedParameters.all, 15.04), (.adapters, 10.14)])
func gemma2BsTrainingTakesItsOperations(trained: TrainedParameters, gigaflops: Double) throws {
  let sizes = try ModelConfiguration(json: ModelShape.gemma2B.configuration, file: "config.json")
  var batch = TokenBatch()
  batch.append([Int32](repeating: 5, count: 2), promptLength: 1)
  // One of two tokens is predicted: half a map to the vocabulary for each. Attention over two is nothing.
  let perToken = ModelWork(sizes).operations(batch, trained) / 2
  let vocabulary = (trained == .all ? 3.0 : 2.0) * 2 * 256_000 * 2048
  #expect(abs((perToken + vocabulary / 2) / 1e9 - gigaflops) < 0.01)
}

@Test func decodingReadsAllWeightsButNorms() throws {
  let sizes = try ModelConfiguration(json: ModelShape.gemma2B.configuration, file: "config.json")
  #expect(ModelWork(sizes).decodingBytes == 2 * Double(sizes.parameterCount() - 75_776))
}

@Test func datasheetRateIsOfTheNamedPart() {
  #expect(datasheetRate(ofGPU: "NVIDIA H200 (sm_90)") == 989e12)
  #expect(datasheetRate(ofGPU: "Simulated GPU") == nil)
}
