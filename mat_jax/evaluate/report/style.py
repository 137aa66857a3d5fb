"""The page's style: system fonts, quiet colours, light and dark. Blue is right, red is wrong."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1f2328; --soft: #666d76; --line: #e4e1dc;
  --right: #2563eb; --wrong: #dc2626; --rightwash: #eaf1fe; --wrongwash: #fdecec;
  --s0: #8a8f98; --s1: #0f8a7e; --s2: #b7791f; --s3: #7c5cc4; --warn: #b45309; --good: #15803d;
}
@media (prefers-color-scheme: dark) { :root {
  --paper: #15171a; --card: #1d2024; --ink: #e6e4e0; --soft: #9aa0a8; --line: #30343a;
  --right: #6ea0ff; --wrong: #f47171; --rightwash: #1b2740; --wrongwash: #3a2022;
  --s0: #7d838d; --s1: #2fb5a6; --s2: #d69e2e; --s3: #a38be6; --warn: #f0b35a; --good: #5cc98a;
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 80px; }
header p.kind { margin: 0 0 6px; color: var(--soft); letter-spacing: .02em; }
h1 { font-size: 27px; line-height: 1.3; font-weight: 620; margin: 0 0 10px; max-width: 32em;
  text-wrap: balance; }
h2 { font-size: 20px; font-weight: 620; margin: 56px 0 4px; }
h3 { font-size: 16px; font-weight: 620; margin: 28px 0 8px; }
h4 { font-size: 14px; font-weight: 620; margin: 0 0 8px; }
h5 { font-size: 13px; font-weight: 620; margin: 0 0 6px; }
section > p { color: var(--soft); max-width: 62em; margin: 0 0 16px; }
p.protocol { color: var(--soft); margin: 0; }
small { color: var(--soft); font-weight: 400; font-size: 12px; }
h5 small { margin-left: 8px; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 12px; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { vertical-align: bottom; }
th { font-weight: 560; color: var(--soft); font-size: 13px; }
th:first-child, td:first-child { text-align: left; }
thead tr:last-child th { border-bottom: 1px solid var(--line); }
tbody tr + tr td { border-top: 1px solid var(--line); }
th.model { text-align: center; color: var(--ink); padding-top: 12px; }
td small { display: block; } .transfer td small { display: inline; }
.transfer .from { text-align: left; color: var(--soft); } tr.worst td { font-weight: 620; }
td.start, th.start { border-left: 1px solid var(--line); }
i[class^=s] { display: inline-block; width: 10px; height: 10px; border-radius: 3px;
  margin-right: 7px; }
i.s0 { background: var(--s0); } i.s1 { background: var(--s1); }
i.s2 { background: var(--s2); } i.s3 { background: var(--s3); }
.legend span { margin-right: 20px; color: var(--ink); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr));
  gap: 24px; margin-top: 20px; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: 13px; }
svg { width: 100%; max-width: 640px; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg text.name { fill: var(--ink); }
svg .value { font-size: 10.5px; } svg .grid { stroke: var(--line); }
svg .whisker { stroke: var(--ink); stroke-width: 1.2; opacity: .55; }
rect.s0 { fill: var(--s0); } rect.s1 { fill: var(--s1); }
rect.s2 { fill: var(--s2); } rect.s3 { fill: var(--s3); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin: 14px 0; display: flex; gap: 28px; align-items: flex-start;
  flex-wrap: wrap; }
.card img { display: block; border-radius: 4px; image-rendering: pixelated; }
.card .clean img, .strip img { width: 144px; height: 144px; }
.against { flex: 1 1 330px; min-width: 0; } .strip { display: flex; gap: 12px; }
.card .clean { padding-top: 30px; }
ul.captions { margin: 12px 0 0; padding: 0; list-style: none; font-size: 13.5px; }
ul.captions li { padding: 2px 0; }
del { color: var(--soft); text-decoration: line-through; }
ins { text-decoration: none; font-weight: 620; border-bottom: 2px solid var(--warn); }
.finds { flex-wrap: nowrap; } .finds > div:last-child { flex: 1; min-width: 0; }
.query { width: 128px; flex: none; font-size: 13px; color: var(--soft); }
.query img { width: 128px; height: 128px; } .query p { margin: 8px 0 0; }
.model + .model { margin-top: 18px; border-top: 1px solid var(--line); padding-top: 16px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 1fr));
  gap: 24px; }
.frames { display: flex; gap: 8px; } .frame { border: 3px solid; border-radius: 7px; padding: 1px; }
.frame img { width: 56px; height: 56px; }
.frame.right { border-color: var(--right); } .frame.wrong { border-color: var(--wrong); }
.found ol { list-style: none; margin: 10px 0 0; padding: 0; font-size: 13px; line-height: 1.4; }
.found li { border-left: 3px solid; padding: 4px 9px; margin: 3px 0; border-radius: 0 5px 5px 0; }
.found li.right { border-color: var(--right); background: var(--rightwash); }
.found li.wrong { border-color: var(--wrong); background: var(--wrongwash); }
b.right { color: var(--right); font-weight: 560; }
b.wrong { color: var(--wrong); font-weight: 560; }
ul.said { list-style: none; padding: 0; margin: 0; max-width: 62em; }
ul.said li { padding: 5px 0 5px 26px; position: relative; }
ul.said li::before { position: absolute; left: 2px; content: "\\2713"; color: var(--good); }
ul.said li.flag::before { content: "!"; color: var(--warn); font-weight: 700; left: 6px; }
ul.said li.open::before { content: "\\2013"; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: 14px; } summary { cursor: pointer; color: var(--soft); padding: 4px 0; }
footer { margin-top: 56px; color: var(--soft); font-size: 13px; }
@media (max-width: 640px) { main { padding: 28px 14px 60px; } .finds { flex-wrap: wrap; }
  .frame img { width: 46px; height: 46px; } .card .clean { padding-top: 0; } }
"""
