extension Int {
  /// The next multiple of `step`.
  package func roundedUp(to step: Int) -> Int { (self + step - 1) / step * step }
}
