// A column becomes classes: at most a dozen groups of pages, each with a colour, a name and a count.  Everything that
// colours, filters or explains works on classes and does not know whether they came from texts or numbers.

import { UNKNOWN } from "./data.js";
import { MOST_CATEGORIES } from "./palette.js";

const MOST_STEPS = 8;

/**
 * Classes of a column: {codes, labels, counts, ramp}.  `codes[i]` is page i's class; a label of null is "other" or
 * "unknown" (see `names`); `ramp` says that the classes are steps of a number.
 */
export function classify(column, values, n) {
  if (!column) return { codes: new Uint8Array(n), labels: ["page"], counts: [n], ramp: false, muted: [] };
  return column.kind === "category" ? categories(column, values) : steps(column, values);
}

function categories(column, values) {
  const shown = column.categories.length > MOST_CATEGORIES + 1 ? MOST_CATEGORIES : column.categories.length;
  const labels = column.categories.slice(0, shown);
  const other = shown < column.categories.length ? labels.push(`${column.categories.length - shown} others`) - 1 : -1;
  const unknown = values.includes(UNKNOWN) ? labels.push("unknown") - 1 : -1;
  const codes = values.map((value) => (value === UNKNOWN ? unknown : value < shown ? value : other));
  return { codes, labels, counts: count(codes, labels.length), ramp: false, muted: [other, unknown] };
}

function steps(column, values) {
  const limits = upperLimits(column, values);
  const labels = limits.map((limit, k) => stepLabel(column, k === 0 ? null : limits[k - 1], limit));
  const unknown = values.some((value) => value !== value) ? labels.push("unknown") - 1 : -1;
  const codes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    let code = 0;
    if (value !== value) code = unknown;
    else while (code < limits.length - 1 && value > limits[code]) code++;
    codes[i] = code;
  }
  return { codes, labels, counts: count(codes, labels.length), ramp: true, muted: [unknown] };
}

/** Highest value of each step: one step a value when there are few, else steps of about equally many pages. */
function upperLimits(column, values) {
  const every = Math.max(1, Math.floor(values.length / 20000));
  const sample = [];
  for (let i = 0; i < values.length; i += every) if (values[i] === values[i]) sample.push(values[i]);
  if (!sample.length) return [0];
  sample.sort((a, b) => a - b);
  const distinct = sample.filter((value, k) => k === 0 || value !== sample[k - 1]);
  const max = column.max ?? distinct.at(-1);
  if (distinct.length <= MOST_STEPS) return [...distinct.slice(0, -1), max];
  const limits = [];
  for (let k = 1; k < MOST_STEPS; k++) {
    const limit = rounded(sample[Math.floor((k * sample.length) / MOST_STEPS)], column.whole);
    if (limit > (limits.at(-1) ?? -Infinity) && limit < max) limits.push(limit);
  }
  return [...limits, max];
}

/** A number that reads well: two significant digits. */
function rounded(value, whole) {
  if (value === 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 1);
  const result = Math.ceil(value / unit - 1e-9) * unit;
  return whole ? Math.round(result) : Number(result.toPrecision(2));
}

function stepLabel(column, below, limit) {
  if (below === null) return column.min === limit ? short(limit) : `≤ ${short(limit)}`;
  if (column.whole && limit - below === 1) return short(limit);
  return column.whole ? `${short(below + 1)} – ${short(limit)}` : `> ${short(below)} – ${short(limit)}`;
}

/** 1234567 -> "1.2M"; 0.000123 -> "0.00012". */
export function short(value) {
  if (value === 0 || (Math.abs(value) >= 0.01 && Math.abs(value) < 10000 && Number.isInteger(value)))
    return value.toLocaleString("en");
  if (Math.abs(value) >= 10000) return Intl.NumberFormat("en", { notation: "compact" }).format(value);
  return String(Number(value.toPrecision(3)));
}

function count(codes, length) {
  const counts = new Array(length).fill(0);
  for (const code of codes) counts[code]++;
  return counts;
}
