/// The known key that the unknown `key` most likely stands for; nil when none is near.
///
/// A known key is near if it is a part of `key`, or holds `key`, between underscores, and the part has at
/// least 3 bytes. It is also near within an edit distance (insertion, deletion, substitution, transposition
/// of neighbours) of a third of the longer key.
package func nearestKey(to key: String, in known: [String]) -> String? {
  guard key.utf8.count <= 64 else { return nil }
  let ranked = known.map { (key: $0, distance: editDistance(Array(key.utf8), Array($0.utf8))) }
    .filter { candidate in
      candidate.distance * 3 <= max(key.utf8.count, candidate.key.utf8.count)
        || sharesWords(key, candidate.key)
    }
  return ranked.min { $0.distance < $1.distance }?.key
}

private func sharesWords(_ left: String, _ right: String) -> Bool {
  let (long, short) = left.utf8.count >= right.utf8.count ? (left, right) : (right, left)
  return "_\(long)_".contains("_\(short)_") && short.utf8.count >= 3
}

/// The optimal string alignment distance.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...right.count)
  for row in left.indices {
    var current = [row + 1]
    for column in right.indices {
      let substitution = last[column] + (left[row] == right[column] ? 0 : 1)
      var best = min(substitution, last[column + 1] + 1, current[column] + 1)
      if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
        best = min(best, beforeLast[column - 1] + 1)
      }
      current.append(best)
    }
    (beforeLast, last) = (last, current)
  }
  return last[right.count]
}
