// The picture itself: layers made elsewhere, put together for each frame.
//
// LAYERS   links and points are bitmaps from workers; marks (the chosen page's links) is drawn here.  Each remembers the
//          view it was made for, so a frame of panning or zooming only moves and stretches bitmaps.  New ones are asked
//          for at once (points) or when the view has been still for a moment (links).
// UNITS    "place" is the layout's square; "screen" is CSS pixels inside the stage.

import { Camera } from "./camera.js";
import { candidates, hubFont, place, sectionFont, sectionNames } from "./labels.js";
import { HIGHLIGHT, rgb } from "./palette.js";
import { Picker } from "./pick.js";

const STILL = 60; // ms without movement before links are drawn anew
const MARGIN = 0.12; // of the window, drawn beyond each edge
const LINK_PIXELS = 2.6e6;
const POINT_PIXELS = 6e6;
const MOST_MARKS = 3000; // links of the chosen page that are drawn, most important first

export class Stage {
  constructor(canvas, graph, texts) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.graph = graph;
    this.texts = texts;
    this.camera = new Camera(graph.meta.side);
    this.layers = { links: null, points: null, marks: null };
    this.workers = {};
    for (const name of ["links", "points"]) {
      this.workers[name] = new Worker(new URL(`./${name}-worker.js`, import.meta.url), { type: "module" });
      this.workers[name].onmessage = ({ data }) => this.receive(name, data);
    }
    const { degrees, targets } = graph;
    this.workers.links.postMessage({ graph: { degrees, targets } });
    this.asked = 0;
    this.busy = false; // a points bitmap is on its way
    this.chosen = -1;
    this.hovered = -1;
    this.found = [];
    this.path = [];
    this.named = [];
    this.discs = [];
    this.timings = {}; // ms of the last frame, raster, ...; read by the bench
    this.onmove = () => {};
    this.onhubs = () => {};
    this.onstate = () => {}; // "drawing" or "drawn": do all layers and names show this view?
    this.owed = new Set(); // what of it is still to come
  }

  close() {
    for (const worker of Object.values(this.workers)) worker.terminate();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }

  // ---- what is shown

  setLayout(positions, discs) {
    this.positions = positions;
    this.discs = discs;
    this.picker = new Picker(positions, this.graph.meta.side);
    for (const worker of Object.values(this.workers)) worker.postMessage({ place: positions });
  }

  /** `sizes`: a number for each page (larger: larger dot, earlier name). */
  setSizes(sizes) {
    this.sizes = sizes;
    const n = sizes.length;
    this.ranking = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => sizes[b] - sizes[a] || a - b);
    this.order = this.ranking.slice().reverse();
    this.scaleDots();
  }

  /** Dots as large as the room between pages allows. */
  scaleDots() {
    const side = Math.min(this.camera.width, this.camera.height);
    const room = (side * 0.8) / Math.sqrt(this.graph.n);
    const small = Math.min(1, side / 700); // a phone, a card
    const least = Math.max(0.58, Math.min(3.2 * small, 0.3 * room));
    const most = Math.max(4, Math.min(15 * small, 6 * least));
    const top = Math.sqrt(Math.max(1e-12, this.sizes[this.ranking[0]]));
    this.radius = Float32Array.from(this.sizes, (size) => least + (most - least) * (Math.sqrt(Math.max(0, size)) / top) ** 1.2);
    this.largest = most;
  }

  /** Colours, filter and theme: codes (class of each page), colours (of each class), ok and skip (0 or 1 by page). */
  setStyle({ codes, colours, ok, skip, theme }) {
    Object.assign(this, { codes, colours, ok, theme });
    const dark = theme === "dark";
    const style = getComputedStyle(this.canvas);
    this.ink = { text: style.color, ground: style.backgroundColor };
    const common = { codes, ok, colours: colours.map(rgb) };
    this.workers.links.postMessage({
      style: { ...common, skip, plain: dark ? [142, 134, 122] : [132, 126, 118], strength: dark ? 0.75 : 0.7, ink: dark ? 215 : 200 },
    });
    this.workers.points.postMessage({
      style: { ...common, radius: this.radius, order: this.order, halo: rgb(this.ink.ground) },
    });
  }

  // ---- frames

  /** Take the canvas's size on the page; false when it is as before, or nothing is to be seen. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(2, devicePixelRatio || 1);
    if (!width || !height || (width === this.camera.width && height === this.camera.height && ratio === this.ratio)) return false;
    this.ratio = ratio;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.camera.resize(width, height);
    return true;
  }

  /** The view changed: show what we have, moved; ask for better. */
  moved() {
    this.look();
    this.draw();
    this.onmove();
  }

  owe(...parts) {
    for (const part of parts) this.owed.add(part);
    this.onstate("drawing");
  }

  settle(part) {
    if (this.owed.delete(part) && !this.owed.size) this.onstate("drawn");
  }

  /** Ask the workers for this view. */
  look(at = STILL) {
    this.owe("points", "links", "names");
    this.lookAtPoints();
    this.linksAsked = undefined; // what is on its way is of an earlier view
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.linksAsked = ++this.asked;
      this.workers.links.postMessage({ view: { ...this.view(LINK_PIXELS), id: this.linksAsked } });
      this.drawMarks();
      this.nameHubs();
    }, at);
  }

  lookAtPoints() {
    if (this.busy) return (this.again = true);
    this.busy = true;
    this.again = false;
    this.workers.points.postMessage({ view: { ...this.view(POINT_PIXELS), id: ++this.asked } });
  }

  view(mostPixels) {
    const { width, height } = this.camera;
    const whole = width * height * (1 + 2 * MARGIN) ** 2;
    const view = this.camera.view(MARGIN, Math.min(this.ratio, Math.sqrt(mostPixels / whole)));
    return { ...view, grow: this.grow, asked: performance.now() };
  }

  receive(name, { view, bitmap, done }) {
    this.layers[name]?.bitmap.close();
    this.layers[name] = { view, bitmap };
    this.timings[done ? name : `${name}Preview`] = performance.now() - view.asked;
    if (this.layers.links && this.layers.points) this.timings.first ??= performance.now(); // since the page was asked for
    if (name === "points") {
      this.busy = false;
      if (this.again) this.lookAtPoints();
    }
    this.draw();
    if (name === "points" ? !this.busy : done && view.id === this.linksAsked) this.settle(name);
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      const start = performance.now();
      this.paint(this.pen, this.ratio);
      this.timings.frame = performance.now() - start;
    });
  }

  /** Put the layers together. */
  paint(pen, ratio) {
    const { camera, layers } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = this.ink.ground;
    pen.fillRect(0, 0, camera.width, camera.height);
    this.paintDiscs(pen);
    const aside = this.chosen >= 0 || this.found.length ? 0.28 : 1; // the rest steps back
    this.paintLayer(pen, layers.links, aside);
    this.paintLayer(pen, layers.points, aside);
    this.paintLayer(pen, layers.marks, 1);
    this.paintRings(pen);
    this.paintNames(pen);
  }

  paintLayer(pen, layer, opacity) {
    if (!layer) return;
    const { view, bitmap } = layer;
    const change = this.camera.scale / view.scale;
    pen.globalAlpha = opacity;
    pen.imageSmoothingEnabled = change !== 1 / this.ratio;
    pen.drawImage(bitmap, this.camera.x - view.x * change, this.camera.y - view.y * change,
                  view.width * change, view.height * change);
    pen.globalAlpha = 1;
  }

  paintDiscs(pen) {
    pen.fillStyle = this.theme === "dark" ? "rgba(214, 200, 170, .05)" : "rgba(110, 90, 50, .04)";
    for (const disc of this.discs) {
      const [x, y] = this.camera.toScreen(disc.x, disc.y);
      pen.beginPath();
      pen.arc(x, y, disc.r * this.camera.scale + 2, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  /** Rings around found pages, the hovered and the chosen one. */
  paintRings(pen) {
    const colours = HIGHLIGHT[this.theme];
    pen.strokeStyle = colours.ring;
    pen.lineWidth = 1.5;
    for (const page of this.found) this.paintDot(pen, page, 1.5);
    pen.lineWidth = 2;
    for (const page of new Set([this.chosen, this.hovered])) if (page >= 0) this.paintDot(pen, page, 3);
  }

  paintDot(pen, page, distance) {
    const [x, y] = this.onScreen(page);
    const radius = this.radiusOnScreen(page);
    pen.fillStyle = this.colours[this.codes[page]];
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
    pen.beginPath();
    pen.arc(x, y, radius + distance, 0, 2 * Math.PI);
    pen.stroke();
  }

  paintNames(pen) {
    const boxes = [];
    pen.lineJoin = "round";
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    const sections = this.camera.zoom < 6 ? sectionNames(pen, this, boxes) : [];
    for (const { text, x, y, size } of sections) {
      pen.font = sectionFont(size);
      this.paintText(pen, text, x, y, 4);
    }
    pen.font = hubFont;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    const first = [this.hovered, this.chosen, ...this.path].filter((page) => page >= 0);
    this.named = place(pen, this, [...new Set([...first, ...(this.hubs ?? [])])], boxes);
    for (const { text, x, y } of this.named) this.paintText(pen, text, x, y, 3.5);
  }

  paintText(pen, text, x, y, halo) {
    pen.strokeStyle = this.ink.ground;
    pen.lineWidth = halo;
    pen.globalAlpha = 0.85;
    pen.strokeText(text, x, y);
    pen.globalAlpha = 1;
    pen.fillStyle = this.ink.text;
    pen.fillText(text, x, y);
  }

  /** Choose the hubs that get a name in this view, and fetch their URLs. */
  async nameHubs() {
    const hubs = (this.hubs = candidates(this));
    this.owe("names");
    const wanted = [this.hovered, this.chosen, ...this.path, ...hubs].filter((page) => page >= 0);
    await this.texts.urls(wanted);
    if (hubs !== this.hubs) return; // of a later view others are on their way
    this.draw();
    this.onhubs(hubs);
    this.settle("names");
  }

  // ---- the chosen page

  /** Make one page stand out with its links and the click path to it; -1: none. */
  choose(page, path = []) {
    this.chosen = page;
    this.path = path;
    this.drawMarks();
    this.nameHubs();
    this.draw();
  }

  drawMarks() {
    this.layers.marks?.bitmap.close?.();
    this.layers.marks = null;
    if (this.chosen < 0) return;
    const view = this.view(LINK_PIXELS);
    const canvas = new OffscreenCanvas(view.width, view.height);
    const pen = canvas.getContext("2d");
    pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    const colours = HIGHLIGHT[this.theme];
    this.strokeLinks(pen, view, this.graph.inlinks(this.chosen), colours.in);
    this.strokeLinks(pen, view, this.graph.outlinks(this.chosen), colours.out);
    this.strokePath(pen, view, colours.ring);
    this.layers.marks = { view, bitmap: canvas };
  }

  strokeLinks(pen, view, pages, colour) {
    const shown = this.mostImportant(pages.filter((page) => this.ok[page]), MOST_MARKS);
    const [x, y] = inView(view, this.positions, this.chosen);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.1;
    pen.globalAlpha = Math.max(0.1, Math.min(0.75, 7 / Math.sqrt(shown.length + 1)));
    pen.beginPath();
    for (const page of shown) {
      pen.moveTo(x, y);
      pen.lineTo(...inView(view, this.positions, page));
    }
    pen.stroke();
    pen.globalAlpha = 1;
    for (const page of shown) {
      pen.fillStyle = this.colours[this.codes[page]];
      pen.beginPath();
      pen.arc(...inView(view, this.positions, page), Math.max(1.6, this.radiusOnScreen(page)), 0, 2 * Math.PI);
      pen.fill();
    }
  }

  strokePath(pen, view, colour) {
    if (this.path.length < 2) return;
    pen.strokeStyle = colour;
    pen.lineWidth = 2.5;
    pen.setLineDash([7, 4]);
    pen.beginPath();
    for (const page of this.path) pen.lineTo(...inView(view, this.positions, page));
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = colour;
    for (const page of this.path) {
      pen.beginPath();
      pen.arc(...inView(view, this.positions, page), this.radiusOnScreen(page) + 1.5, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  /** The most important of some pages, most important first. */
  mostImportant(pages, most) {
    return Array.from(pages).sort((a, b) => this.sizes[b] - this.sizes[a] || a - b).slice(0, most);
  }

  // ---- places

  /** How much larger dots are than in the whole picture: they grow, more slowly than distances. */
  get grow() {
    return Math.max(0.8, Math.min(5, this.camera.zoom ** 0.55));
  }

  radiusOnScreen(page) {
    return this.radius[page] * this.grow;
  }

  onScreen(page) {
    return this.camera.toScreen(this.positions[2 * page], this.positions[2 * page + 1]);
  }

  /** The page at a point of the screen, or -1. */
  pageAt(screenX, screenY) {
    const start = performance.now();
    const { scale } = this.camera;
    const [x, y] = this.camera.toPlace(screenX, screenY);
    const grow = this.grow / scale;
    const page = this.picker.nearest(x, y, 6 / scale, (i) => this.radius[i] * grow, this.largest * grow, this.ok);
    this.timings.pick = performance.now() - start;
    return page;
  }
}

/** A page's place in a layer, in CSS pixels. */
function inView(view, positions, page) {
  return [(positions[2 * page] * view.scale + view.x) / view.ratio, (positions[2 * page + 1] * view.scale + view.y) / view.ratio];
}
