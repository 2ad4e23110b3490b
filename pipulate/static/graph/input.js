// Mouse, fingers and keys on the stage.
//
// Drag pans, wheel and pinch zoom, a click chooses a page.  Keys: arrows, + and -, 0 (whole picture), Escape.  Tab
// reaches the hubs (hubs.js); "/" works on all of the page (link-graph.js).

const CLICK = 5; // pixels a pointer may move and still click
const STEP = 80; // pixels an arrow key moves

/** `act`: {hover(page, x, y), choose(page), escape()}. */
export function listen(target, viewer, act) {
  const { stage } = viewer;
  const { camera } = stage;
  const pointers = new Map();
  let travelled = 0;

  const at = (event) => {
    const box = stage.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, at(event));
    target.setPointerCapture(event.pointerId);
  });

  target.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) return act.hover(stage.pageAt(x, y), x, y);
    travelled += Math.hypot(x - before[0], y - before[1]);
    if (travelled < CLICK) return;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, [x, y]);
    if (other) {
      const apart = (point) => Math.max(20, Math.hypot(point[0] - other[0], point[1] - other[1]));
      camera.zoomAt((x + other[0]) / 2, (y + other[1]) / 2, apart([x, y]) / apart(before));
      camera.pan((x - before[0]) / 2, (y - before[1]) / 2);
    } else camera.pan(x - before[0], y - before[1]);
    act.hover(-1);
    stage.moved();
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size || travelled >= CLICK) return;
    if (event.type === "pointerup") act.choose(stage.pageAt(...at(event)));
  };
  target.addEventListener("pointerup", release);
  target.addEventListener("pointercancel", release);
  target.addEventListener("pointerleave", () => act.hover(-1));

  target.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 24 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0016; // with ctrl: a pinch on a touch pad
    camera.zoomAt(...at(event), Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) * speed));
    stage.moved();
  }, { passive: false });

  target.addEventListener("dblclick", (event) => {
    camera.zoomAt(...at(event), 2);
    stage.moved();
  });

  const keys = {
    ArrowLeft: () => camera.pan(STEP, 0),
    ArrowRight: () => camera.pan(-STEP, 0),
    ArrowUp: () => camera.pan(0, STEP),
    ArrowDown: () => camera.pan(0, -STEP),
    "+": () => camera.zoomAt(...camera.middle, 1.4),
    "=": () => camera.zoomAt(...camera.middle, 1.4),
    "-": () => camera.zoomAt(...camera.middle, 1 / 1.4),
    0: () => camera.fit(),
  };
  target.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") act.escape();
    else if (keys[event.key]) {
      keys[event.key]();
      stage.moved();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
