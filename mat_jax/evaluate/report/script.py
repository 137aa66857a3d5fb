"""The page's one script: tables that sort, failures one at a time, all of it on paper.

The page is whole without it. No text of a result is part of it, and the page's policy names its
hash, so that a browser runs no other.
"""

import base64
import hashlib

SCRIPT = """
"use strict";
// A table sorts by the head that is pressed: up, down, and as it was.
for (const table of document.querySelectorAll("table[data-sorts]")) {
  const body = table.tBodies[0], before = [...body.rows];
  if (before.length < 2) continue;
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const key = (row, column) => {
    const cell = row.cells[column], told = cell.dataset.value;
    if (told !== undefined) return told === "" ? null : Number(told);
    const text = cell.textContent.trim();
    return text === "" || text === "\\u2013" ? null : text;
  };
  const order = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), "en", {numeric: true});
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const next = {none: "ascending", ascending: "descending", descending: "none"}[now];
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const rows = next === "none" ? before : [...before].sort((one, two) => {
        const a = key(one, column), b = key(two, column);
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * order(a, b);
      });
      body.append(...rows);
    });
  });
}
// Of a list of failures one stands there, with buttons to the others.
for (const list of document.querySelectorAll("ol.failures")) {
  const pages = [...list.children];
  if (pages.length < 2) continue;
  const bar = document.createElement("div"), told = document.createElement("output");
  bar.className = "pager";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Failures, the worst first");
  let at = 0;
  const show = (to) => {
    at = Math.min(Math.max(to, 0), pages.length - 1);
    pages.forEach((page, n) => { page.hidden = n !== at; });
    told.textContent = `${at + 1} of ${pages.length}`;
    back.setAttribute("aria-disabled", String(at === 0));
    on.setAttribute("aria-disabled", String(at === pages.length - 1));
  };
  const button = (text, step) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => show(at + step));
    return made;
  };
  const back = button("\\u2190 worse", -1), on = button("less bad \\u2192", 1);
  bar.addEventListener("keydown", (event) => {
    const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: pages.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
  bar.append(back, told, on);
  list.before(bar);
  show(0);
}
// What is folded away is printed all the same, but for failures, which would be many sheets.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll(
    "details:not([open], :has(ol.failures))")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
"""

_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
# Nothing is loaded from anywhere, and what data might smuggle in does not run.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    f"style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; base-uri 'none'; "
    "form-action 'none'\">"
)
