import Files
import GSM8K

extension Score {
  /// The score in words: "31/100 exact match: 31.0 % [22.8, 40.6] (flexible 33.0 %, OpenAI 31.0 %)".
  package var text: String {
    func percent(_ share: Double) -> String { (share * 100).formatted(decimals: 1) }
    let interval = confidenceInterval
    return "\(correct)/\(count) exact match: \(percent(exactMatch)) % "
      + "[\(percent(interval.lowerBound)), \(percent(interval.upperBound))] "
      + "(flexible \(percent(exactMatchFlexible)) %, OpenAI \(percent(exactMatchOpenAI)) %)"
  }
}
