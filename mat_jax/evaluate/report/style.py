"""The page's style: system fonts, quiet colours, light and dark. Blue is right, red is wrong."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1f2328; --soft: #666d76; --line: #e4e1dc;
  --right: #2563eb; --wrong: #dc2626; --rightwash: #eaf1fe; --wrongwash: #fdecec;
  --s0: #8a8f98; --s1: #0f8a7e; --s2: #b7791f; --s3: #7c5cc4; --warn: #b45309; --good: #15803d;
  --l0: #0072b2; --l1: #c4500a; --l2: #00805c; --l3: #a8467c; --l4: #8a6508; --l5: #5b4ba8;
  --l6: #4f5761; --l7: #1f2328;
}
@media screen and (prefers-color-scheme: dark) { :root {
  --paper: #15171a; --card: #1d2024; --ink: #e6e4e0; --soft: #9aa0a8; --line: #30343a;
  --right: #6ea0ff; --wrong: #f47171; --rightwash: #1b2740; --wrongwash: #3a2022;
  --s0: #7d838d; --s1: #2fb5a6; --s2: #d69e2e; --s3: #a38be6; --warn: #f0b35a; --good: #5cc98a;
  --l0: #56b4e9; --l1: #f08a4b; --l2: #35c295; --l3: #e39ac2; --l4: #e3b341; --l5: #a99bf0;
  --l6: #aab1ba; --l7: #e6e4e0;
} }
* { box-sizing: border-box; }
body { margin: 0; overflow-wrap: anywhere; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
body > header, main, body > footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
body > header { padding-top: 48px; } body > footer { padding: 56px 24px 80px; }
header p.kind { margin: 0 0 6px; color: var(--soft); letter-spacing: .02em; }
h1 { font-size: 27px; line-height: 1.3; font-weight: 620; margin: 0 0 10px; max-width: 32em;
  text-wrap: balance; }
h2 { font-size: 20px; font-weight: 620; margin: 56px 0 4px; }
h3 { font-size: 16px; font-weight: 620; margin: 28px 0 8px; }
.card h3 { font-size: 14px; margin: 0 0 8px; }
h4 { font-size: 13px; font-weight: 620; margin: 0 0 6px; }
section > p { color: var(--soft); max-width: 62em; margin: 0 0 16px; }
p.protocol { color: var(--soft); margin: 0; }
small { color: var(--soft); font-weight: 400; font-size: 12px; }
h4 small { margin-left: 8px; }
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
.transfer .from { text-align: left; color: var(--soft); } tr.worst :is(td, th) { font-weight: 620; }
td.start, th.start { border-left: 1px solid var(--line); }
i[class^=s] { display: inline-block; width: 10px; height: 10px; border-radius: 3px;
  margin-right: 7px; }
i.s0 { background: var(--s0); } i.s1 { background: var(--s1); }
i.s2 { background: var(--s2); } i.s3 { background: var(--s3); }
.legend span { margin-right: 20px; color: var(--ink); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr));
  gap: 24px; margin-top: 20px; }
figure { margin: 0; min-width: 0; } figcaption { color: var(--soft); font-size: 13px; }
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
.against { flex: 1 1 330px; min-width: 0; } .strip { display: flex; flex-wrap: wrap; gap: 12px; }
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
.frames { display: flex; flex-wrap: wrap; gap: 8px; }
.frame { border: 3px solid; border-radius: 7px; padding: 1px; }
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
footer { color: var(--soft); font-size: 13px; }
a { color: var(--right); }
caption, .held { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
:focus-visible { outline: 2px solid var(--right); outline-offset: 2px; border-radius: 3px; }
p.files { margin: 4px 0 0; font-size: 12px; } p.files a { padding: 4px 8px 4px 0; }
th button { all: unset; cursor: pointer; display: inline-block; }
th button:focus-visible { outline: 2px solid var(--right); outline-offset: 2px; }
th button:hover { color: var(--ink); }
th[aria-sort] button::after { content: " \\2195"; opacity: .45; }
th[aria-sort=ascending] button::after { content: " \\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: " \\2193"; opacity: 1; }
tbody th { color: var(--ink); font-weight: 400; font-size: inherit; }
tbody tr + tr th { border-top: 1px solid var(--line); }
.wraps td, .wraps th { white-space: normal; min-width: 9em; overflow-wrap: anywhere; }
.curves polyline { fill: none; stroke: currentColor; stroke-width: 1.6; }
.curves .worst polyline { stroke-width: 2.6; }
.curves g line { stroke: currentColor; stroke-width: 1; opacity: .55; }
.curves path { fill: currentColor; stroke: var(--paper); stroke-width: .6; }
.curves .clean { color: var(--ink); }
.curves circle { fill: var(--paper); stroke: currentColor; stroke-width: 2; }
.l0 { color: var(--l0); } .l1 { color: var(--l1); } .l2 { color: var(--l2); }
.l3 { color: var(--l3); } .l4 { color: var(--l4); } .l5 { color: var(--l5); }
.l6 { color: var(--l6); } .l7 { color: var(--l7); }
ul.lines { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 6px 0 0;
  padding: 0; font-size: 13px; }
ul.lines svg { display: inline-block; width: 34px; height: 14px; margin-right: 6px;
  vertical-align: -2px; }
ol.failures { list-style: none; margin: 8px 0 0; padding: 0; }
ol.failures > li { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px; margin: 10px 0; display: flex; flex-wrap: wrap; gap: 20px; }
ol.failures > li[hidden] { display: none; }
ol.failures .what { flex: 1 1 300px; min-width: 0; } ol.failures p { margin: 0 0 8px; }
ol.failures small { white-space: nowrap; } ol.failures .found { margin-top: 8px; }
ol.failures figure { flex: none; width: 128px; }
ol.failures .views { display: flex; flex-wrap: wrap; gap: 12px; max-width: 100%; }
.thumb { display: block; width: 128px; height: 128px; border-radius: 4px;
  image-rendering: pixelated; }
.pager { display: flex; gap: 10px; align-items: center; margin: 10px 0 0; font-size: 13px; }
.pager button { font: inherit; color: var(--ink); background: var(--card); cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; padding: 5px 12px; min-height: 32px; }
.pager button[aria-disabled=true] { color: var(--soft); cursor: default; }
.pager output { min-width: 4.5em; text-align: center; color: var(--soft); }
@media (max-width: 640px) { body > header, main, body > footer { padding-inline: 14px; }
  body > header { padding-top: 28px; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; }
  svg.curves text { font-size: 14px; }
  .finds { flex-wrap: wrap; }
  ol.failures .views figure { width: 98px; } .views .thumb { width: 98px; height: 98px; }
  .frame img { width: 46px; height: 46px; } .card .clean { padding-top: 0; } }
@media print {
  @page { margin: 14mm; }
  body { font-size: 11px; background: #fff; }
  body > header, main, body > footer { max-width: none; padding: 0; }
  .scroll { overflow: visible; border: 0; } th, td { padding: 3px 6px; white-space: normal; }
  h2 { margin-top: 24px; } h2, h3, summary { break-after: avoid; }
  figure, tr, .card, ol.failures > li { break-inside: avoid; }
  .pager, p.files { display: none; } th button::after { content: "" !important; }
  ol.failures > li, ol.failures > li[hidden] { display: flex; }
  details:not(:has(ol.failures))::details-content { content-visibility: visible; block-size: auto; }
  .card, .frame, i, svg, .found li { print-color-adjust: exact; }
}
"""
