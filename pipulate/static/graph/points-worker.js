// Draws all pages of one view as dots into a bitmap.  Messages as in links-worker.js; {style} brings `radius` and
// `order` (small dots first, so that hubs lie on top), too.
//
// A hundred thousand arcs take a canvas half a second; stamping small ready-made dots into pixels takes 20 ms.  A stamp
// is the coverage of a disc, for each radius (in quarters of a pixel) and each quarter-pixel offset, made when needed.

const QUARTERS = 4;
const LARGEST = 40; // pixels

let positions, style, canvas;
let newest = 0;
const stamps = new Map();

onmessage = ({ data }) => {
  if (data.place) positions = data.place;
  if (data.style) style = data.style;
  if (data.view) {
    newest = data.view.id;
    setTimeout(() => data.view.id === newest && draw(data.view)); // of several views only the last is drawn
  }
};

function draw(view) {
  const { codes, colours, ok, radius, order, halo } = style;
  const { width, height } = view;
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (const i of order) {
    if (!ok[i]) continue;
    const r = Math.min(LARGEST, radius[i] * view.ratio * view.grow);
    const x = positions[2 * i] * view.scale + view.x;
    const y = positions[2 * i + 1] * view.scale + view.y;
    if (x < -r || y < -r || x > width + r || y > height + r) continue;
    if (r > 2 * view.ratio) press(pixels, width, height, x, y, r + 0.9 * view.ratio, halo);
    press(pixels, width, height, x, y, r, colours[codes[i]]);
  }
  if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  const bitmap = canvas.transferToImageBitmap();
  postMessage({ view, bitmap, done: true }, [bitmap]);
}

/** Put one dot over what is there already ("over" for pixels whose colour is not multiplied by their opacity). */
function press(pixels, width, height, x, y, r, [red, green, blue]) {
  const stamp = stampFor(r, x, y);
  const left = Math.floor(x) - stamp.reach, top = Math.floor(y) - stamp.reach;
  for (let row = Math.max(0, -top); row < stamp.size && top + row < height; row++)
    for (let column = Math.max(0, -left); column < stamp.size && left + column < width; column++) {
      const cover = stamp.cover[row * stamp.size + column];
      if (cover === 0) continue;
      const at = 4 * ((top + row) * width + left + column);
      const after = cover + pixels[at + 3] * (1 - cover / 255);
      const share = cover / after;
      pixels[at] += (red - pixels[at]) * share;
      pixels[at + 1] += (green - pixels[at + 1]) * share;
      pixels[at + 2] += (blue - pixels[at + 2]) * share;
      pixels[at + 3] = after;
    }
}

function stampFor(r, x, y) {
  const size = Math.max(2, Math.round(r * QUARTERS));
  const right = Math.floor((x - Math.floor(x)) * QUARTERS), down = Math.floor((y - Math.floor(y)) * QUARTERS);
  const key = (size * QUARTERS + right) * QUARTERS + down;
  if (!stamps.has(key)) stamps.set(key, makeStamp(size / QUARTERS, (right + 0.5) / QUARTERS, (down + 0.5) / QUARTERS));
  return stamps.get(key);
}

/** Coverage (0..255) of a disc around (right, down) in the middle pixel of a square. */
function makeStamp(r, right, down) {
  const reach = Math.ceil(r + 0.5);
  const size = 2 * reach + 1;
  const cover = new Uint8Array(size * size);
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const distance = Math.hypot(column + 0.5 - reach - right, row + 0.5 - reach - down);
      cover[row * size + column] = 255 * Math.min(1, Math.max(0, r + 0.5 - distance)) * Math.min(1, 2 * r * r);
    }
  return { reach, size, cover };
}
