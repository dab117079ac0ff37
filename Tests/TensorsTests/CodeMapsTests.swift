import Foundation
import Tensors
import Testing

@Suite struct CodeMapsTests {
  // The script that made the fixture checks its maps against those of bitsandbytes, by SHA-256.
  @Test func mapsEqualBitsandbytes() throws {
    let file = try SafetensorsFile(path: adamWFixtures + "/adamw8.safetensors")
    #expect(CodeMaps.signed.map(\.bitPattern) == (try file.tensor(named: "qmap1").floats.map(\.bitPattern)))
    #expect(CodeMaps.unsigned.map(\.bitPattern) == (try file.tensor(named: "qmap2").floats.map(\.bitPattern)))
  }

  @Test func zeroIsACodeOfBothMaps() {
    #expect(CodeMaps.signed[127] == 0 && CodeMaps.unsigned[0] == 0)
  }

  @Test func mapsAscend() {
    for map in [CodeMaps.signed, CodeMaps.unsigned] {
      #expect(map.count == 256 && zip(map, map.dropFirst()).allSatisfy { $0 < $1 })
    }
  }
}
