import Files
import YAML

/// One key of a map and the property it is stored in.
package struct ConfigurationField<Section> {
  let key: String
  let read: (_ node: YAMLNode, _ path: String, inout Section, inout ConfigurationProblems) -> Void
  let write: (Section) -> YAMLNode

  init<Value>(
    _ key: String, _ property: WritableKeyPath<Section, Value>, _ format: ConfigurationFormat<Value>
  ) {
    self.key = key
    read = { node, path, section, problems in format.read(node, path, &section[keyPath: property], &problems)
    }
    write = { format.write($0[keyPath: property]) }
  }
}
