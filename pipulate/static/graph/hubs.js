// The named hubs as a list of buttons, hidden until one has the focus: Tab walks through them, Enter chooses.

import { make } from "./dom.js";
import { pathOf } from "./texts.js";

const MOST = 24;

export function hubs(viewer, list) {
  const { stage } = viewer;
  stage.onhubs = (pages) => {
    if (list.contains(list.getRootNode().activeElement)) return; // do not move what has the focus
    list.replaceChildren(...pages.slice(0, MOST).map((page) => make("li", {}, button(page))));
  };

  function button(page) {
    return make("button", {
      type: "button",
      onclick: () => viewer.change({ page }),
      onfocus: () => point(page),
      onblur: () => point(-1),
    }, pathOf(stage.texts.url(page)));
  }

  function point(page) {
    stage.hovered = page;
    stage.draw();
  }
}
