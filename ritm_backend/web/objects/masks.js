/**
 * Masks as run lengths inside the rectangle that they fill: small enough to keep one for every click.
 *
 * @typedef {object} Mask
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {Uint32Array} runs lengths in row order, off and on in turn, the first one off
 * @property {number} score mean probability over the mask
 *
 * @typedef {object} Answer what the server sends for a prompt
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {string} runs base64 of variable-length numbers
 * @property {number} score
 * @property {string} model_version
 * @property {string} message what there is to say about the mask, if anything
 * @property {Record<string, number>} stages_ms
 */

/** @type {Mask} */
export const EMPTY = { left: 0, top: 0, width: 0, height: 0, runs: new Uint32Array(), score: 0 };

/** @param {Answer} answer @returns {Mask} */
export function maskOf(answer) {
  const { left, top, width, height, score } = answer;
  const bytes = Uint8Array.from(atob(answer.runs), (letter) => letter.charCodeAt(0));
  const runs = [];
  for (let at = 0; at < bytes.length; at++) {
    let length = bytes[at] & 127;
    for (let shift = 7; bytes[at] & 128; shift += 7) length += (bytes[++at] & 127) * 2 ** shift;
    runs.push(length);
  }
  return { left, top, width, height, score, runs: Uint32Array.from(runs) };
}

/** @param {Mask} mask @returns {string} its runs as an answer has them */
export function packedRuns(mask) {
  let letters = "";
  for (let length of mask.runs) {
    for (; length > 127; length = Math.floor(length / 128)) letters += String.fromCharCode((length % 128) | 128);
    letters += String.fromCharCode(length);
  }
  return btoa(letters);
}

/** @param {Mask} mask @returns {number} pixels */
export function area(mask) {
  let sum = 0;
  for (let i = 1; i < mask.runs.length; i += 2) sum += mask.runs[i];
  return sum;
}

/**
 * Calls back for every stretch of a row, in image coordinates.
 * @param {Mask} mask
 * @param {(x: number, y: number, length: number) => void} visit
 */
export function eachStretch(mask, visit) {
  let at = 0;
  for (let i = 0; i < mask.runs.length; i++) {
    const end = at + mask.runs[i];
    while (i % 2 && at < end) {
      const row = Math.floor(at / mask.width);
      const until = Math.min(end, (row + 1) * mask.width);
      visit(mask.left + at - row * mask.width, mask.top + row, until - at);
      at = until;
    }
    at = end;
  }
}

/**
 * One byte per pixel of a rectangle, 1 on the mask.
 * @param {readonly Mask[]} masks
 * @param {{left: number, top: number, width: number, height: number}} box
 */
export function bits(masks, box) {
  const pixels = new Uint8Array(box.width * box.height);
  for (const mask of masks) {
    eachStretch(mask, (x, y, length) => {
      const first = (y - box.top) * box.width + x - box.left;
      pixels.fill(1, first, first + length);
    });
  }
  return pixels;
}

/** @param {readonly Mask[]} masks @returns {Mask} every pixel of any of them */
export function union(masks) {
  const filled = masks.filter((mask) => mask.width);
  if (filled.length < 2) return filled[0] ?? EMPTY;
  const left = Math.min(...filled.map((mask) => mask.left));
  const top = Math.min(...filled.map((mask) => mask.top));
  const width = Math.max(...filled.map((mask) => mask.left + mask.width)) - left;
  const height = Math.max(...filled.map((mask) => mask.top + mask.height)) - top;
  const score = Math.min(...filled.map((mask) => mask.score));
  const box = { left, top, width, height };
  return { ...box, score, runs: runsOf(bits(filled, box)) };
}

/** @param {Uint8Array} pixels zeros and ones @returns {Uint32Array} off and on in turn */
export function runsOf(pixels) {
  const runs = [];
  let value = 0;
  let start = 0;
  for (let at = 0; at < pixels.length; at++) {
    if (pixels[at] !== value) {
      runs.push(at - start);
      start = at;
      value = pixels[at];
    }
  }
  runs.push(pixels.length - start);
  return Uint32Array.from(runs);
}

/**
 * The edges of the pixels around a mask, as lines that stay thin however far the picture is enlarged.
 * @param {Mask} mask
 */
export function outline(mask) {
  const path = new Path2D();
  /** @type {number[][]} where the stretches of each row begin and end */
  const rows = Array.from({ length: mask.height }, () => []);
  eachStretch(mask, (x, y, length) => {
    rows[y - mask.top].push(x, x + length);
    for (const edge of [x, x + length]) {
      path.moveTo(edge, y);
      path.lineTo(edge, y + 1);
    }
  });
  for (let y = 0; y <= mask.height; y++) {
    // Between two rows there is an edge wherever one of them is on: from each end to the next one.
    const ends = [...(rows[y - 1] ?? []), ...(rows[y] ?? [])].sort((a, b) => a - b);
    for (let i = 0; i < ends.length; i += 2) {
      if (ends[i] === ends[i + 1]) continue;
      path.moveTo(ends[i], mask.top + y);
      path.lineTo(ends[i + 1], mask.top + y);
    }
  }
  return path;
}

const MOST_PAINTED = 4e6;

/**
 * The mask in one colour on a canvas, at full size up to four million pixels and coarser above.
 * @param {Mask} mask
 * @param {string} colour "#rrggbb"
 */
export function painted(mask, colour) {
  const step = Math.ceil(Math.sqrt((mask.width * mask.height) / MOST_PAINTED)) || 1;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.ceil(mask.width / step));
  canvas.height = Math.max(1, Math.ceil(mask.height / step));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  const value = Number.parseInt(colour.slice(1), 16);
  // Pixels are stored red first; typed arrays of every browser's machine put the lowest byte first.
  const abgr = (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
  eachStretch(mask, (x, y, length) => {
    const row = y - mask.top;
    if (row % step) return;
    const first = (row / step) * canvas.width;
    const from = Math.floor((x - mask.left) / step);
    const to = Math.ceil((x - mask.left + length) / step);
    pixels.fill(abgr, first + from, first + to);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}
