import Files

/// Makes texts safe for gnuplot. It runs what stands between back-ticks in double quotes, takes `%` in names
/// of tics for a format, and takes `_` in enhanced text for a subscript.
enum GnuplotText {
  /// A string constant in single quotes, in which only the quote itself is special.
  static func quoted(_ text: String) -> String {
    let doubled = withoutControls(text).unicodeScalars.map { $0 == "'" ? "''" : String($0) }
    return "'" + doubled.joined() + "'"
  }

  /// A run's name as the name of a tic.
  static func tick(_ name: String) -> String {
    quoted(shortened(name).unicodeScalars.map { $0 == "%" ? "%%" : String($0) }.joined())
  }

  /// A long name, cut in its middle because names differ at both ends.
  static func shortened(_ name: String, limit: Int = 40) -> String {
    name.count <= limit ? name : name.prefix(limit / 2) + "…" + name.suffix(limit / 2 - 1)
  }

  /// A cell of a tab-separated table. gnuplot takes a double quote for the start of a quoted cell.
  static func cell(_ text: String) -> String {
    withoutControls(text).unicodeScalars.map { $0 == "\"" ? "'" : String($0) }.joined()
  }

  /// Rows of cells as a tab-separated table.
  static func table(_ rows: [[String]]) -> String {
    rows.map { $0.joined(separator: "\t") + "\n" }.joined()
  }

  /// A script that draws the same plot as PNG of 1800 by 2 `height` pixels, and as SVG of half these numbers.
  static func script(_ kind: Picture.Kind, title: [String], height: Int, settings: String, plot: String)
    -> String
  {
    """
    # Draws \(kind.rawValue).png and .svg from \(kind.rawValue).tsv; gnuplot 5.4 or newer.
    set encoding utf8
    set datafile separator tab
    set datafile commentschars ''
    set title \(title.map(quoted).joined(separator: #"."\n"."#))
    set border 3 lc rgb '#444444'
    set tics nomirror out scale 0.6 textcolor rgb '#444444'
    \(settings)
    set terminal pngcairo size 1800,\(2 * height) noenhanced font 'DejaVu Sans,22' linewidth 2 background '#ffffff'
    set output '\(kind.rawValue).png'
    plot \(plot)
    set terminal svg size 900,\(height) dynamic noenhanced font 'DejaVu Sans,13' background '#ffffff'
    set output '\(kind.rawValue).svg'
    replot
    unset output

    """
  }
}
