// Draws all links of one view into a bitmap, away from the main thread.
//
// MESSAGES IN   {graph}   degrees, targets                        once
//               {place}   positions of a layout
//               {style}   codes, colours, ok (1: page is shown), skip (1: links to this page are not drawn) ...
//               {view}    see Camera.view; with an `id`.  The newest view wins: an older one is given up at once.
// MESSAGES OUT  {view, bitmap, done}   first a preview (see STRIDE in density.js), then the whole.

import { Density } from "./density.js";

const PREVIEW = 24e6; // pixels of line that a preview may cost: about a tenth of a second
const PATIENCE = 20; // ms between looks for a newer view
const CLOSE = 2.5; // from this zoom on, links that only pass through the window are left out

let graph, positions, style, density, canvas;
let newest = 0;

onmessage = ({ data }) => {
  if (data.graph) graph = data.graph;
  if (data.place) positions = data.place;
  if (data.style) style = data.style;
  if (data.view) {
    newest = data.view.id;
    draw(data.view);
  }
};

async function draw(view) {
  await breath(); // let all messages in: of several views at once only the last is begun
  if (view.id !== newest) return;
  if (density?.width === view.width && density.height === view.height) density.clear();
  else density = new Density(view.width, view.height);
  const lines = new Lines(view);
  const stride = Math.min(16, Math.max(1, Math.ceil(lines.estimate() / PREVIEW)));
  for (let pass = 0; pass < stride; pass++) {
    if (!(await lines.draw(pass, stride))) return;
    if (pass === 0 || pass === stride - 1) publish(view, pass === stride - 1);
  }
}

/** The links as lines on the screen of one view. */
class Lines {
  constructor(view) {
    this.view = view;
    this.right = view.width - 2.01;
    this.bottom = view.height - 2.01;
    const n = graph.degrees.length;
    this.x = new Float32Array(n);
    this.y = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      this.x[i] = positions[2 * i] * view.scale + view.x;
      this.y[i] = positions[2 * i + 1] * view.scale + view.y;
    }
    this.end = new Float32Array(4);
  }

  /** About how many pixels of line this view has, from a sample of the links. */
  estimate() {
    const { degrees, targets } = graph;
    const every = Math.max(1, Math.floor(targets.length / 20000));
    let sum = 0;
    for (let page = 0, k = 0, next = 0; page < degrees.length; k += degrees[page++])
      for (; next < k + degrees[page]; next += every)
        if (this.clip(page, targets[next])) sum += this.length();
    return sum * every;
  }

  /** Draw one pass over all links; false when a newer view came. */
  async draw(pass, stride) {
    const { degrees, targets } = graph;
    const { codes, colours, ok, skip } = style;
    const { end } = this;
    let looked = performance.now();
    for (let page = 0, k = 0; page < degrees.length; page++) {
      const stop = k + degrees[page];
      if (!ok[page]) k = stop;
      for (; k < stop; k++) {
        const target = targets[k];
        if (!ok[target] || skip[target] || !this.clip(page, target)) continue;
        const length = this.length();
        const weight = length < 30 ? 6 : length < 90 ? 4 : length < 250 ? 2 : 1;
        density.line(end[0], end[1], end[2], end[3], weight, stride, (k * 7 + pass) % stride);
        if (pass === 0) {
          const samples = Math.ceil(length / (stride > 2 ? 24 : 4)) || 1;
          density.tint(end[0], end[1], end[2], end[3], colours[codes[page]], colours[codes[target]], weight, samples);
        }
      }
      if ((page & 255) === 0 && performance.now() - looked > PATIENCE) {
        await breath();
        if (this.view.id !== newest) return false;
        looked = performance.now();
      }
    }
    return true;
  }

  length() {
    return Math.max(Math.abs(this.end[2] - this.end[0]), Math.abs(this.end[3] - this.end[1]));
  }

  /** Put the part of a link that the window shows into `end` (Liang and Barsky); false when there is none. */
  clip(a, b) {
    const { right, bottom, end } = this;
    const ax = this.x[a], ay = this.y[a];
    const dx = this.x[b] - ax, dy = this.y[b] - ay;
    const aInside = ax >= 0 && ax <= right && ay >= 0 && ay <= bottom;
    const bInside = ax + dx >= 0 && ax + dx <= right && ay + dy >= 0 && ay + dy <= bottom;
    let from = 0, to = 1;
    if (!aInside || !bInside) {
      if (!aInside && !bInside && this.view.zoom > CLOSE) return false;
      for (let edge = 0; edge < 4; edge++) {
        const towards = edge === 0 ? -dx : edge === 1 ? dx : edge === 2 ? -dy : dy;
        const room = edge === 0 ? ax : edge === 1 ? right - ax : edge === 2 ? ay : bottom - ay;
        if (towards === 0) {
          if (room < 0) return false;
        } else if (towards < 0) from = Math.max(from, room / towards);
        else to = Math.min(to, room / towards);
      }
      if (from > to) return false;
    }
    end[0] = Math.min(right, Math.max(0, ax + from * dx));
    end[1] = Math.min(bottom, Math.max(0, ay + from * dy));
    end[2] = Math.min(right, Math.max(0, ax + to * dx));
    end[3] = Math.min(bottom, Math.max(0, ay + to * dy));
    return true;
  }
}

/** Colour the ink: the small picture of hues, stretched smoothly, shows only where there is ink. */
function publish(view, done) {
  const { width, height, columns, rows } = density;
  const hues = new OffscreenCanvas(columns, rows);
  hues.getContext("2d").putImageData(density.hues(style.plain, style.strength), 0, 0);
  if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d");
  pen.globalCompositeOperation = "copy";
  pen.putImageData(density.ink(style.ink), 0, 0);
  pen.globalCompositeOperation = "source-in";
  pen.imageSmoothingEnabled = true;
  pen.drawImage(hues, 0, 0, columns * 4, rows * 4);
  const bitmap = canvas.transferToImageBitmap();
  postMessage({ view, bitmap, done }, [bitmap]);
}

/** Let waiting messages in; unlike setTimeout it takes no 4 ms. */
const channel = new MessageChannel();
const waiting = [];
channel.port1.onmessage = () => waiting.shift()();
function breath() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(0);
  });
}
