import FoundationEssentials

/// How the HTML report looks in daylight, in dark mode and on paper.
enum HTMLStyle {
  static let css = """
    :root { color-scheme: light dark; --ink: #1c1e21; --soft: #5b6168; --page: #ffffff; --card: #f6f7f9; --rule: #d9dde2;
      --right: #0b7a4b; --wrong: #b3401a; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e6e8eb; --soft: #a2a9b1; --page: #16181b; --card: #1f2226; --rule: #3a3f45;
        --right: #4cc38a; --wrong: #f0905f; }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
    main { max-width: 1120px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
    h1 { font-size: 1.7rem; margin: 0 0 1rem; }
    h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--rule); }
    h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
    h4 { font-size: .9rem; margin: 0; overflow-wrap: anywhere; }
    p, li { max-width: 75ch; overflow-wrap: anywhere; }
    p, figcaption, li { color: var(--soft); font-size: .925rem; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
    th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
    thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
    tbody th, td { max-width: 17rem; overflow-wrap: break-word; }
    tbody th { font-weight: 600; }
    .number { text-align: right; white-space: nowrap; }
    figure { margin: 1.5rem 0; }
    figure img { display: block; width: 100%; max-width: 900px; height: auto; background: #fff; border: 1px solid var(--rule);
      border-radius: 8px; padding: .5rem; }
    figcaption { margin-top: .4rem; }
    pre { margin: .4rem 0 0; font: .8rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
      overflow-wrap: anywhere; }
    .asked { font: inherit; margin: 0 0 .75rem; max-width: 75ch; }
    .cards { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); }
    .card { background: var(--card); border: 1px solid var(--rule); border-top: 3px solid var(--rule); border-radius: 6px;
      padding: .6rem .75rem; }
    .right { border-top-color: var(--right); }
    .wrong { border-top-color: var(--wrong); }
    .mark { margin: 0; font-size: .8rem; }
    .right .mark { color: var(--right); }
    .wrong .mark { color: var(--wrong); }
    @media print {
      :root { color-scheme: light; --ink: #000; --soft: #333; --page: #fff; --card: #fff; --rule: #bbb; --right: #0b7a4b;
        --wrong: #b3401a; }
      main { max-width: none; padding: 0; }
      body { font-size: 11px; }
      .wide { overflow: visible; }
      h2, h3 { break-after: avoid; }
      figure, tr, .card { break-inside: avoid; }
    }
    """
}

/// Bytes in base 64, the encoding of a data URL.
func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
