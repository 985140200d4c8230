/** COCO annotations with compressed run lengths, as pycocotools reads them. */

import { area, bits } from "../objects/masks.js";

/**
 * @typedef {object} Segmented
 * @property {string} name
 * @property {string} colour
 * @property {import("../objects/masks.js").Mask} mask
 *
 * @param {readonly Segmented[]} things
 * @param {{name: string, width: number, height: number}} image
 */
export function cocoOf(things, image) {
  const names = [...new Set(things.map((thing) => thing.name))];
  return {
    images: [{ id: 1, file_name: image.name, width: image.width, height: image.height }],
    categories: names.map((name, index) => ({ id: index + 1, name })),
    annotations: things.map(({ name, mask }, index) => ({
      id: index + 1,
      image_id: 1,
      category_id: names.indexOf(name) + 1,
      iscrowd: 0,
      area: area(mask),
      bbox: [mask.left, mask.top, mask.width, mask.height],
      segmentation: { size: [image.height, image.width], counts: packed(columnRuns(mask, image)) },
      score: mask.score,
    })),
  };
}

/**
 * Lengths of runs down the columns of the whole image, off and on in turn.
 * @param {import("../objects/masks.js").Mask} mask
 * @param {{width: number, height: number}} image
 */
function columnRuns(mask, image) {
  const pixels = bits([mask], mask);
  const runs = [];
  let value = 0;
  let last = 0;
  /** @param {number} now @param {number} at */
  const meet = (now, at) => {
    if (now === value) return;
    runs.push(at - last);
    last = at;
    value = now;
  };
  for (let x = 0; x < mask.width; x++) {
    const first = (mask.left + x) * image.height + mask.top;
    for (let y = 0; y < mask.height; y++) meet(pixels[y * mask.width + x], first + y);
    if (mask.height < image.height) meet(0, first + mask.height);
  }
  runs.push(image.width * image.height - last);
  return runs;
}

/**
 * COCO's letters: five bits each, lowest first; from the fourth run on, the difference to the run before
 * the last is written.
 * @param {readonly number[]} runs
 */
function packed(runs) {
  let text = "";
  runs.forEach((run, index) => {
    let value = index > 2 ? run - runs[index - 2] : run;
    for (let more = true; more; ) {
      const five = value & 31;
      value >>= 5;
      more = five & 16 ? value !== -1 : value !== 0;
      text += String.fromCharCode((more ? five | 32 : five) + 48);
    }
  });
  return text;
}
