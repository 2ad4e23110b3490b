// Which page is under the pointer: pages sorted into the cells of a grid, so that only a few are looked at.

export class Picker {
  constructor(positions, side) {
    const n = positions.length / 2;
    this.positions = positions;
    this.side = side;
    this.cells = Math.max(8, Math.min(512, Math.round(Math.sqrt(n / 4)))); // each way
    this.starts = new Uint32Array(this.cells * this.cells + 1);
    for (let i = 0; i < n; i++) this.starts[this.cellOf(i) + 1]++;
    for (let k = 1; k < this.starts.length; k++) this.starts[k] += this.starts[k - 1];
    this.pages = new Uint32Array(n);
    const next = this.starts.slice();
    for (let i = 0; i < n; i++) this.pages[next[this.cellOf(i)]++] = i;
  }

  cellOf(i) {
    return this.cell(this.positions[2 * i + 1]) * this.cells + this.cell(this.positions[2 * i]);
  }

  cell(place) {
    return Math.max(0, Math.min(this.cells - 1, Math.floor((place / this.side) * this.cells)));
  }

  /** Call `visit(page)` for each page whose cell touches the box. */
  inBox(left, top, right, bottom, visit) {
    const from = this.cell(left), to = this.cell(right);
    for (let row = this.cell(top); row <= this.cell(bottom); row++) {
      const end = this.starts[row * this.cells + to + 1];
      for (let k = this.starts[row * this.cells + from]; k < end; k++) visit(this.pages[k]);
    }
  }

  /**
   * The page whose dot is nearest to the place (x, y), at most `slack` away from its rim; -1 when there is none.
   * `radius(page)` and `slack` are in the layout's units, `largest` is the largest radius; `ok` marks shown pages.
   */
  nearest(x, y, slack, radius, largest, ok) {
    let best = -1, least = slack;
    const reach = slack + largest;
    this.inBox(x - reach, y - reach, x + reach, y + reach, (i) => {
      if (!ok[i]) return;
      const distance = Math.hypot(this.positions[2 * i] - x, this.positions[2 * i + 1] - y) - radius(i);
      if (distance < least) [least, best] = [distance, i];
    });
    return best;
  }
}
