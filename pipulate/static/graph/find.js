// The search field: pages whose URL or title has all words, best known first.  A combobox (WAI-ARIA) with a list.

import { grouped, make } from "./dom.js";
import { pathOf } from "./texts.js";

const LISTED = 10;
const MARKED = 500; // found pages that get a ring in the picture

export function find(viewer, field, list) {
  const { stage, texts } = viewer;
  let pages = [];
  let active = -1;
  let asked = 0;
  let answered = ""; // the query whose pages are listed

  async function search() {
    const mine = ++asked;
    const start = performance.now();
    const query = field.value.trim();
    const answer = query ? await texts.find(query, MARKED, LISTED) : { count: 0, pages: [] };
    if (mine !== asked) return; // a later letter is already being looked up
    pages = answer.pages.slice(0, LISTED);
    const urls = await texts.urls(pages);
    if (mine !== asked) return;
    stage.timings.find = performance.now() - start;
    stage.found = answer.pages.filter((page) => stage.ok[page]);
    stage.draw();
    show(query, answer.count, urls);
  }

  function show(query, count, urls) {
    active = -1;
    answered = query;
    field.removeAttribute("aria-activedescendant");
    field.setAttribute("aria-expanded", String(Boolean(query)));
    list.hidden = !query;
    list.replaceChildren(
      ...pages.map((page, k) => make("li", { role: "option", id: `found-${k}`, "aria-selected": "false", title: urls[k],
        onpointerdown: (event) => event.preventDefault(), onclick: () => go(page) }, ...bold(pathOf(urls[k]), query))),
      make("li", { class: "count", role: "option", "aria-disabled": "true" },
        count === 0 ? "No page has this in its URL" : `${grouped(count)} page${count === 1 ? "" : "s"}`),
    );
  }

  async function go(page) {
    field.value = "";
    await search();
    await viewer.visit(page);
  }

  function mark(next) {
    const options = list.querySelectorAll("[id]");
    options[active]?.setAttribute("aria-selected", "false");
    active = (next + options.length) % options.length;
    options[active].setAttribute("aria-selected", "true");
    options[active].scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", options[active].id);
  }

  field.addEventListener("input", search);
  field.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" && pages.length) mark(active + 1);
    else if (event.key === "ArrowUp" && pages.length) mark(active < 0 ? -1 : active - 1);
    else if (event.key === "Enter") {
      const query = field.value.trim();
      if (answered !== query) await search();
      const typed = answered !== query; // meanwhile, which takes the key back
      if (pages.length && !typed) await go(pages[Math.max(0, active)]);
    } else if (event.key === "Escape") {
      if (!field.value) stage.canvas.parentElement.focus();
      field.value = "";
      await search();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener("blur", () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
  });
  field.addEventListener("focus", () => field.value && search());
}

/** The text with the first occurrence of the query's first word in bold. */
function bold(text, query) {
  const word = query.split(/\s+/)[0].toLowerCase();
  const at = text.toLowerCase().indexOf(word);
  if (at < 0) return [text];
  return [text.slice(0, at), make("b", {}, text.slice(at, at + word.length)), text.slice(at + word.length)];
}
