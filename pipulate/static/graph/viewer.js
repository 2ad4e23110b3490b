// One picture of one graph: its settings, and what follows from them.  The parts around it (legend, panel, ...) read
// settings, call `change`, and listen for "change"; nobody else keeps state.
//
// SETTINGS  layout "sections" | "force" · colour, size: names of columns · depth: most clicks from home, null: all ·
//           hidden: labels of classes that are left out · siteWide: draw links to template targets · page: the chosen
//           one or -1 · table: show the table instead of the picture

import { classify } from "./classes.js";
import { ClickPaths } from "./paths.js";
import { categoryColours, changeColours, currentTheme, otherColour, rampColours } from "./palette.js";
import { Stage } from "./stage.js";
import { Texts } from "./texts.js";

const SITE_WIDE = "site-wide"; // the column that marks template targets
const CHANGE = "change"; // the column that tells what became of a page since an earlier analysis

export class Viewer extends EventTarget {
  constructor(graph, canvas) {
    super();
    this.graph = graph;
    this.numbers = graph.meta.columns.filter((column) => column.kind === "number");
    this.colourable = graph.meta.columns.filter((column) => column.kind !== "text" && column.name !== SITE_WIDE);
    this.depthColumn = this.numbers.find((column) => /^(crawl_?)?depth$/i.test(column.name));
    this.canvas = canvas;
    this.onstate = () => {}; // "drawing" or "drawn": does the picture show what was asked for?
    this.drawn = false; // by the stage
    this.waiting = 0; // acts that will change the picture
    this.settings = {
      layout: "sections",
      colour: graph.meta.colour ?? this.colourable[0]?.name,
      size: (graph.column("inlinks") ?? this.numbers[0])?.name,
      depth: null,
      hidden: new Set(),
      siteWide: false,
      page: -1,
      table: false,
    };
  }

  /** Fetch what the first picture needs, and draw it. */
  async start(wanted = {}, inset = {}, onstate = () => {}) {
    Object.assign(this.settings, wanted);
    const importance = this.graph.inDegrees();
    this.texts = new Texts(this.graph, importance);
    this.stage = new Stage(this.canvas, this.graph, this.texts);
    this.onstate = onstate;
    this.stage.onstate = (state) => {
      this.drawn = state === "drawn";
      this.tell();
    };
    Object.assign(this.stage.camera.inset, inset);
    this.stage.resize();
    const { n } = this.graph;
    this.graph.prefetch([this.depthColumn?.name, SITE_WIDE, this.settings.size, this.settings.colour], this.settings.layout);
    this.depths = this.depthColumn ? await this.graph.numbers(this.depthColumn.name) : null;
    const marks = this.graph.column(SITE_WIDE);
    const yes = marks?.categories.indexOf("yes");
    this.template = marks ? (await this.graph.numbers(SITE_WIDE)).map((code) => Number(code === yes)) : new Uint8Array(n);
    this.none = new Uint8Array(n);
    await this.applyLayout();
    await this.applySize();
    await this.applyColour();
    this.applyStyle();
    this.stage.look(0);
    this.announce();
  }

  close() {
    this.stage?.close();
    this.texts?.close();
  }

  tell() {
    this.onstate(this.drawn && !this.waiting ? "drawn" : "drawing");
  }

  /** Do what will change the picture: from now on it is "drawing", until that is done and drawn. */
  async during(act) {
    this.waiting++;
    this.tell();
    try {
      return await act();
    } finally {
      this.waiting--;
      this.tell();
    }
  }

  /** Change settings and all that follows from them. */
  change(patch) {
    return this.during(() => this.follow(patch));
  }

  // Of two changes the later counts, whichever numbers arrive first.
  async follow(patch) {
    if (patch.colour && patch.colour !== this.settings.colour && !patch.hidden) patch.hidden = new Set();
    Object.assign(this.settings, patch);
    if ("layout" in patch) await this.applyLayout();
    if ("size" in patch) await this.applySize();
    if ("colour" in patch) await this.applyColour();
    if (["size", "colour", "depth", "hidden", "siteWide"].some((key) => key in patch)) this.applyStyle();
    if ("page" in patch) this.stage.choose(this.settings.page, this.pathTo(this.settings.page));
    if (Object.keys(patch).some((key) => key !== "table" && key !== "page")) this.stage.look(0);
    this.announce();
  }

  announce() {
    this.dispatchEvent(new Event("change"));
  }

  async applyLayout() {
    const { layout } = this.settings;
    const positions = await this.graph.layout(layout);
    if (layout !== this.settings.layout) return;
    this.stage.setLayout(positions, layout === "sections" ? this.graph.meta.discs : []);
  }

  async applySize() {
    const { size } = this.settings;
    const numbers = size ? await this.graph.numbers(size) : this.graph.inDegrees();
    if (size === this.settings.size) this.stage.setSizes(numbers);
  }

  async applyColour() {
    const { colour } = this.settings;
    const column = this.graph.column(colour);
    const numbers = column && (await this.graph.numbers(column.name));
    if (colour === this.settings.colour) this.classes = classify(column, numbers, this.graph.n);
  }

  /** Filter and colour: the legend's classes, the depth slider, the theme. */
  applyStyle() {
    const { codes, labels } = this.classes;
    const { hidden, depth, siteWide } = this.settings;
    const shownClass = labels.map((label) => !hidden.has(label));
    const ok = new Uint8Array(this.graph.n);
    const inClass = new Array(labels.length).fill(0);
    this.shownPages = 0;
    for (let i = 0; i < ok.length; i++) {
      if (depth !== null && !(this.depths[i] <= depth)) continue;
      inClass[codes[i]]++;
      if (shownClass[codes[i]]) ok[i] = 1, this.shownPages++;
    }
    this.theme = currentTheme();
    this.classes.within = inClass;
    this.classes.colours = this.colours();
    this.stage.setStyle({ codes, colours: this.classes.colours, ok, skip: siteWide ? this.none : this.template, theme: this.theme });
  }

  colours() {
    const { labels, ramp, muted } = this.classes;
    const colours = ramp
      ? rampColours(this.theme, labels.length - muted.filter((k) => k >= 0).length)
      : (this.settings.colour === CHANGE ? changeColours : categoryColours)(this.theme, labels);
    return labels.map((_, k) => (muted.includes(k) ? otherColour(this.theme) : colours[k]));
  }

  retheme() {
    this.applyStyle();
    this.stage.drawMarks();
    this.stage.look(0);
    this.stage.draw();
    this.announce();
  }

  resize() {
    if (!this.stage?.resize() || !this.classes) return;
    this.stage.scaleDots();
    this.applyStyle();
    this.stage.look(0);
    this.stage.draw();
  }

  /** The shortest click path from home to a page; empty when there is none or home is not known. */
  pathTo(page) {
    const { home } = this.graph.meta;
    if (page < 0 || home === null) return [];
    this.paths ??= new ClickPaths(this.graph, home);
    return this.paths.to(page);
  }

  /** Choose a page and bring it into view. */
  visit(page) {
    return this.during(() => this.goTo(page));
  }

  async goTo(page) {
    await this.change({ page });
    if (page < 0) return;
    const { positions, camera } = this.stage;
    camera.goTo(positions[2 * page], positions[2 * page + 1], this.graph.n > 3000 ? 4 : 1.6);
    this.stage.moved();
  }
}
