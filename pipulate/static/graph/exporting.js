// The picture as a file: PNG (what is seen, twice as fine) and SVG (dots and names as shapes, links as shapes when few).

import { pathOf } from "./texts.js";

const FINE = 2; // pixels for each CSS pixel
const MOST_LINES = 20000; // links that an SVG draws as lines; more are put in as a picture

/** Return a PNG of the window as a Blob. */
export async function png(viewer) {
  const { stage } = viewer;
  const { width, height } = stage.camera;
  const canvas = new OffscreenCanvas(width * FINE, height * FINE);
  stage.paint(canvas.getContext("2d"), FINE);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Return an SVG of the window as a Blob. */
export async function svg(viewer) {
  const { stage, graph } = viewer;
  const { width, height } = stage.camera;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escape(graph.meta.title || "Link graph")}</title>`,
    `<rect width="100%" height="100%" fill="${stage.ink.ground}"/>`,
    await lines(viewer, seenPages(stage)),
    ...dots(viewer),
    ...names(stage),
    "</svg>",
  ];
  return new Blob(parts, { type: "image/svg+xml" });
}

/** Hand a Blob to the user as a file. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function seenPages(stage) {
  const { camera, positions, ok } = stage;
  const seen = new Uint8Array(ok.length);
  for (let i = 0; i < ok.length; i++) {
    const [x, y] = camera.toScreen(positions[2 * i], positions[2 * i + 1]);
    seen[i] = ok[i] && x > -20 && y > -20 && x < camera.width + 20 && y < camera.height + 20 ? 1 : 0;
  }
  return seen;
}

async function lines(viewer, seen) {
  const { stage, graph, settings, template } = viewer;
  const drawn = [];
  for (let page = 0; page < graph.n && drawn.length <= MOST_LINES; page++) {
    if (!stage.ok[page]) continue;
    for (const target of graph.outlinks(page))
      if (stage.ok[target] && (seen[page] || seen[target]) && (settings.siteWide || !template[target])) drawn.push([page, target]);
  }
  if (drawn.length > MOST_LINES) return asImage(stage);
  const strokes = new Map();
  for (const [page, target] of drawn) {
    const colour = stage.colours[stage.codes[page]];
    if (!strokes.has(colour)) strokes.set(colour, []);
    strokes.get(colour).push(`M${point(stage, page)}L${point(stage, target)}`);
  }
  const opacity = Math.max(0.05, Math.min(0.5, 14 / Math.sqrt(drawn.length + 1))).toFixed(3);
  return [...strokes].map(([colour, way]) => `<path d="${way.join("")}" fill="none" stroke="${colour}" stroke-opacity="${opacity}" stroke-width=".8"/>`).join("");
}

async function asImage(stage) {
  const { width, height } = stage.camera;
  const canvas = new OffscreenCanvas(width * FINE, height * FINE);
  const pen = canvas.getContext("2d");
  pen.setTransform(FINE, 0, 0, FINE, 0, 0);
  stage.paintLayer(pen, stage.layers.links, 1);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  return `<image width="${width}" height="${height}" href="data:image/png;base64,${btoa(text)}"/>`;
}

function dots(viewer) {
  const { stage } = viewer;
  const seen = seenPages(stage);
  const shapes = [];
  for (const page of stage.order)
    if (seen[page]) {
      const [x, y] = point(stage, page).split(",");
      shapes.push(`<circle cx="${x}" cy="${y}" r="${stage.radiusOnScreen(page).toFixed(1)}" fill="${stage.colours[stage.codes[page]]}"/>`);
    }
  return shapes;
}

function names(stage) {
  return stage.named.map(({ page, x, y }) =>
    `<text x="${x.toFixed(1)}" y="${(y + 4).toFixed(1)}" fill="${stage.ink.text}" stroke="${stage.ink.ground}" stroke-width="3" stroke-linejoin="round" paint-order="stroke">${escape(pathOf(stage.texts.url(page)))}</text>`);
}

function point(stage, page) {
  const [x, y] = stage.onScreen(page);
  return `${x.toFixed(1)},${y.toFixed(1)}`;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
}
