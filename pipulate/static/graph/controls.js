// The controls: layout, colour, size, depth, site-wide links.

import { grouped, make, title } from "./dom.js";

/** `force()` is called when the Force layout is wanted; it resolves to false when it cannot be had. */
export function controls(viewer, form, force) {
  const { graph, settings } = viewer;
  const choice = (label, name, options, changed) => {
    const select = make("select", { name, onchange: () => changed(select.value) },
      options.map(([value, text]) => make("option", { value, selected: value === settings[name] }, text)));
    form.append(make("label", {}, make("span", {}, label), select));
    return select;
  };

  let wanted;
  const lay = async (value) => {
    wanted = value;
    const there = value !== "force" || (await force());
    if (wanted !== value) return; // another one was chosen meanwhile
    if (there) await viewer.change({ layout: value });
    else layout.value = viewer.settings.layout;
  };
  const layout = choice("Layout", "layout", [["sections", "Sections"], ["force", "Force"]], (value) => viewer.during(() => lay(value)));
  const named = (columns) => columns.map(({ name }) => [name, title(name)]);
  const colour = choice("Colour", "colour", named(viewer.colourable), (value) => viewer.change({ colour: value }));
  const size = choice("Size", "size", named(viewer.numbers), (value) => viewer.change({ size: value }));

  const { depthColumn } = viewer;
  const deepest = depthColumn ? depthColumn.max : 0;
  const slider = make("input", { type: "range", name: "depth", min: 0, max: deepest, step: 1 });
  const told = make("output", {});
  if (deepest > 0) {
    form.append(make("label", { class: "depth" }, make("span", {}, "Clicks from home"), slider, told));
    slider.addEventListener("input", () => viewer.change({ depth: Number(slider.value) >= deepest ? null : Number(slider.value) }));
  }

  const wide = make("input", { type: "checkbox", name: "siteWide", onchange: () => viewer.change({ siteWide: wide.checked }) });
  const marked = viewer.template.reduce((sum, mark) => sum + mark, 0);
  if (marked)
    form.append(make("label", { class: "check", title: "Links to pages that a quarter of all pages link to: menus, footers" },
      wide, `Site-wide links (to ${grouped(marked)} page${marked === 1 ? "" : "s"})`));

  const update = () => {
    const { settings: now } = viewer;
    layout.value = now.layout;
    colour.value = now.colour;
    size.value = now.size;
    slider.value = now.depth ?? deepest;
    told.value = now.depth === null ? "all" : `≤ ${now.depth}`;
    wide.checked = now.siteWide;
  };
  viewer.addEventListener("change", update);
  update();
}
