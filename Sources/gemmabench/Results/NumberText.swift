import Files

/// A number for people: three significant digits, and all digits before the point: 0.0123, 4.56, 78.9, 1234.
package func shown(_ value: Double) -> String {
  let size = abs(value)
  // Below these bounds a rounded number still has fewer digits before the point.
  let decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2
  if size > 0 && size < 0.9995 { return value.formatted(significant: 3) }
  return value.formatted(decimals: decimals)
}

/// A range for people: "12.3–15.6"; one number where both ends read the same.
package func shown(_ range: ClosedRange<Double>) -> String {
  let (least, most) = (shown(range.lowerBound), shown(range.upperBound))
  return least == most ? least : "\(least)–\(most)"
}
