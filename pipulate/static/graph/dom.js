// Building elements without a framework.

/** `make("button", {class: "quiet", onclick}, "Text", child)`: properties that start with "on" are listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** 1234567 -> "1,234,567". */
export const grouped = (number) => number.toLocaleString("en");

/** A value of a column as people read it; "–" when it is not known. */
export function shown(column, value) {
  if (column.kind === "category") return column.categories[value] ?? "–";
  if (column.kind === "text") return value || "–";
  if (Number.isNaN(value)) return "–";
  if (column.whole || Math.abs(value) >= 100 || !value) return grouped(Math.round(value));
  return Math.abs(value) >= 1e-6 ? value.toPrecision(3) : value.toExponential(2);
}

const TITLES = { pagetype: "Page type", http_code: "HTTP code", pagerank: "PageRank", js_ok: "JavaScript OK" };

/** "crawl_depth" -> "Crawl depth". */
export function title(name) {
  if (name in TITLES) return TITLES[name];
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
