// The main thread's side of texts-worker.js: ask for URLs, remember the few that were shown.

export class Texts {
  constructor(graph, importance) {
    this.worker = new Worker(new URL("./texts-worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.settle(data);
    this.pending = new Map();
    this.known = new Map(); // page -> URL
    this.titles = graph.meta.columns.find((column) => column.kind === "text" && /title/i.test(column.name))?.file;
    this.ask("open", { source: graph.source, importance });
  }

  close() {
    this.worker.terminate();
  }

  ask(ask, details) {
    const id = (this.last = (this.last ?? 0) + 1);
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, ask, ...details });
    });
  }

  settle({ id, answer, error }) {
    const { resolve, reject } = this.pending.get(id);
    this.pending.delete(id);
    if (error) reject(new Error(error));
    else resolve(answer);
  }

  /** The URL of a page if it was read before, else undefined. */
  url(page) {
    return this.known.get(page);
  }

  /** The URLs of some pages. */
  async urls(pages) {
    pages = Array.from(pages);
    if (pages.some((page) => !this.known.has(page))) {
      const lines = await this.read("urls.txt", pages);
      if (this.known.size > 20000) this.known.clear();
      pages.forEach((page, k) => this.known.set(page, lines[k]));
      return lines;
    }
    return pages.map((page) => this.known.get(page));
  }

  read(file, pages) {
    return this.ask("read", { file, pages });
  }

  /** Pages that have all words of `query`: {count, pages}; the URLs of the first `listed` are known from then on. */
  async find(query, most, listed) {
    const answer = await this.ask("find", { files: ["urls.txt", this.titles].filter(Boolean), query, most, listed });
    answer.lines.forEach((line, k) => this.known.set(answer.pages[k], line));
    return answer;
  }

  pageOf(url) {
    return this.ask("exact", { file: "urls.txt", line: url });
  }

  order(file, pages, descending) {
    return this.ask("order", { file, pages, descending });
  }
}

/** The part of a URL that tells pages of one site apart. */
export function pathOf(url) {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "") || "/";
}

/** What all URLs begin with, where they have one host, else "": it need not stand in every row. */
export function originOf(urls) {
  const origins = new Set(urls.map((url) => /^https?:\/\/[^/]+(?=\/)/i.exec(url)?.[0] ?? ""));
  return origins.size === 1 ? [...origins][0] : "";
}

/** The end of a path, which says most: `/a/b/c.html` -> `c.html`; with its folder when it says little alone. */
export function shortPath(url, most = 30) {
  const path = pathOf(url).replace(/[?#].*$/, "");
  if (path.length <= 16) return path;
  const parts = path.split("/").filter(Boolean);
  const last = parts.at(-1) ?? "/";
  const name = /^index\.|^.{1,3}$/.test(last) && parts.length > 1 ? parts.slice(-2).join("/") : last;
  const ending = path.endsWith("/") ? name + "/" : name;
  return ending.length <= most ? ending : ending.slice(0, most / 2 - 1) + "…" + ending.slice(-most / 2);
}
