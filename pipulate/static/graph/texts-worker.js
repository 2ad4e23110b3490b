// Holds the URLs (and titles) of all pages, searches them, and hands out the few that are shown.
//
// A text is one long string, a line a page, plus the place where each line begins.  Searching a string of 8 MB for a
// piece takes a few milliseconds (the engine's own indexOf); an array of 110,000 strings would cost memory and time.
//
// MESSAGES IN   {id, ask, ...}   ask: "open" | "read" | "find" | "exact" | "order"
// MESSAGES OUT  {id, answer} or {id, error}

const texts = new Map(); // file name -> {text, lower, starts}
let source, importance, ranking; // ranking: all pages, most important first

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, answer: await tasks[data.ask](data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error) });
  }
};

const tasks = {
  /** Where the files are, and how important each page is (larger first in the answers). */
  open(data) {
    source = new URL(data.source, location.href).href;
    importance = data.importance;
    ranking = Uint32Array.from(importance, (_, page) => page).sort((a, b) => importance[b] - importance[a] || a - b);
    return null;
  },

  /** The lines of some pages. */
  async read({ file, pages }) {
    const lines = await open(file);
    return Array.from(pages, (page) => lineOf(lines, page));
  },

  /** Pages with a line that holds all words, most important first: {count, pages, lines} with at most `most` pages,
      and of the first `listed` their lines in the first file. */
  async find({ files, query, most, listed }) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return { count: 0, pages: [], lines: [] };
    const found = new Uint8Array(importance.length);
    let count = 0;
    for (const file of files) count += markMatches(await open(file), words, found);
    const pages = mostImportant(found, Math.min(most, count));
    const lines = await open(files[0]);
    return { count, pages, lines: pages.slice(0, listed).map((page) => lineOf(lines, page)) };
  },

  /** The page with just this line, or -1. */
  async exact({ file, line }) {
    const { text, starts } = await open(file);
    for (let at = text.indexOf(line); at >= 0; at = text.indexOf(line, at + 1)) {
      const before = at === 0 || text[at - 1] === "\n";
      const after = at + line.length === text.length || text[at + line.length] === "\n";
      if (before && after) return pageAt(starts, at);
    }
    return -1;
  },

  /** The given pages sorted by their lines. */
  async order({ file, pages, descending }) {
    const lines = await open(file);
    const keyed = Array.from(pages, (page) => [lineOf(lines, page), page]);
    keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    if (descending) keyed.reverse();
    return Uint32Array.from(keyed, ([, page]) => page);
  },
};

function open(file) {
  if (!texts.has(file)) texts.set(file, fetchLines(file));
  return texts.get(file);
}

async function fetchLines(file) {
  const response = await fetch(source + file);
  if (!response.ok) throw new Error(`${file}: the server answered ${response.status}`);
  const text = await response.text();
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  const lower = text.toLowerCase();
  // A few capitals of the world grow in lower case; then places would not agree, and we search as it is written.
  return { text, lower: lower.length === text.length ? lower : text, starts: Uint32Array.from(starts) };
}

function lineOf({ text, starts }, page) {
  const end = page + 1 < starts.length ? starts[page + 1] - 1 : text.length;
  return text.slice(starts[page], end);
}

/** The first `most` of the marked pages by importance: a walk down the ranking, cheaper than sorting what was found. */
function mostImportant(found, most) {
  const pages = [];
  for (let k = 0; pages.length < most; k++) if (found[ranking[k]]) pages.push(ranking[k]);
  return pages;
}

/** Mark the pages whose line holds all words; returns how many were not marked before.  The longest word, the rarest as
    a rule, is searched for; the others checked. */
function markMatches({ lower, starts }, words, found) {
  const [longest, ...others] = [...words].sort((a, b) => b.length - a.length);
  if (longest.length === 1 && !others.length) return markLetter(lower, starts, longest.charCodeAt(0), found);
  let page = 0, count = 0;
  for (let at = lower.indexOf(longest); at >= 0; ) {
    while (page + 1 < starts.length && starts[page + 1] <= at) page++;
    const end = page + 1 < starts.length ? starts[page + 1] - 1 : lower.length;
    const line = others.length ? lower.slice(starts[page], end) : "";
    if (!found[page] && others.every((word) => line.includes(word))) found[page] = 1, count++;
    at = end < lower.length ? lower.indexOf(longest, end) : -1;
  }
  return count;
}

/** The same for the first letter typed, which most lines have: a plain loop is faster than a hundred thousand indexOf. */
function markLetter(lower, starts, letter, found) {
  let count = 0;
  for (let page = 0; page < starts.length; page++) {
    const end = page + 1 < starts.length ? starts[page + 1] - 1 : lower.length;
    for (let at = starts[page]; at < end && !found[page]; at++)
      if (lower.charCodeAt(at) === letter) found[page] = 1, count++;
  }
  return count;
}

/** The line that a place in the text belongs to: binary search. */
function pageAt(starts, at) {
  let low = 0, high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
