import Files

extension ReportDocument {
  /// The document in GitHub's Markdown.
  package var markdown: String {
    (["# \(markdownEscaped(title))"] + blocks.map(\.markdown)).joined(separator: "\n\n") + "\n"
  }
}

extension ReportDocument.Block {
  fileprivate var markdown: String {
    switch self {
    case .heading(let text): "## \(markdownEscaped(text))"
    case .paragraph(let text): markdownEscaped(text)
    case .list(let items): items.map { "- \(markdownEscaped($0))" }.joined(separator: "\n")
    case .table(let table): table.markdown
    case .picture(let name, let caption):
      "![\(markdownEscaped(caption))](\(name).png)\n\n\(markdownEscaped(caption)) ([SVG](\(name).svg), [data](\(name).tsv))"
    case .question(let question): question.markdown
    }
  }
}

extension ReportTable {
  /// The table in GitHub's Markdown.
  package var markdown: String {
    let heading = columns.map { markdownEscaped($0.heading) }
    let rule = columns.map { $0.isNumber ? "---:" : "---" }
    return ([heading, rule] + rows.map { $0.map(markdownEscaped) }).map {
      "| \($0.joined(separator: " | ")) |"
    }
    .joined(separator: "\n")
  }
}

extension ShownQuestion {
  fileprivate var markdown: String {
    var parts = ["### \(markdownEscaped(title))", fenced(question)]
    if let reference { parts += ["Reference:", fenced(reference)] }
    for answer in answers {
      parts += [
        "\(markdownEscaped(answer.run))\(answer.verdict.isEmpty ? "" : ": ")\(markdownEscaped(answer.verdict))",
        fenced(answer.completion),
      ]
    }
    return parts.joined(separator: "\n\n")
  }
}

extension ShownQuestion.Answer {
  /// "right", "wrong (took 12)", "wrong (no answer)"; empty for a probe.
  var verdict: String {
    guard let isCorrect else { return "" }
    return isCorrect
      ? "✓ right"
      : "✗ wrong, " + (extracted.map { "took \(quoted($0, limit: 20)) for the answer" } ?? "no answer found")
  }
}

/// A text in a code block. The fence is longer than any run of back-ticks in the text.
private func fenced(_ text: String) -> String {
  let text = shownText(text)
  var (longest, run) = (0, 0)
  for scalar in text.unicodeScalars {
    run = scalar == "`" ? run + 1 : 0
    longest = max(longest, run)
  }
  let fence = String(repeating: "`", count: max(3, longest + 1))
  return "\(fence)text\n\(text)\n\(fence)"
}

/// A text on one line, without anything that Markdown takes for markup.
func markdownEscaped(_ text: String) -> String {
  var out = ""
  for scalar in withoutControls(text).unicodeScalars {
    if "\\`*_[]<>|&~$".unicodeScalars.contains(scalar) { out += "\\" }
    out.unicodeScalars.append(scalar)
  }
  return out.hasPrefix("#") ? "\\" + out : out
}

/// A text of several lines for people. Control characters except for line feeds are escaped; a very long text
/// is cut.
func shownText(_ text: String, limit: Int = 4000) -> String {
  let scalars = text.unicodeScalars
  let cut = String(scalars.prefix(limit))
  let lines = parts(of: cut, at: "\n").map(withoutControls)
  let rest = scalars.count - min(limit, scalars.count)
  return lines.joined(separator: "\n") + (rest > 0 ? "\n… (\(grouped(rest)) more characters)" : "")
}
