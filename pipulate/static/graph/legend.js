// What the colours mean; each class can be left out.  A click hides or shows one, Shift and a click shows only that one.

import { grouped, make } from "./dom.js";

export function legend(viewer, list) {
  const draw = () => {
    const { labels, within, colours, counts } = viewer.classes;
    const focused = list.getRootNode().activeElement?.dataset?.label;
    list.replaceChildren(...labels.map((label, k) => make("li", { hidden: counts[k] === 0 }, entry(label, within[k], colours[k]))));
    if (focused !== undefined) list.querySelector(`[data-label="${CSS.escape(focused)}"]`)?.focus();
  };

  function entry(label, count, colour) {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.backgroundColor = colour;
    return make("button", {
      type: "button",
      "data-label": label,
      "aria-pressed": String(!viewer.settings.hidden.has(label)),
      title: `${label}: show or hide; with Shift: only this`,
      onclick: (event) => viewer.change({ hidden: event.shiftKey ? only(label) : toggled(label) }),
    }, swatch, make("span", { class: "name" }, label), make("span", { class: "count" }, grouped(count)));
  }

  function toggled(label) {
    const hidden = new Set(viewer.settings.hidden);
    if (!hidden.delete(label)) hidden.add(label);
    return hidden;
  }

  function only(label) {
    const others = viewer.classes.labels.filter((other) => other !== label);
    const already = others.every((other) => viewer.settings.hidden.has(other)) && !viewer.settings.hidden.has(label);
    return new Set(already ? [] : others);
  }

  viewer.addEventListener("change", draw);
  draw();
}
