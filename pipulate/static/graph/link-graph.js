// <link-graph src="/graph/acme/shop/20261101/data/"></link-graph>: the picture of one link graph.
//
// ATTRIBUTES  src    where the files of pipulate/graph/picture.py are (ends with /)
//             small  only the picture, for a card; a click opens `href`
//             force  address that computes the Force layout: POST starts it, GET tells how far it is
// The element has a shadow root, so the page's own style sheet does not reach in; graph.css is its style.
// `data-state` says "drawing" or "drawn"; `element.viewer` is there for tests and for the curious.

import { read, write } from "./address.js";
import { controls } from "./controls.js";
import { load } from "./data.js";
import { grouped, make } from "./dom.js";
import { png, save, svg } from "./exporting.js";
import { find } from "./find.js";
import { forceLayout } from "./force.js";
import { hubs } from "./hubs.js";
import { listen } from "./input.js";
import { legend } from "./legend.js";
import { currentTheme, watchTheme } from "./palette.js";
import { panel } from "./panel.js";
import { table } from "./table.js";
import { shortPath } from "./texts.js";
import { Viewer } from "./viewer.js";

const WIDE = 900; // CSS pixels from which on controls and panel stand beside the picture, not on it
const HELP = "Picture of the site's links. Arrow keys move, plus and minus zoom, 0 shows the whole, slash searches, Tab goes through the most linked pages. The Table button gives the same as a table.";

class LinkGraph extends HTMLElement {
  async connectedCallback() {
    this.dataset.theme = currentTheme();
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    this.build(root);
    const wait = new Promise((resolve) => this.sheet.addEventListener("load", resolve, { once: true }));
    try {
      const [graph] = await Promise.all([load(this.getAttribute("src")), wait]);
      if (this.isConnected) await this.begin(graph);
    } catch (error) {
      this.say(`The picture cannot be shown: ${error.message}`);
      console.error(error);
    }
  }

  disconnectedCallback() {
    this.stop?.forEach((stop) => stop());
    this.viewer?.close();
    this.viewer = undefined;
  }

  get small() {
    return this.hasAttribute("small");
  }

  /** The elements of the viewer. */
  build(root) {
    const part = (name, element) => (this[name] = element);
    part("sheet", make("link", { rel: "stylesheet", href: new URL("./graph.css", import.meta.url).href }));
    part("canvas", make("canvas", {}));
    part("tip", make("div", { class: "tip", hidden: true }));
    part("told", make("p", { class: "told", role: "status" }, "Loading…"));
    part("area", make("div", { class: "stage", tabindex: this.small ? null : "0", role: "application", "aria-label": HELP }, this.canvas));
    if (this.small) {
      this.area.setAttribute("role", "img");
      return root.replaceChildren(this.sheet, this.area, this.tip, this.told);
    }
    part("field", make("input", { type: "search", placeholder: "Find a page  ( / )", "aria-label": "Find a page by URL", role: "combobox",
      "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false" }));
    part("found", make("ul", { id: "found", role: "listbox", "aria-label": "Pages found", hidden: true }));
    part("form", make("form", { class: "choices", onsubmit: (event) => event.preventDefault() }));
    part("legend", make("ul", { class: "legend", "aria-label": "Legend" }));
    part("hubs", make("ul", { class: "hubs", "aria-label": "Most linked pages in view" }));
    part("side", make("aside", { class: "panel", "aria-label": "The chosen page", hidden: true }));
    part("rows", make("div", { class: "table" }));
    part("bar", make("div", { class: "bar", role: "group", "aria-label": "Picture" }));
    part("settings", make("details", { class: "settings" },
      make("summary", {}, "Colours and filter"), this.form, this.legend));
    root.replaceChildren(this.sheet, this.area, this.hubs, this.rows,
      make("div", { class: "left" }, make("div", { class: "find" }, this.field, this.found), this.settings),
      this.side, this.bar, this.tip, this.told);
  }

  async begin(graph) {
    const viewer = (this.viewer = new Viewer(graph, this.canvas));
    const wanted = this.small ? { settings: {} } : read(graph);
    if (wanted.settings.layout === "force") await graph.layout("force").catch(() => (wanted.settings.layout = "sections"));
    await viewer.start(wanted.settings, this.inset(), (state) => (this.dataset.state = state));
    this.stop = [watchTheme(() => this.retheme())];
    const resized = new ResizeObserver(() => {
      viewer.stage.camera.inset = this.inset();
      viewer.resize();
    });
    resized.observe(this);
    this.stop.push(() => resized.disconnect());
    if (this.small) this.beSmall();
    else await viewer.during(() => this.beWhole(wanted));
    this.summarise();
  }

  /** Space at the edges that the controls cover. */
  inset() {
    const wide = !this.small && this.clientWidth > WIDE;
    return { top: this.small ? 4 : 16, right: 8, bottom: this.small ? 4 : 28, left: wide ? 264 : 8 };
  }

