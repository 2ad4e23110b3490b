// From the layout's square (units 0..side) to the screen (CSS pixels): screen = place * scale + (x, y).

const DEEPEST = 600; // times the whole picture

export class Camera {
  constructor(side) {
    this.side = side;
    this.width = this.height = 1;
    this.scale = 1;
    this.x = this.y = 0;
    this.inset = { top: 0, right: 0, bottom: 0, left: 0 }; // what controls cover for good
    this.covered = { right: 0, bottom: 0 }; // what the panel covers now
    this.moved = false; // the user has chosen a view: a new window size must not undo it
  }

  /** The scale at which the whole square just fits the free part of the window. */
  get whole() {
    const { top, right, bottom, left } = this.inset;
    return Math.max(1e-6, Math.min(this.width - left - right, this.height - top - bottom) / this.side) * 0.97;
  }

  /** 1 when the whole is seen, 10 when a tenth of its width is. */
  get zoom() {
    return this.scale / this.whole;
  }

  /** The middle of the part of the window that no panel covers. */
  get middle() {
    const { top, right, bottom, left } = this.inset;
    const { covered } = this;
    return [(left + this.width - Math.max(right, covered.right)) / 2, (top + this.height - Math.max(bottom, covered.bottom)) / 2];
  }

  resize(width, height) {
    const centre = this.toPlace(this.width / 2, this.height / 2);
    const zoom = this.zoom;
    this.width = width;
    this.height = height;
    if (!this.moved) return this.fit();
    this.scale = zoom * this.whole;
    this.x = width / 2 - centre[0] * this.scale;
    this.y = height / 2 - centre[1] * this.scale;
  }

  fit() {
    this.scale = this.whole;
    this.centre(this.side / 2, this.side / 2);
    this.moved = false;
  }

  centre(placeX, placeY) {
    const [x, y] = this.middle;
    this.x = x - placeX * this.scale;
    this.y = y - placeY * this.scale;
    this.moved = true;
  }

  /** Bring a place to the middle, at least `zoom` times as large as the whole. */
  goTo(placeX, placeY, zoom) {
    this.scale = Math.max(this.scale, zoom * this.whole);
    this.centre(placeX, placeY);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.moved = true;
  }

  /** Zoom by `factor` so that what is under the given point of the screen stays there. */
  zoomAt(screenX, screenY, factor) {
    const scale = Math.min(this.whole * DEEPEST, Math.max(this.whole * 0.4, this.scale * factor));
    const change = scale / this.scale;
    this.x = screenX - (screenX - this.x) * change;
    this.y = screenY - (screenY - this.y) * change;
    this.scale = scale;
    this.moved = true;
  }

  toPlace(screenX, screenY) {
    return [(screenX - this.x) / this.scale, (screenY - this.y) / this.scale];
  }

  toScreen(placeX, placeY) {
    return [placeX * this.scale + this.x, placeY * this.scale + this.y];
  }

  /** What a worker needs to draw this view, `margin` times larger on each side, at `ratio` pixels per CSS pixel. */
  view(margin, ratio) {
    const left = Math.round(this.width * margin);
    const top = Math.round(this.height * margin);
    return {
      width: Math.max(1, Math.round((this.width + 2 * left) * ratio)),
      height: Math.max(1, Math.round((this.height + 2 * top) * ratio)),
      scale: this.scale * ratio,
      x: (this.x + left) * ratio,
      y: (this.y + top) * ratio,
      ratio,
      zoom: this.zoom,
    };
  }
}
