import Files
import Foundation
import Tensors

import Gemma

/// The folder of committed reference values, which `scripts/make_reference.py` made.
let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures").path

/// The families of the three tiny models.
let families = ["gemma", "gemma2", "gemma3"]

/// The reference values of one tiny model.
struct ModelFixture {
  let folder: String
  let model: GemmaModel
  /// Three sequences end to end, with their targets marked.
  let batch: TokenBatch

  init(_ family: String, precision: DType = .float32, adapter: Bool = false) throws {
    folder = "\(fixtures)/\(family)"
    var model = try GemmaModel(contentsOf: folder, precision: precision)
    if adapter { try model.attach(AdapterWeights(contentsOf: "\(folder)/lora", for: model.configuration)) }
    self.model = model
    batch = try Self.batch("\(folder)/batch.safetensors")
  }

  /// A file of this model's reference values.
  func file(_ name: String) throws -> SafetensorsFile { try SafetensorsFile(path: "\(folder)/\(name)") }

  /// A JSON file of this model's reference values.
  func json(_ name: String) throws -> JSONValue {
    try JSONValue(parsing: readFile("\(folder)/\(name)"), file: name)
  }

  private static func batch(_ path: String) throws -> TokenBatch {
    let file = try SafetensorsFile(path: path)
    let (ids, offsets) = (try file.tensor(named: "ids").ints, try file.tensor(named: "offsets").ints)
    let targets = try file.tensor(named: "targets").ints
    var batch = TokenBatch()
    for (start, end) in zip(offsets, offsets.dropFirst()) {
      let range = Int(start)..<Int(end)
      // targets[t] is the id after t, or -1 in the prompt. The first target's place is the prompt's length.
      let prompt = targets[range].firstIndex { $0 >= 0 }.map { $0 - Int(start) + 1 } ?? range.count
      batch.append(Array(ids[range]), promptLength: prompt)
    }
    precondition(batch.targets == targets.filter { $0 >= 0 }, "batch.safetensors: targets with gaps")
    return batch
  }
}

/// Largest absolute difference, as a share of the largest absolute reference value.
func relativeError(_ values: [Float], _ reference: [Float]) -> Double {
  precondition(values.count == reference.count, "\(values.count) values, \(reference.count) in the reference")
  let scale = reference.reduce(0) { max($0, abs($1)) }
  // A NaN would vanish in max, so it becomes infinite.
  let worst = zip(values, reference).reduce(Float(0)) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference)
  }
  return scale == 0 ? Double(worst) : Double(worst / scale)
}
