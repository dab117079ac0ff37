import Foundation
import Testing
import FineTuning

struct StudyConfigurationTests {
  private static let configurations = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("configs").path

  private static let study = [
    "base", "common", "full-main", "full-socratic", "lora-main", "lora-socratic",
    "gemma-2-9b-it/base",
    "gemma-3-270m/base", "gemma-3-270m/common", "gemma-3-270m/full-main", "gemma-3-270m/full-socratic",
    "gemma-3-270m/lora-main", "gemma-3-270m/lora-socratic",
  ]

  private func load(_ name: String) throws -> RunConfiguration {
    try RunConfiguration.load(path: "\(Self.configurations)/study/\(name).yaml")
  }

  private static func files(under folder: String) -> [String] {
    let paths = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return paths.filter { $0.hasSuffix(".yaml") }.sorted()
  }

  @Test func everyConfigurationInTheRepositoryIsRead() throws {
    let paths = Self.files(under: Self.configurations)
    #expect(paths.count >= Self.study.count)
    for path in paths {
      #expect(throws: Never.self, "\(path)") {
        try RunConfiguration.load(path: "\(Self.configurations)/\(path)")
      }
    }
  }

  @Test func studyHasTheseFiles() {
    #expect(Self.files(under: Self.configurations + "/study") == Self.study.map { $0 + ".yaml" }.sorted())
  }

  @Test(arguments: ["full-main", "full-socratic", "lora-main", "lora-socratic"], ["", "gemma-3-270m/"])
  func trainedRunsHaveTheSettingsOfTheStudy(name: String, folder: String) throws {
    var expected = RunConfiguration(named: name)
    if folder.isEmpty {
      expected.model.path = "models/gemma-2b-it"
    } else {
      expected.model.path = "models/gemma-3-270m"
      expected.run.directory = "runs/gemma-3-270m/\(name)"
    }
    expected.method = name.hasPrefix("full") ? .full : .lora
    expected.data.variant = name.hasSuffix("main") ? .main : .socratic
    expected.lora.rank = 16
    expected.lora.alpha = 32
    expected.train.perDeviceBatchSize = 8
    expected.train.gradientAccumulationSteps = 2
    expected.train.epochs = 1
    expected.train.maxLength = 1024
    expected.train.learningRate = 1e-5
    expected.train.minLearningRate = 1e-6
    expected.train.warmupRatio = 0.03
    expected.optimizer.name = .adamw8bit
    expected.evaluation.limit = 100
    expected.evaluation.maxNewTokens = 256
    #expect(try load(folder + name) == expected)
  }

  @Test(
    arguments: [
      ("base", "models/gemma-2b-it", "runs/base"),
      ("gemma-3-270m/base", "models/gemma-3-270m", "runs/gemma-3-270m/base"),
      ("gemma-2-9b-it/base", "models/gemma-2-9b-it", "runs/gemma-2-9b-it/base"),
    ])
  func baseIsAskedWithOneWorkedExample(name: String, model: String, directory: String) throws {
    let found = try load(name)
    #expect(found.method == .none)
    #expect(found.model.path == model)
    #expect(found.run.directory == directory)
    #expect(found.evaluation.shots == 1)
    #expect(found.evaluation.instruction?.hasSuffix("#### and the final number.") == true)
    #expect(found.evaluation.example?.answer.hasSuffix("<<93*2=186>>186.\n#### 186") == true)
    #expect(found.evaluation.limit == 100)
  }
}
