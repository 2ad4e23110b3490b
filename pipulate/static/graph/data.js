// What the server sends, as typed arrays.  The format's home is pipulate/graph/picture.py.
//
// Links stand in CSR form, as they come: the out-degree of each page, then all targets, page by page.  From it we make
// the offsets (where a page's outlinks begin) and, the other way round, the inlinks.  Columns are fetched when first
// asked for.  URLs and other texts never come here: texts.js asks a worker that holds them.

export const UNKNOWN = 255; // a category column's code for "not known"

/** Fetch what every picture needs: counts, columns' descriptions, links. */
export async function load(source) {
  const [meta, links] = await Promise.all([fetchFile(source, "meta.json", "json"), fetchFile(source, "links.u32")]);
  return new Graph(source, meta, new Uint32Array(links));
}

async function fetchFile(source, name, kind = "arrayBuffer") {
  const response = await fetch(source + name);
  if (!response.ok) throw new Error(`${name}: the server answered ${response.status}`);
  return response[kind]();
}

class Graph {
  constructor(source, meta, links) {
    this.source = source;
    this.meta = meta;
    this.n = meta.pages;
    this.m = meta.links;
    this.degrees = links.subarray(0, this.n);
    this.targets = links.subarray(this.n);
    this.starts = runningSum(this.degrees);
    this.positions = new Map();
    this.values = new Map();
  }

  /** Pages that page `i` links to. */
  outlinks(i) {
    return this.targets.subarray(this.starts[i], this.starts[i + 1]);
  }

  /** Pages that link to page `i`. */
  inlinks(i) {
    const { starts, sources } = this.reverse();
    return sources.subarray(starts[i], starts[i + 1]);
  }

  /** The links turned round, made when first needed: about 20 ms for a million. */
  reverse() {
    if (this.turned) return this.turned;
    const starts = runningSum(this.inDegrees());
    const sources = new Uint32Array(this.m);
    const next = starts.slice();
    for (let page = 0, k = 0; page < this.n; page++)
      for (const end = this.starts[page + 1]; k < end; k++) sources[next[this.targets[k]]++] = page;
    return (this.turned = { starts, sources });
  }

  inDegrees() {
    const count = new Uint32Array(this.n);
    for (const target of this.targets) count[target]++;
    return count;
  }

  column(name) {
    return this.meta.columns.find((column) => column.name === name);
  }

  /** A number or category column's values: Float32Array, Float64Array (NaN: unknown) or Uint8Array (UNKNOWN). */
  async numbers(name) {
    if (!this.values.has(name)) {
      const { file } = this.column(name);
      const Kind = { f32: Float32Array, f64: Float64Array, u8: Uint8Array }[file.split(".")[1]];
      this.values.set(name, fetchFile(this.source, file).then((bytes) => new Kind(bytes)));
    }
    return this.values.get(name);
  }

  /** Ask for all of these at once; they are awaited later, one by one. */
  prefetch(columns, layout) {
    const later = () => {}; // who awaits it hears of a failure
    for (const name of columns) if (this.column(name)) this.numbers(name).catch(later);
    this.layout(layout).catch(later);
  }

  /** Positions of all pages (x and y in turn, 0..side) in a layout. */
  async layout(name) {
    if (!this.positions.has(name)) {
      const promise = fetchFile(this.source, `${name}.f32`).then((bytes) => new Float32Array(bytes));
      promise.catch(() => this.positions.delete(name)); // not there yet: may be asked for again
      this.positions.set(name, promise);
    }
    return this.positions.get(name);
  }
}

function runningSum(counts) {
  const starts = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) starts[i + 1] = starts[i] + counts[i];
  return starts;
}
