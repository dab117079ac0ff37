import Files

extension ReportDocument {
  /// The document as one self-contained HTML page, pictures included.
  /// - svg: the content of each picture by its name.
  package func html(svg: [String: [UInt8]]) -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(htmlEscaped(title))</title>
    <style>
    \(HTMLStyle.css)
    </style>
    </head>
    <body>
    <main>
    <h1>\(htmlEscaped(title))</h1>
    \(blocks.map { $0.html(svg: svg) }.joined(separator: "\n"))
    </main>
    </body>
    </html>

    """
  }
}

extension ReportDocument.Block {
  fileprivate func html(svg: [String: [UInt8]]) -> String {
    switch self {
    case .heading(let text): "<h2>\(htmlEscaped(text))</h2>"
    case .paragraph(let text): "<p>\(htmlEscaped(text))</p>"
    case .list(let items): "<ul>\n" + items.map { "<li>\(htmlEscaped($0))</li>\n" }.joined() + "</ul>"
    case .table(let table): table.html
    case .picture(let name, let caption): picture(svg[name] ?? [], caption)
    case .question(let question): question.html
    }
  }

  /// The picture as an image of its own, in which no script runs and no name collides with another picture's.
  private func picture(_ svg: [UInt8], _ caption: String) -> String {
    """
    <figure><img src="data:image/svg+xml;base64,\(base64(svg))" alt="\(htmlEscaped(caption))">
    <figcaption>\(htmlEscaped(caption))</figcaption></figure>
    """
  }
}

extension ReportTable {
  /// The table as HTML; the first cell of each row is its heading.
  package var html: String {
    func cells(_ texts: [String], heading: Bool) -> String {
      zip(columns, texts).enumerated().map { index, pair in
        let name = heading || index == 0 ? "th" : "td"
        let scope = heading ? " scope=\"col\"" : index == 0 ? " scope=\"row\"" : ""
        let kind = pair.0.isNumber ? " class=\"number\"" : ""
        return "<\(name)\(scope)\(kind)>\(htmlEscaped(pair.1))</\(name)>"
      }.joined()
    }
    let body = rows.map { "<tr>\(cells($0, heading: false))</tr>\n" }.joined()
    return """
      <div class="wide"><table>
      <thead><tr>\(cells(columns.map(\.heading), heading: true))</tr></thead>
      <tbody>
      \(body)</tbody></table></div>
      """
  }
}

extension ShownQuestion {
  fileprivate var html: String {
    let reference = reference.map {
      "<div class=\"card\"><h4>Reference</h4><pre>\(htmlEscaped(shownText($0)))</pre></div>\n"
    }
    return """
      <section class="question">
      <h3>\(htmlEscaped(title))</h3>
      <pre class="asked">\(htmlEscaped(shownText(question)))</pre>
      <div class="cards">
      \(reference ?? "")\(answers.map(\.html).joined())</div>
      </section>
      """
  }
}

extension ShownQuestion.Answer {
  fileprivate var html: String {
    let kind = isCorrect.map { $0 ? " right" : " wrong" } ?? ""
    let mark = isCorrect == nil ? "" : "<p class=\"mark\">\(htmlEscaped(verdict))</p>"
    return """
      <div class="card\(kind)"><h4>\(htmlEscaped(run))</h4>\(mark)<pre>\(htmlEscaped(shownText(completion)))</pre></div>

      """
  }
}

/// A text without anything that HTML takes for markup, in text and in attributes. Control characters except
/// for line feeds are spelled out.
func htmlEscaped(_ text: String) -> String {
  var out = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "'": out += "&#39;"
    case "\n": out += "\n"
    default: out += withoutControls(String(scalar))
    }
  }
  return out
}
