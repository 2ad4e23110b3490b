// The shortest way to click from one page to any other: breadth-first search, one pass over all links.

const NOWHERE = 0xffffffff;

export class ClickPaths {
  constructor(graph, home) {
    this.home = home;
    this.from = new Uint32Array(graph.n).fill(NOWHERE); // the page before, on the way from home
    this.from[home] = home;
    const queue = new Uint32Array(graph.n);
    queue[0] = home;
    for (let head = 0, tail = 1; head < tail; head++)
      for (const target of graph.outlinks(queue[head]))
        if (this.from[target] === NOWHERE) {
          this.from[target] = queue[head];
          queue[tail++] = target;
        }
  }

  /** The pages from home to `page`, both included; empty when no clicks lead there. */
  to(page) {
    if (this.from[page] === NOWHERE) return [];
    const path = [page];
    while (path[0] !== this.home) path.unshift(this.from[path[0]]);
    return path;
  }
}
