import ArgumentParser
import Files
import Gemma
import Tensors

/// `gemmabench random-model`: a model folder of a known shape with random weights. For measuring size, not
/// quality.
struct RandomModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random-model",
    abstract: "Write a model folder of a known shape with random bf16 weights.")

  @Option(help: "The model whose shape is taken: gemma-2b.")
  var like = ModelShape.gemma2B

  @Option(
    help: "A model folder whose tokenizer.model is copied; at most as many pieces as the shape has rows.")
  var tokenizer = "configs/tiny/model"

  @Argument(help: "The folder to make.", completion: .directory)
  var output: String

  func run() throws {
    try WholeFolder.make(output) { folder in
      // The writer takes configuration and tokenizer from a base folder, which is made at the model's place.
      try writeAtomically(like.configuration.text(indent: 2) + "\n", to: "\(folder)/config.json")
      try writeAtomically(
        readFile("\(tokenizer)/tokenizer.model", limit: 64 << 20), to: "\(folder)/tokenizer.model")
      let sizes = try ModelConfiguration(contentsOf: "\(folder)/config.json")
      _ = try Tokenizer(contentsOf: "\(folder)/tokenizer.model", embeddingRows: sizes.vocabSize)
      try CheckpointFiles.writeContents(randomWeights(sizes), base: folder, into: folder)
    }
  }
}

/// The weights of a configuration, in order. Norms are zero; all other weights are uniform with the standard
/// deviation of initial weights.
func randomWeights(_ sizes: ModelConfiguration) -> [(name: String, tensor: Tensor)] {
  let bound = Float(3).squareRoot() * Float(sizes.initializerRange)
  return WeightNames.all(in: sizes).enumerated().map { index, weight in
    if weight.role == .norm { return (weight.name, Tensor(zeros: weight.shape, .bfloat16)) }
    let key = RandomKey(seed: 2, stream: UInt64(index))
    let tensor = Tensor(uninitialized: weight.shape, .bfloat16)
    let elements = tensor.bfloat16
    // Each draw gives four elements of 16 bits, since billions are wanted.
    for first in stride(from: 0, to: tensor.count, by: 4) {
      var bits = key.bits(at: UInt64(first))
      for element in first..<min(first + 4, tensor.count) {
        elements[element] = roundedToBFloat16((Float(bits & 0xFFFF) * 0x1p-15 - 1) * bound)
        bits >>= 16
      }
    }
    return (weight.name, tensor)
  }
}
