/** Masks as files. */

import { cocoOf } from "./coco.js";
import { bits, packedRuns } from "../objects/masks.js";
import { writePng } from "./png.js";
import { maskFile } from "../server.js";
import { writeZip } from "./zip.js";

const MOST_INDEXED = 255;
export const FORMATS = /** @type {const} */ (["indexed", "coco", "each", "coco-polygons", "label-studio", "bitmask"]);
/** @type {Record<string, string>} */
const SUFFIXES = { "application/json": "json", "image/png": "png", "application/zip": "zip" };

/**
 * @typedef {import("./coco.js").Segmented} Segmented
 * @typedef {{name: string, width: number, height: number}} Picture
 * @typedef {typeof FORMATS[number] | "label-studio-polygons"} Format
 */

/**
 * @param {Format} format
 * @param {readonly Segmented[]} things
 * @param {Picture} image
 */
export async function save(format, things, image) {
  const stem = image.name.replace(/\.[^.]*$/, "") || "image";
  if (format === "coco") {
    download(`${stem}.json`, [JSON.stringify(cocoOf(things, image))], "application/json");
  } else if (format === "indexed") {
    download(`${stem}.png`, [await indexed(things, image)], "image/png");
  } else if (format !== "each") {
    const file = await fileOf(format, things, image);
    download(`${stem}-${format}.${SUFFIXES[file.type]}`, [file], file.type);
  } else if (things.length === 1) {
    download(`${stem}-${plain(things[0].name)}.png`, [await single(things[0], image)], "image/png");
  } else {
    const files = [];
    for (const [index, thing] of things.entries()) {
      const name = `${String(index + 1).padStart(2, "0")}-${plain(thing.name)}.png`;
      files.push({ name, data: await single(thing, image) });
    }
    download(`${stem}.zip`, writeZip(files), "application/zip");
  }
}

/** A file that the server writes. @param {Format} format @param {readonly Segmented[]} things @param {Picture} image */
export function fileOf(format, things, { name: picture, width, height }) {
  const objects = things.map(({ name, mask }) => ({ ...mask, name, runs: packedRuns(mask) }));
  return maskFile({ format, image: picture, width, height, objects });
}

/**
 * Object n has the value n, in the order of the list; where objects overlap, the later one is seen.
 * @param {readonly Segmented[]} things
 * @param {Picture} image
 */
function indexed(things, { width, height }) {
  if (things.length > MOST_INDEXED) {
    throw new Error(`An indexed PNG holds ${MOST_INDEXED} objects at most; save COCO JSON instead.`);
  }
  const pixels = new Uint8Array(width * height);
  for (const [index, { mask }] of things.entries()) {
    const inside = bits([mask], mask);
    for (let y = 0; y < mask.height; y++) {
      const row = (mask.top + y) * width + mask.left;
      for (let x = 0; x < mask.width; x++) {
        if (inside[y * mask.width + x]) pixels[row + x] = index + 1;
      }
    }
  }
  return writePng(pixels, width, height, ["#000000", ...things.map((thing) => thing.colour)]);
}

/** @param {Segmented} thing @param {Picture} image */
function single({ mask }, { width, height }) {
  const pixels = bits([mask], { left: 0, top: 0, width, height });
  return writePng(pixels.map((value) => value * 255), width, height);
}

/** @param {string} name as part of a file's name */
const plain = (name) => name.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 60) || "object";

/** @param {string} name @param {BlobPart[]} pieces @param {string} type */
function download(name, pieces, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(pieces, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
