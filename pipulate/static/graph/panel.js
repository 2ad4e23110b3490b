// All about the chosen page: its columns, the click path from home, its inlinks and outlinks, each of which leads on.

import { grouped, make, shown, title } from "./dom.js";
import { pathOf } from "./texts.js";

const FIRST = 20; // links of each kind shown at once

export function panel(viewer, aside) {
  const { graph, stage, texts } = viewer;
  let drawn = -1;

  async function draw() {
    const { page } = viewer.settings;
    if (page === drawn) return;
    drawn = page;
    if (page < 0) return (aside.hidden = true);
    const inlinks = stage.mostImportant(graph.inlinks(page), Infinity);
    const outlinks = stage.mostImportant(graph.outlinks(page), Infinity);
    const path = stage.path;
    const [[url], values] = await Promise.all([texts.urls([page]), valuesOf(page)]);
    const lists = await Promise.all([
      linkList("Inlinks", inlinks, "No page links here."),
      linkList("Outlinks", outlinks, "Links to no page."),
    ]);
    const way = await clickPath(path);
    if (drawn !== page) return; // another one was chosen meanwhile
    const heading = values.find(({ column }) => column.file === texts.titles)?.text;
    const byKeyboard = aside.getRootNode().activeElement?.matches(":focus-visible");
    aside.replaceChildren(
      make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => viewer.change({ page: -1 }) }, "×"),
      make("h2", { tabindex: "-1" }, heading && heading !== "–" ? heading : pathOf(url)),
      address(url),
      make("dl", {}, values.filter(({ column }) => column.file !== texts.titles).map(({ column, text }) => [make("dt", {}, title(column.name)), make("dd", {}, text)])),
      way,
      ...lists,
    );
    aside.hidden = false;
    aside.scrollTop = 0;
    if (byKeyboard) aside.querySelector("h2").focus(); // what had the focus may be gone, and the panel is to be read next
  }

  async function valuesOf(page) {
    return Promise.all(graph.meta.columns.map(async (column) => {
      const value = column.kind === "text" ? (await texts.read(column.file, [page]))[0] : (await graph.numbers(column.name))[page];
      return { column, text: shown(column, value) };
    }));
  }

  function address(url) {
    const safe = /^https?:\/\//i.test(url); // a page table may hold anything
    return make("p", { class: "url" },
      safe ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url) : url);
  }

  async function clickPath(path) {
    if (graph.meta.home === null) return null;
    if (!path.length) return make("p", { class: "hint" }, "No clicks lead here from the home page.");
    const urls = await texts.urls(path);
    return make("details", { open: path.length > 1 },
      make("summary", {}, path.length === 1 ? "The home page" : `${path.length - 1} click${path.length === 2 ? "" : "s"} from home`),
      make("ol", { class: "path" }, path.map((page, k) => make("li", {}, link(page, urls[k])))));
  }

  async function linkList(name, pages, none) {
    const list = make("ul", { class: "links" });
    const more = make("button", { type: "button", class: "more" });
    async function add(count) {
      const from = list.children.length;
      const next = pages.slice(from, from + count);
      const urls = await texts.urls(next);
      list.append(...next.map((page, k) => make("li", {}, link(page, urls[k]))));
      const left = pages.length - list.children.length;
      more.hidden = left === 0;
      more.textContent = `Show more (${grouped(left)} left)`;
    }
    more.addEventListener("click", () => add(200));
    await add(FIRST);
    return make("section", {}, make("h3", {}, name, make("span", { class: "count" }, grouped(pages.length))),
      pages.length ? list : make("p", { class: "hint" }, none), more);
  }

  function link(page, url) {
    const dot = make("span", { class: "swatch", "aria-hidden": "true" });
    dot.style.backgroundColor = stage.colours[stage.codes[page]];
    return make("button", { type: "button", title: url, onclick: () => viewer.visit(page),
      onfocus: () => point(page), onblur: () => point(-1), onpointerenter: () => point(page), onpointerleave: () => point(-1) },
      dot, make("span", {}, pathOf(url)));
  }

  function point(page) {
    stage.hovered = page;
    stage.draw();
  }

  viewer.addEventListener("change", draw);
  draw();
}
