import Gemma
import Testing

import gemmabench

@Test func gemma2BsShapeHasItsNumberOfParameters() throws {
  let sizes = try ModelConfiguration(json: ModelShape.gemma2B.configuration, file: "config.json")
  #expect(sizes.parameterCount() == 2_506_172_416)
}
