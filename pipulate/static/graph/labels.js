// Names on the picture: hubs by short path, sections by folder; never one over the other.

import { shortPath } from "./texts.js";

const AREA = 42000; // square pixels of window for each hub's name
const MOST = 40;

/** The most important shown pages in the window, most important first: those that may get a name. */
export function candidates(stage, most = MOST) {
  const { camera, positions, ok, ranking } = stage;
  const wanted = Math.min(most, Math.ceil((camera.width * camera.height) / AREA));
  const [left, top] = camera.toPlace(0, 0);
  const [right, bottom] = camera.toPlace(camera.width, camera.height);
  const found = [];
  for (const i of ranking) {
    const x = positions[2 * i], y = positions[2 * i + 1];
    if (ok[i] && x > left && x < right && y > top && y < bottom && found.push(i) === wanted) break;
  }
  return found;
}

/** Where hubs' names go: {page, text, x, y} in CSS pixels.  `boxes` are places already taken; it grows. */
export function place(pen, stage, pages, boxes) {
  const placed = [];
  for (const page of pages) {
    const url = stage.texts.url(page);
    if (url === undefined) continue;
    const text = shortPath(url);
    const [x, y] = stage.onScreen(page);
    const width = pen.measureText(text).width;
    const away = stage.radiusOnScreen(page) + 4;
    const left = x + away + width > stage.camera.width - 4 ? x - away - width : x + away;
    if (claim(boxes, left - 4, y - 8, left + width + 4, y + 8)) placed.push({ page, text, x: left, y });
  }
  return placed;
}

/** Names of the sections: {text, x, y, size}; those of small discs only when zoomed in. */
export function sectionNames(pen, stage, boxes) {
  const names = [];
  for (const disc of stage.discs) {
    const [x, y] = stage.camera.toScreen(disc.x, disc.y);
    const reach = disc.r * stage.camera.scale;
    if (reach < 24 || reach > 2000 || x < -reach || x > stage.camera.width + reach) continue;
    const size = Math.round(Math.max(11, Math.min(19, reach / 7)));
    pen.font = sectionFont(size);
    const width = pen.measureText(disc.label).width;
    if (width > Math.max(90, 2.6 * reach)) continue;
    const top = y - reach - 2;
    if (claim(boxes, x - width / 2, top - size, x + width / 2, top + 3)) names.push({ text: disc.label, x, y: top, size });
  }
  return names;
}

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
export const hubFont = `11.5px ${FONT}`;
export const sectionFont = (size) => `600 ${size}px ${FONT}`;

/** Take a box if it is free. */
function claim(boxes, left, top, right, bottom) {
  if (boxes.some((box) => left < box[2] && right > box[0] && top < box[3] && bottom > box[1])) return false;
  boxes.push([left, top, right, bottom]);
  return true;
}
