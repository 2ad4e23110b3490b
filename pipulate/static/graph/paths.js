// The shortest way to click from one page to any other: breadth-first search, one pass over all links.

const NOWHERE = 0xffffffff;

export class ClickPaths {
  constructor(graph, home) {
    this.home = home;
    this.from = new Uint32Array(graph.n).fill(NOWHERE); // the page before, on the way from home
    this.from[home] = home;
    const queue = new Uint32Array(graph.n);
    queue[0] = home;
    const { starts, targets } = graph;
    for (let head = 0, tail = 1; head < tail; head++)
      for (let page = queue[head], k = starts[page]; k < starts[page + 1]; k++)
        if (this.from[targets[k]] === NOWHERE) {
          this.from[targets[k]] = page;
          queue[tail++] = targets[k];
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
