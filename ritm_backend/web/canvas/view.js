/**
 * Where the picture is on the stage, and how it is drawn.
 *
 * @typedef {object} Layer one object to draw
 * @property {import("../objects/masks.js").Mask} mask
 * @property {import("../saving/polygons.js").Polygon | null} polygon to draw in place of the edges of its pixels
 * @property {string} colour
 * @property {boolean} isActive
 *
 * @typedef {object} Scene
 * @property {ImageBitmap | null} bitmap
 * @property {readonly Layer[]} layers
 * @property {readonly import("../objects/document.js").Click[]} clicks
 * @property {readonly import("./drawing.js").Line[]} lines
 * @property {import("../objects/document.js").Box | null} box
 * @property {{x: number, y: number} | null} crosshair in pixels of the image
 * @property {number} alpha of the masks
 * @property {number} radius of the clicks, on the screen
 */

import { outline, painted } from "../objects/masks.js";

const LARGEST_SCALE = 32;
const STEP = 1.2;
const CORNER = 5; // CSS pixels, the side of a polygon's corner
const MARGINS = { side: 12, top: 46, tools: 10 }; // at the sides, for the line above, and above the tools
const LEVEL_SIDE = 1600; // pictures with a longer side also get smaller copies, so that panning stays smooth
const POSITIVE = "#22bb55";
const NEGATIVE = "#e63946";

export class View {
  /** CSS pixels per pixel of the image, and where the image's corner is on the canvas. */
  scale = 1;
  x = 0;
  y = 0;
  #tools;
  #context;
  #frame = 0;
  /** @type {() => Scene} */
  #scene;
  /** @type {ImageBitmap[]} the image and its halves */
  #levels = [];
  /** @type {WeakMap<import("../objects/masks.js").Mask, {path: Path2D, colour: string, fill: HTMLCanvasElement}>} */
  #drawn = new WeakMap();
  #isFitted = true;

  /** @param {HTMLCanvasElement} canvas @param {HTMLElement} tools over its lower part @param {() => Scene} scene */
  constructor(canvas, tools, scene) {
    this.canvas = canvas;
    this.#tools = tools;
    this.#scene = scene;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const resized = new ResizeObserver(() => this.#resize());
    for (const element of [canvas, tools]) resized.observe(element);
  }

  /** @param {ImageBitmap} bitmap */
  async show(bitmap) {
    this.#levels = [bitmap];
    this.fit();
    let level = bitmap;
    while (Math.max(level.width, level.height) > LEVEL_SIDE) {
      const size = { resizeWidth: Math.ceil(level.width / 2), resizeHeight: Math.ceil(level.height / 2) };
      level = await createImageBitmap(level, { ...size, resizeQuality: "medium" });
      if (this.#levels[0] !== bitmap) return;
      this.#levels.push(level);
      this.draw();
    }
  }

  /** Shows the whole image. */
  fit() {
    const image = this.#levels[0];
    if (!image) return;
    this.scale = this.#fittingScale(image);
    const room = this.#room();
    this.x = MARGINS.side + (room.width - image.width * this.scale) / 2;
    this.y = MARGINS.top + (room.height - image.height * this.scale) / 2;
    this.#isFitted = true;
    this.draw();
  }

  /** @param {number} x @param {number} y place on the canvas @param {number} factor */
  zoomAt(x, y, factor) {
    const image = this.#levels[0];
    if (!image) return;
    const fitting = this.#fittingScale(image);
    const scale = Math.max(fitting, Math.min(LARGEST_SCALE, this.scale * factor));
    if (scale === fitting) return this.fit();
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.#isFitted = false;
    this.pan(0, 0);
  }

  /** @param {1 | -1} direction in or out, around the middle */
  zoom(direction) {
    const { width, height } = this.#size();
    this.zoomAt(width / 2, height / 2, direction > 0 ? STEP ** 2 : STEP ** -2);
  }

  /** @param {number} dx @param {number} dy on the screen; some of the image always stays in sight */
  pan(dx, dy) {
    const image = this.#levels[0];
    if (!image) return;
    const { width, height } = this.#size();
    this.x = clamp(this.x + dx, width / 2 - image.width * this.scale, width / 2);
    this.y = clamp(this.y + dy, height / 2 - image.height * this.scale, height / 2);
    if (dx || dy) this.#isFitted = false;
    this.draw();
  }

  /** @param {number} x @param {number} y on the canvas @returns {{x: number, y: number} | null} on the image */
  toImage(x, y) {
    const image = this.#levels[0];
    if (!image) return null;
    const place = { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
    const isInside = place.x >= 0 && place.y >= 0 && place.x < image.width && place.y < image.height;
    return isInside ? place : null;
  }

  /** @param {{x: number, y: number}} place on the canvas @returns {{x: number, y: number}} nearest on the image */
  nearest({ x, y }) {
    const image = this.#levels[0];
    return {
      x: clamp((x - this.x) / this.scale, 0, image?.width ?? 0),
      y: clamp((y - this.y) / this.scale, 0, image?.height ?? 0),
    };
  }

  /** @param {{x: number, y: number}} place on the image @returns {{x: number, y: number}} on the canvas */
  toCanvas({ x, y }) {
    return { x: this.x + x * this.scale, y: this.y + y * this.scale };
  }

  /** Pans as far as is needed to have a place in sight. @param {{x: number, y: number}} place */
  reveal(place) {
    const { width, height } = this.#size();
    const { x, y } = this.toCanvas(place);
    const dx = clamp(x, Math.min(40, width / 2), Math.max(width - 40, width / 2)) - x;
    const dy = clamp(y, Math.min(40, height / 2), Math.max(height - 40, height / 2)) - y;
    if (dx || dy) this.pan(dx, dy);
  }

  /** Draws before the next frame, however often it is called. */
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  /** @param {ImageBitmap} image */
  #fittingScale(image) {
    const room = this.#room();
    return Math.max(Math.min(room.width / image.width, room.height / image.height), 1e-3);
  }

  /** For the whole image, under nothing. */
  #room() {
    const bottom = this.#tools.offsetTop - MARGINS.tools;
    return { width: this.canvas.clientWidth - 2 * MARGINS.side, height: bottom - MARGINS.top };
  }

