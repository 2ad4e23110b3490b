// The same pages as a table: for screen readers, and for who would rather read.  What the filter hides is not in it.

import { grouped, make, shown, title } from "./dom.js";
import { originOf } from "./texts.js";

const ROWS = 50;

export function table(viewer, place) {
  const { graph, stage, texts } = viewer;
  const columns = graph.meta.columns.filter((column) => column.kind !== "text" || column.file === texts.titles);
  let by = null; // a column, or null: URL
  let descending = true;
  let from = 0;
  let pages = [];

  async function sort() {
    by ??= graph.column(viewer.settings.size) ?? null;
    const kept = Uint32Array.from({ length: viewer.shownPages });
    for (let i = 0, k = 0; i < graph.n; i++) if (stage.ok[i]) kept[k++] = i;
    if (by === "url" || by?.kind === "text") pages = await texts.order(by === "url" ? "urls.txt" : by.file, kept, descending);
    else {
      const keys = sortKeys(by, await graph.numbers(by.name));
      const sign = descending ? -1 : 1;
      pages = kept.sort((a, b) => (keys[a] === keys[b] ? a - b : sign * (keys[a] - keys[b])));
    }
    from = 0;
    await draw();
  }

  async function draw() {
    const rows = pages.slice(from, from + ROWS);
    const urls = await texts.urls(rows);
    const { length } = originOf(urls);
    const cells = await Promise.all(columns.map((column) => cellsOf(column, rows)));
    place.replaceChildren(
      make("p", { role: "status" }, rows.length
        ? `Pages ${grouped(from + 1)} to ${grouped(from + rows.length)} of ${grouped(pages.length)}` : "No pages: everything is filtered out."),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of pages" },
        make("table", {},
          make("thead", {}, make("tr", {}, heading("url", "URL"), columns.map((column) => heading(column, title(column.name))))),
          make("tbody", {}, Array.from(rows, (page, k) => make("tr", {},
            make("th", { scope: "row" }, make("button", { type: "button", title: urls[k], onclick: () => viewer.change({ page }) }, urls[k].slice(length))),
            columns.map((column, c) => make("td", { class: column.kind }, cells[c][k]))))))),
      make("nav", { "aria-label": "Pages of the table" }, step("Back", -ROWS), step("Next", ROWS)),
    );
  }

  async function cellsOf(column, rows) {
    if (column.kind === "text") return texts.read(column.file, rows);
    const values = await graph.numbers(column.name);
    return Array.from(rows, (page) => shown(column, values[page]));
  }

  function heading(column, text) {
    const current = by === column;
    return make("th", { scope: "col", "aria-sort": current ? (descending ? "descending" : "ascending") : "none" },
      make("button", { type: "button", onclick: () => turn(column) }, text, make("span", { "aria-hidden": "true" }, current ? (descending ? " ▾" : " ▴") : "")));
  }

  async function turn(column) {
    descending = by === column ? !descending : column !== "url" && column.kind === "number";
    by = column;
    await sort();
    place.querySelectorAll("thead button")[column === "url" ? 0 : columns.indexOf(column) + 1].focus();
  }

  function step(text, by) {
    const to = from + by;
    return make("button", { type: "button", disabled: to < 0 || to >= pages.length, onclick: async () => {
      from = to;
      await draw();
    } }, text);
  }

  let seen = "";
  viewer.addEventListener("change", () => {
    const { table: wanted, hidden, depth, colour } = viewer.settings;
    place.hidden = !wanted;
    const now = JSON.stringify([...hidden, depth, colour]);
    if (wanted && now !== seen) {
      seen = now;
      sort();
    }
  });
  place.hidden = true;
}

/** Numbers to sort by: unknown last, categories by their name. */
function sortKeys(column, values) {
  if (column.kind === "number") return Float64Array.from(values, (value) => (Number.isNaN(value) ? -Infinity : value));
  const order = column.categories.map((name, k) => [name, k]).sort(([a], [b]) => (a < b ? -1 : 1));
  const rank = new Float64Array(256).fill(Infinity);
  order.forEach(([, k], place) => (rank[k] = place));
  return Float64Array.from(values, (value) => rank[value]);
}
