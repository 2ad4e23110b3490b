// A picture of many lines without a GPU: count how much line each pixel holds, then turn counts into ink.
//
// BRIGHTNESS  One u32 a pixel.  Lines are drawn with smooth edges: each step along a line gives its two nearest pixels
//             a share of 256 x weight.
// COLOUR      One sum of red, green, blue and weight for each square of GRAIN x GRAIN pixels: eyes see colour coarsely
//             (JPEG and television save there, too), and it makes colour almost free.
// INK         Opacity grows with the logarithm of the count, relative to the busiest pixels: single lines stay visible
//             beside places where thousands cross.
// STRIDE      With `stride` s, a call draws every s-th pixel of a line, beginning at `phase`.  Phases 0..s-1 together
//             give the whole picture; the first alone gives a good preview, because many lines average out.

export const GRAIN = 4;
const SHARES = 256;
const STEPS = 64; // of opacity, for each doubling of the count
const BUSIEST = 0.95; // this share of all inked pixels is not yet saturated

export class Density {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / GRAIN);
    this.rows = Math.ceil(height / GRAIN);
    this.cells = new Uint32Array(width * height);
    this.colours = new Float32Array(4 * this.columns * this.rows);
  }

  clear() {
    this.cells.fill(0);
    this.colours.fill(0);
  }

  /** Draw a line between two points inside [0, width - 2] x [0, height - 2]. */
  line(ax, ay, bx, by, weight, stride, phase) {
    const { cells, width } = this;
    const steep = Math.abs(by - ay) > Math.abs(bx - ax);
    const nextAlong = steep ? width : 1;
    const nextAcross = steep ? 1 : width;
    let from = steep ? ay : ax;
    let to = steep ? by : bx;
    let across = steep ? ax : ay;
    let end = steep ? bx : by;
    if (from > to) [from, to, across, end] = [to, from, end, across];
    const slope = to > from ? (end - across) / (to - from) : 0;
    const last = Math.round(to);
    let along = Math.round(from) + phase;
    // Fixed point: the whole part is the pixel, the next eight bits are the share of the pixel after it.
    let fixed = Math.min(Math.max(across, end), Math.max(Math.min(across, end), across + slope * (along - from))) * 65536;
    const step = Math.trunc(slope * stride * 65536);
    for (; along <= last; along += stride, fixed += step) {
      const at = (fixed >> 16) * nextAcross + along * nextAlong;
      const share = (fixed >> 8) & (SHARES - 1);
      cells[at] += (SHARES - share) * weight;
      cells[at + nextAcross] += share * weight;
    }
  }

  /** Colour a line: `first` and `second` are [r, g, b] of its halves; `samples` points are taken. */
  tint(ax, ay, bx, by, first, second, weight, samples) {
    const { colours, columns } = this;
    const dx = (bx - ax) / samples;
    const dy = (by - ay) / samples;
    let x = ax + dx / 2;
    let y = ay + dy / 2;
    for (let k = 0; k < samples; k++, x += dx, y += dy) {
      const at = 4 * ((y / GRAIN | 0) * columns + (x / GRAIN | 0));
      const colour = 2 * k < samples ? first : second;
      colours[at] += colour[0] * weight;
      colours[at + 1] += colour[1] * weight;
      colours[at + 2] += colour[2] * weight;
      colours[at + 3] += weight;
    }
  }

  /** Return the ink as pixels: opacity only (black), to be coloured by `hues`.  `strongest` is 0..255. */
  ink(strongest) {
    const opacity = this.opacities(strongest);
    const pixels = new Uint32Array(this.cells.length);
    for (let i = 0; i < pixels.length; i++) if (this.cells[i]) pixels[i] = opacity[step(this.cells[i])] << 24;
    return new ImageData(new Uint8ClampedArray(pixels.buffer), this.width, this.height);
  }

  opacities(strongest) {
    const counts = new Uint32Array(33 * STEPS);
    let inked = 0;
    for (const cell of this.cells) if (cell) inked++, counts[step(cell)]++;
    let busiest = 0;
    for (let seen = 0; busiest < counts.length - 1 && seen < inked * BUSIEST; busiest++) seen += counts[busiest];
    const one = SHARES * 2;
    const most = Math.log1p(Math.max(value(busiest), 16 * one) / one);
    return Uint8Array.from(counts, (_, k) => strongest * Math.min(1, Math.log1p(value(k) / one) / most) ** 1.15);
  }

  /** Return the colours as a small picture, one pixel a square; `plain` where there is none. */
  hues(plain, strength) {
    const pixels = new Uint8ClampedArray(this.colours.length);
    for (let at = 0; at < pixels.length; at += 4) {
      const weight = this.colours[at + 3];
      for (let c = 0; c < 3; c++)
        pixels[at + c] = weight ? plain[c] + strength * (this.colours[at + c] / weight - plain[c]) : plain[c];
      pixels[at + 3] = 255;
    }
    return new ImageData(pixels, this.columns, this.rows);
  }
}

/** The place of a count on a logarithmic scale. */
function step(count) {
  const doublings = 31 - Math.clz32(count);
  const rest = doublings > 6 ? (count >>> (doublings - 6)) & (STEPS - 1) : (count << (6 - doublings)) & (STEPS - 1);
  return doublings * STEPS + rest;
}

function value(place) {
  return 2 ** Math.floor(place / STEPS) * (1 + (place % STEPS) / STEPS);
}