  #size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  #resize() {
    const { width, height } = this.#size();
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    if (this.#isFitted) this.fit();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#paint(); // at once: a canvas that was resized is blank
  }

  #paint() {
    const context = this.#context;
    const scene = this.#scene();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const image = this.#levels[0];
    if (!scene.bitmap || !image) return;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.translate(this.x, this.y);
    context.scale(this.scale, this.scale);
    context.imageSmoothingEnabled = this.scale * devicePixelRatio <= 2;
    const wanted = image.width * this.scale * devicePixelRatio;
    const level = this.#levels.findLast((copy) => copy.width >= wanted) ?? image;
    context.drawImage(level, 0, 0, image.width, image.height);
    for (const layer of scene.layers) this.#paintMask(layer, scene.alpha);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.canvas.dataset.view = `${this.scale} ${this.x} ${this.y}`; // for whoever scripts the page
    if (scene.box) this.#paintBox(scene.box);
    for (const line of scene.lines) this.#paintLine(line);
    for (const click of scene.clicks) this.#paintClick(click, scene.radius);
    if (scene.crosshair) this.#paintCrosshair(scene.crosshair);
  }

  /** @param {Layer} layer @param {number} alpha */
  #paintMask({ mask, polygon, colour, isActive }, alpha) {
    if (!mask.width) return;
    let drawn = this.#drawn.get(mask);
    if (drawn?.colour !== colour) {
      drawn = { path: drawn?.path ?? outline(mask), colour, fill: painted(mask, colour) };
      this.#drawn.set(mask, drawn);
    }
    const context = this.#context;
    context.globalAlpha = alpha;
    context.drawImage(drawn.fill, mask.left, mask.top, mask.width, mask.height);
    context.globalAlpha = 1;
    if (alpha === 0) return;
    const edge = polygon?.path ?? drawn.path;
    // Square ends close the corners of pixels, where these can be seen; they cost time.
    context.lineCap = this.scale < 1 ? "butt" : "square";
    if (isActive) {
      context.lineWidth = 3.5 / this.scale;
      context.strokeStyle = "#ffffffd0";
      context.stroke(edge);
    }
    context.lineWidth = (isActive ? 1.75 : 1.5) / this.scale;
    context.strokeStyle = colour;
    context.stroke(edge);
    const half = CORNER / 2 / this.scale;
    context.fillStyle = "#fff";
    for (const [x, y] of polygon?.corners ?? []) {
      context.fillRect(x - half, y - half, 2 * half, 2 * half);
      context.strokeRect(x - half, y - half, 2 * half, 2 * half);
    }
  }

  /** @param {import("../objects/document.js").Box} box */
  #paintBox([left, top, right, bottom]) {
    const context = this.#context;
    const { x, y } = this.toCanvas({ x: left, y: top });
    const corner = this.toCanvas({ x: right, y: bottom });
    for (const [width, colour, dashes] of /** @type {const} */ ([[3.5, "#ffffffd0", []], [1.75, POSITIVE, [6, 4]]])) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.setLineDash([...dashes]);
      context.strokeRect(x, y, corner.x - x, corner.y - y);
    }
    context.setLineDash([]);
  }

  /** @param {import("./drawing.js").Line} line */
  #paintLine({ points, isPositive, isClosed }) {
    const context = this.#context;
    context.beginPath();
    for (const [imageX, imageY] of points) {
      const { x, y } = this.toCanvas({ x: imageX, y: imageY });
      context.lineTo(x, y);
    }
    if (isClosed) context.closePath();
    context.lineCap = context.lineJoin = "round";
    const colour = isPositive ? POSITIVE : NEGATIVE;
    for (const [width, style] of /** @type {const} */ ([[isClosed ? 3.5 : 5.5, "#ffffffd0"], [isClosed ? 1.75 : 3, colour]])) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.setLineDash(isClosed && style === colour ? [6, 4] : []);
      context.stroke();
    }
    context.setLineDash([]);
  }

  /** @param {import("../objects/document.js").Click} click @param {number} radius */
  #paintClick([imageX, imageY, isPositive], radius) {
    if (!radius) return;
    const context = this.#context;
    const { x, y } = this.toCanvas({ x: imageX, y: imageY });
    for (const [size, colour] of /** @type {const} */ ([[radius + 1.5, "#fff"], [radius, ""]])) {
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fillStyle = colour || (isPositive ? POSITIVE : NEGATIVE);
      context.fill();
    }
    if (radius < 4) return;
    const arm = radius * 0.55;
    context.beginPath();
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    if (isPositive) {
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
    }
    context.lineWidth = Math.max(1, radius / 4);
    context.strokeStyle = "#fff";
    context.stroke();
  }

  /** @param {{x: number, y: number}} place */
  #paintCrosshair(place) {
    const context = this.#context;
    const { x, y } = this.toCanvas(place);
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 22 * dx, y + 22 * dy);
    }
    for (const [width, colour] of /** @type {const} */ ([[4, "#000000b0"], [1.75, "#ffffff"]])) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
  }
}

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
