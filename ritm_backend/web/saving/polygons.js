/** The polygons that masks are saved as, to be shown before. */

import { message } from "../elements.js";
import { area } from "../objects/masks.js";
import { fileOf } from "./saving.js";

/**
 * @typedef {import("../objects/masks.js").Mask} Mask
 * @typedef {{path: Path2D, corners: [x: number, y: number][]}} Polygon of one mask; it may have several rings
 */

/** Asks the server once for each mask that is shown. "change" says that an answer has come, "trouble" that none will. */
export class Polygons extends EventTarget {
  #isShown = false;
  /** @type {WeakMap<Mask, Polygon | null>} null: it was asked for */
  #known = new WeakMap();
  #last = Promise.resolve();

  get isShown() {
    return this.#isShown;
  }

  /** @param {boolean} isShown */
  show(isShown) {
    if (isShown === this.#isShown) return;
    this.#isShown = isShown;
    this.#known = new WeakMap(); // what failed is asked for again
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Mask} mask @param {import("./saving.js").Picture | null} image @returns {Polygon | null} null: none so far */
  of(mask, image) {
    if (!this.#isShown || !image || area(mask) === 0) return null;
    const known = this.#known.get(mask);
    if (known === undefined) {
      this.#known.set(mask, null);
      this.#last = this.#last.then(() => this.#ask(mask, image)); // one request at a time
    }
    return known ?? null;
  }

  /** @param {Mask} mask @param {import("./saving.js").Picture} image */
  async #ask(mask, image) {
    if (!this.#isShown) return;
    try {
      const file = await fileOf("coco-polygons", [{ name: "object", colour: "#000000", mask }], image);
      const [{ segmentation }] = JSON.parse(await file.text()).annotations;
      this.#known.set(mask, polygonOf(segmentation));
      this.dispatchEvent(new Event("change"));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("trouble", { detail: message(error) }));
    }
  }
}

/** @param {number[][]} rings x and y in turn @returns {Polygon} */
function polygonOf(rings) {
  const path = new Path2D();
  /** @type {Polygon["corners"]} */
  const corners = [];
  for (const ring of rings) {
    for (let at = 0; at < ring.length; at += 2) {
      corners.push([ring[at], ring[at + 1]]);
      if (at === 0) path.moveTo(ring[0], ring[1]);
      else path.lineTo(ring[at], ring[at + 1]);
    }
    path.closePath();
  }
  return { path, corners };
}
