import Files
import Testing
import FineTuning

struct ConfigurationMessageTests {
  @Test func unknownKeyIsRejectedWithTheNearestKey() {
    #expect(
      configurationFaults("lora:\n  lora_alpha: 1\n")
        == ["configs/a.yaml:2:3: unknown key 'lora_alpha' in lora; did you mean 'alpha'?"])
    #expect(
      configurationFaults("train:\n  lerning_rate: 1\n")
        == ["configs/a.yaml:2:3: unknown key 'lerning_rate' in train; did you mean 'learning_rate'?"])
    #expect(
      configurationFaults("trian: {}\n") == ["configs/a.yaml:1:1: unknown key 'trian'; did you mean 'train'?"]
    )
  }

  @Test func unknownKeyOfAnotherSectionIsRejectedWithItsPlace() {
    #expect(
      configurationFaults("learning_rate: 1\n")
        == ["configs/a.yaml:1:1: unknown key 'learning_rate'; did you mean 'train.learning_rate'?"])
  }

  @Test func unknownKeyWithoutANearOneIsRejectedWithAllKeys() {
    #expect(
      configurationFaults("prompt:\n  zzz: 1\n")
        == ["configs/a.yaml:2:3: unknown key 'zzz' in prompt; expected template or loss_on"])
  }

  @Test func unknownKeyOnTheCommandLineIsRejected() {
    #expect(
      configurationFaults("method: lora\n", "lora.lora_alpha=3")
        == ["command line: lora.lora_alpha: unknown key 'lora_alpha' in lora; did you mean 'alpha'?"])
  }

  @Test(arguments: [
    ("train: {learning_rate: abc}", "1:24: train.learning_rate: expected a number, got 'abc'"),
    ("train: {learning_rate: '1'}", "1:24: train.learning_rate: expected a number, got the string '1'"),
    ("train: {learning_rate: .nan}", "1:24: train.learning_rate: expected a number, got '.nan'"),
    ("train: {learning_rate: 1e999}", "1:24: train.learning_rate: expected a number, got '1e999'"),
    ("train: {learning_rate: null}", "1:24: train.learning_rate: expected a number, got null"),
    ("train: {learning_rate: [1]}", "1:24: train.learning_rate: expected a number, got a list"),
    ("train: {epochs: x}", "1:17: train.epochs: expected a number, got 'x'"),
    ("lora: {rank: 1.5}", "1:14: lora.rank: expected an integer, got 1.5"),
    ("lora: {rank: 017}", "1:14: lora.rank: expected an integer, got '017'"),
    ("lora: {rank: 1_0}", "1:14: lora.rank: expected an integer, got '1_0'"),
    ("lora: {rank: 0x1F}", "1:14: lora.rank: expected an integer, got '0x1F'"),
    ("lora: {rank: {a: 1}}", "1:14: lora.rank: expected an integer, got a map"),
    ("train: {max_steps: abc}", "1:20: train.max_steps: expected an integer, got 'abc'"),
    (
      "run: {seed: -1}", "1:13: run.seed: expected an integer from 0 to 18446744073709551615, got -1"
    ),
    (
      "run: {seed: 18446744073709551616}",
      "1:13: run.seed: expected an integer from 0 to 18446744073709551615, got 18446744073709551616"
    ),
    (
      "run: {seed: 9007199254740993.0}",
      "1:13: run.seed: expected an integer from 0 to 18446744073709551615, got 9007199254740993.0"
    ),
    ("run: {name: 12}", "1:13: run.name: expected a string, got 12"),
    ("run: {name: on}", "1:13: run.name: expected a string, got 'on'"),
    ("data: {shuffle: yes}", "1:17: data.shuffle: expected true or false, got 'yes'"),
    ("data: {shuffle: 1}", "1:17: data.shuffle: expected true or false, got 1"),
    ("lora: 3", "1:7: lora: expected a map, got 3"),
    ("train:", "1:7: train: expected a map, got null"),
    ("evaluation: {stop: Question}", "1:20: evaluation.stop: expected a list, got 'Question'"),
    ("evaluation: {stop: [a, 1]}", "1:24: evaluation.stop[1]: expected a string, got 1"),
  ])
  func wrongTypeIsRejected(yaml: String, message: String) {
    #expect(configurationFaults(yaml) == ["configs/a.yaml:" + message])
  }

  @Test(arguments: [
    ("train.epochs=0", "expected a number above 0, got 0"),
    ("train.epochs=3000000000", "expected a number of at most 2147483647, got 3000000000"),
    ("train.max_steps=0", "expected an integer of at least 1, got 0"),
    ("train.max_steps=3000000000", "expected an integer of at most 2147483647, got 3000000000"),
    ("train.max_steps=1e30", "expected an integer of at most 2147483647, got 1e30"),
    (
      "train.max_steps=9999999999999999999",
      "expected an integer of at most 2147483647, got 9999999999999999999"
    ),
    ("train.per_device_batch_size=-1", "expected an integer of at least 1, got -1"),
    ("train.gradient_accumulation_steps=0", "expected an integer of at least 1, got 0"),
    ("train.max_length=0", "expected an integer of at least 1, got 0"),
    ("train.learning_rate=0", "expected a number above 0, got 0"),
    ("train.min_learning_rate=-1e-9", "expected a number of at least 0, got -1e-9"),
    ("train.warmup_ratio=1.01", "expected a number from 0 to 1, got 1.01"),
    ("train.max_gradient_norm=0", "expected a number above 0, got 0"),
    ("lora.rank=0", "expected an integer of at least 1, got 0"),
    ("lora.rank=65537", "expected an integer of at most 65536, got 65537"),
    ("lora.alpha=0.0", "expected a number above 0, got 0.0"),
    ("lora.dropout=1", "expected a number from 0 to below 1, got 1"),
    ("lora.targets=[]", targetsMessage),
    ("lora.targets=[q_proj, q_proj]", "q_proj is given twice"),
    ("optimizer.betas=[0.9]", "expected a list of two numbers, got 1"),
    ("optimizer.epsilon=0", "expected a number above 0, got 0"),
    ("optimizer.weight_decay=-1", "expected a number of at least 0, got -1"),
    ("evaluation.shots=2", "expected 0 or 1, got 2"),
    ("evaluation.limit=0", "expected an integer of at least 1, got 0"),
    ("evaluation.max_new_tokens=0", "expected an integer of at least 1, got 0"),
    ("evaluation.batch_size=0", "expected an integer of at least 1, got 0"),
    ("evaluation.instruction=''", "expected a string that is not empty, got the string ''"),
    ("data.limit=0", "expected an integer of at least 1, got 0"),
    ("model.path=''", "expected a string that is not empty, got the string ''"),
    ("logging.steps=0", "expected an integer of at least 1, got 0"),
    ("threads=0", "expected an integer of at least 1, got 0"),
    ("threads=257", "expected an integer of at most 256, got 257"),
    ("run.name=a/b", "expected a name without '/', got 'a/b'"),
    ("run.name=..", "expected a name without '/', got '..'"),
  ])
  func valueOutOfRangeIsRejected(override: String, message: String) {
    let path = override.prefix { $0 != "=" }
    #expect(configurationFaults("method: lora\n", override) == ["command line: \(path): \(message)"])
  }

  private static let targetsMessage =
    "expected at least one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj or down_proj, "
    + "got an empty list"

  @Test(arguments: [
    ("method", "none, full or lora"),
    ("device", "auto, cpu or cuda"),
    ("model.initialize", "pretrained or random"),
    ("model.precision", "bf16 or float32"),
    ("data.variant", "main or socratic"),
    ("data.split", "train or test"),
    ("data.overlong", "error, drop or truncate"),
    ("prompt.template", "plain or chat"),
    ("prompt.loss_on", "answer or all"),
    ("train.schedule", "cosine, linear or constant"),
    ("optimizer.name", "adamw_8bit or adamw"),
    ("optimizer.low_precision_update", "master, stochastic or nearest"),
    ("evaluation.split", "train or test"),
    ("evaluation.variant", "main or socratic"),
  ])
  func unknownChoiceIsRejectedWithAllChoices(path: String, expected: String) {
    #expect(
      configurationFaults("method: lora\n", "\(path)=sgd") == [
        "command line: \(path): expected \(expected), got 'sgd'"
      ])
  }

  @Test func unknownTargetIsRejectedWithItsPlace() {
    #expect(
      configurationFaults("lora:\n  targets:\n    - q_proj\n    - qproj\n") == [
        "configs/a.yaml:4:7: lora.targets[1]: expected q_proj, k_proj, v_proj, "
          + "o_proj, gate_proj, up_proj or down_proj,"
          + " got 'qproj'"
      ])
  }

  @Test func betaOutOfRangeIsRejectedWithItsPlace() {
    #expect(
      configurationFaults("optimizer: {betas: [0.9, 1]}")
        == ["configs/a.yaml:1:26: optimizer.betas[1]: expected a number from 0 to below 1, got 1"])
  }

  @Test func unknownDeviceIsRejected() {
    #expect(
      configurationFaults("device: gpu\n")
        == ["configs/a.yaml:1:9: device: expected auto, cpu or cuda, got 'gpu'"])
  }

  @Test(arguments: [
    ("{library: a}", "1:8: unknown key 'library' in cuda; did you mean 'libraries'?"),
    ("{libraries: 3}", "1:19: cuda.libraries: expected a string, got 3"),
    ("{libraries: ''}", "1:19: cuda.libraries: expected a string that is not empty, got the string ''"),
    ("{kernel_cache: [a]}", "1:22: cuda.kernel_cache: expected a string, got a list"),
    ("{memory_limit_gb: 0}", "1:25: cuda.memory_limit_gb: expected a number above 0, got 0"),
    ("{memory_limit_gb: '8'}", "1:25: cuda.memory_limit_gb: expected a number, got the string '8'"),
    ("8", "1:7: cuda: expected a map, got 8"),
  ])
  func wrongCUDASectionIsRejected(section: String, message: String) {
    #expect(configurationFaults("cuda: \(section)\n") == ["configs/a.yaml:\(message)"])
  }

  @Test(arguments: [
    "train.save_steps", "train.keep_checkpoints", "logging.wandb", "logging.tensorboard", "logging.project",
  ])
  func keysOfLaterWorkAreRejected(path: String) {
    #expect(
      configurationFaults("method: lora\n", "\(path)=null")
        == ["command line: \(path): not supported by this build; leave it out"])
  }

  @Test func exampleWithoutAnswerIsRejected() {
    #expect(
      configurationFaults("evaluation:\n  shots: 1\n  example: {question: a}\n")
        == ["configs/a.yaml:3:12: evaluation.example: missing key 'answer'"])
  }

  @Test func allProblemsAreToldAtOnceInTheOrderOfTheFile() {
    let yaml = """
      train:
        epochs: none
        lr: 1
      method: qlora
      train:
        epochs: 2
      """
    #expect(
      configurationFaults(yaml, "lora.rank=a") == [
        "configs/a.yaml:2:11: train.epochs: expected a number, got 'none'",
        "configs/a.yaml:3:3: unknown key 'lr' in train; expected epochs, max_steps, per_device_batch_size, "
          + "gradient_accumulation_steps, max_length, learning_rate, min_learning_rate, "
          + "warmup_ratio, schedule, "
          + "max_gradient_norm or gradient_checkpointing",
        "configs/a.yaml:4:9: method: expected none, full or lora, got 'qlora'",
        "configs/a.yaml:5:1: key 'train' is given twice; first on line 1",
        "command line: lora.rank: expected an integer, got 'a'",
      ])
  }

  @Test func noMoreThanFiftyProblemsAreTold() {
    let yaml = (0..<60).map { "zzz\($0): 1\n" }.joined()
    let messages = configurationFaults(yaml)
    #expect(messages.count == 51)
    #expect(messages.last == "configs/a.yaml: 10 more problems")
  }

  @Test func quotedNumberGetsTheHintToTakeTheQuotesOff() throws {
    let error = #expect(throws: ConfigurationFaults.self) { try configuration("train: {epochs: '2'}") }
    #expect(error?.faults.first?.hint == "take the quotes off")
    #expect(error?.faults.first?.kind == .configuration)
  }

  @Test func numberForAStringGetsTheHintToQuoteIt() throws {
    let error = #expect(throws: ConfigurationFaults.self) { try configuration("run: {name: 2024}") }
    #expect(error?.faults.first?.hint == "put quotes around it: \"2024\"")
  }
}
