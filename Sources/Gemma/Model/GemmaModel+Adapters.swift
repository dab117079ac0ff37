import Tensors

extension GemmaModel {
  /// Puts an adapter beside the linear maps that it names. The base weights are shared and stay frozen.
  package mutating func attach(_ weights: AdapterWeights) {
    var pairs: [Int: [LinearModule: AdapterWeights.Pair]] = [:]
    for pair in weights.pairs { pairs[pair.layer, default: [:]][pair.module] = pair }
    updateLinears { layer, module, linear in
      linear.adapter = pairs[layer]?[module].map {
        LowRankAdapter(
          a: $0.a, b: $0.b, scale: Float(weights.alpha / Double(weights.rank)),
          dropout: Float(weights.dropout))
      }
    }
  }

  /// Number of trainable parameters of an adapter: R (in + out) for each adapted map.
  package static func adapterParameterCount(
    _ configuration: ModelConfiguration, rank: Int, targets: [LinearModule]
  ) -> Int {
    WeightNames.adapter(in: configuration, rank: rank, targets: targets).reduce(0) {
      $0 + $1.count
    }
  }
}

extension AdapterWeights {
  /// The highest rank that the reader of adapters accepts.
  package static var maximumRank: Int { AdapterSettings.maximumRank }
}
