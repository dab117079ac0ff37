import Files

/// A place in a YAML text, counted from 0 in characters and lines, which is libyaml's counting.
struct YAMLMark: Equatable {
  var index = 0
  var line = 0
  var column = 0
}