  async beWhole({ at, url }) {
    const { viewer } = this;
    const { stage } = viewer;
    this.settings.open = this.clientWidth > WIDE;
    legend(viewer, this.legend);
    controls(viewer, this.form, () => this.force());
    find(viewer, this.field, this.found);
    hubs(viewer, this.hubs);
    panel(viewer, this.side);
    table(viewer, this.rows);
    this.buttons();
    listen(this.area, viewer, {
      hover: (page, x, y) => this.hover(page, x, y),
      choose: (page) => viewer.change({ page }),
      escape: () => viewer.change({ page: -1 }),
    });
    const slash = (event) => {
      const writing = event.composedPath()[0].closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || writing) return;
      event.preventDefault();
      this.field.focus();
    };
    document.addEventListener("keydown", slash);
    this.stop.push(() => document.removeEventListener("keydown", slash));
    this.side.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      viewer.change({ page: -1 });
      this.area.focus();
    });
    viewer.addEventListener("change", () => {
      const open = viewer.settings.page >= 0;
      stage.camera.covered = { right: open && this.clientWidth > WIDE ? 350 : 0, bottom: open && this.clientWidth <= 640 ? this.clientHeight * 0.6 : 0 };
      this.summarise();
    });
    if (url) {
      const page = await viewer.texts.pageOf(url);
      if (page >= 0) await (at ? viewer.change({ page }) : viewer.visit(page));
    }
    if (at) {
      stage.camera.scale = at[2] * stage.camera.whole;
      stage.camera.centre(at[0], at[1]);
      stage.moved();
    }
    if (viewer.settings.table) viewer.announce();
    const remember = debounced(() => this.isConnected && write(viewer), 300);
    viewer.addEventListener("change", remember);
    stage.onmove = remember;
  }

  beSmall() {
    const { viewer } = this;
    this.area.setAttribute("aria-label", `Picture of ${grouped(viewer.graph.n)} pages and ${grouped(viewer.graph.m)} links`);
    this.area.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      this.hover(viewer.stage.pageAt(x, y), x, y);
    });
    this.area.addEventListener("pointerleave", () => this.hover(-1));
    const href = this.getAttribute("href");
    if (href) this.area.addEventListener("click", () => location.assign(href));
  }

  buttons() {
    const { viewer } = this;
    const { stage } = viewer;
    const name = () => (viewer.graph.meta.title || "link-graph").replace(/[^\w.-]+/g, "-");
    const zoom = (factor) => () => {
      stage.camera.zoomAt(...stage.camera.middle, factor);
      stage.moved();
    };
    const button = (text, label, onclick, more = {}) => make("button", { type: "button", "aria-label": label, title: label, onclick, ...more }, text);
    const rows = button("Table", "Show the pages as a table", () => viewer.change({ table: !viewer.settings.table }), { "aria-pressed": "false" });
    viewer.addEventListener("change", () => rows.setAttribute("aria-pressed", String(viewer.settings.table)));
    this.bar.append(
      button("+", "Zoom in", zoom(1.5)),
      button("−", "Zoom out", zoom(1 / 1.5)),
      button("Whole", "Show the whole picture", () => {
        stage.camera.fit();
        stage.moved();
      }),
      rows,
      button("PNG", "Save as PNG picture", async () => save(await png(viewer), `${name()}.png`)),
      button("SVG", "Save as SVG drawing", async () => save(await svg(viewer), `${name()}.svg`)),
      button("⤢", "Full screen", () => (document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen())),
    );
  }

  /** The label beside the pointer. */
  async hover(page, x, y) {
    const { stage, texts } = this.viewer;
    if (page !== stage.hovered) {
      stage.hovered = page;
      stage.draw();
    }
    this.area.classList.toggle("over", page >= 0);
    this.tip.hidden = page < 0;
    if (page < 0) return;
    this.tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    this.tip.classList.toggle("flipped", x > stage.camera.width * 0.6);
    const [url] = await texts.urls([page]);
    if (stage.hovered !== page) return;
    const inlinks = this.viewer.graph.inlinks(page).length;
    this.tip.replaceChildren(make("b", {}, shortPath(url, 80)),
      ` ${this.viewer.classes.labels[stage.codes[page]]} · ${grouped(inlinks)} inlink${inlinks === 1 ? "" : "s"}`);
  }

  async force() {
    const { graph } = this.viewer;
    const there = await graph.layout("force").then(() => true, () => false);
    return there || forceLayout(this.getAttribute("force"), graph, (text) => this.say(text));
  }

  retheme() {
    this.dataset.theme = currentTheme();
    this.viewer?.retheme();
  }

  summarise() {
    const { graph, shownPages } = this.viewer;
    const pages = shownPages === graph.n ? grouped(graph.n) : `${grouped(shownPages)} of ${grouped(graph.n)}`;
    this.say(`${pages} pages · ${grouped(graph.m)} links`);
  }

  say(text) {
    if (this.told.textContent !== text) this.told.textContent = text;
  }
}

function debounced(act, ms) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
}

customElements.define("link-graph", LinkGraph);
