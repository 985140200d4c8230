/**
 * One picture and the work on it: the document with its history, the click that is just being made, the
 * options, and the masks that follow from all of these.
 */

import { Asker } from "./asker.js";
import * as documents from "./document.js";
import * as histories from "./history.js";
import { union } from "./masks.js";

/**
 * @typedef {import("./document.js").Doc} Doc
 * @typedef {import("./document.js").Part} Part
 * @typedef {import("./document.js").Thing} Thing
 * @typedef {import("./masks.js").Mask} Mask
 * @typedef {import("../server.js").Prompt} Prompt
 */

export class Session extends EventTarget {
  /** @type {import("../opening.js").Opened | null} */
  image = null;
  /** @type {Doc | null} the document with the click that is being made */
  #tentative = null;
  #history = histories.begin();
  /** @type {Map<string, Mask>} what was shown of some clicks, until their mask by other options is there */
  #shown = new Map();
  /** @type {WeakMap<Mask, {masks: readonly Mask[], result: Mask}>} by the first of the masks */
  #merged = new WeakMap();

  /** @param {import("../server.js").Config} config */
  constructor({ options, threshold }) {
    super();
    this.options = options;
    this.threshold = threshold;
    this.asker = new Asker(() => this.#prompts());
    this.asker.addEventListener("answer", () => this.#tell());
  }

  /** @returns {Doc} */
  get doc() {
    return this.#tentative ?? this.#history.now;
  }

  get active() {
    return documents.activeThing(this.doc);
  }

  get canUndo() {
    return this.#history.past.length > 0;
  }

  get canRedo() {
    return this.#history.future.length > 0;
  }

  /** @param {import("../opening.js").Opened} image */
  open(image) {
    this.image?.bitmap.close();
    this.image = image;
    this.#history = histories.begin();
    this.#tentative = null;
    this.#shown.clear();
    this.#changed();
  }

  /** @param {(doc: Doc) => Doc} action */
  act(action) {
    if (!this.image) return;
    this.#tentative = null;
    this.#history = histories.step(this.#history, action(this.#history.now));
    this.#changed();
  }

  /** A click that is asked for already, but may still become something else. @param {documents.Click} click */
  try(click) {
    if (!this.image) return;
    this.#tentative = documents.addClick(this.#history.now, click);
    this.#changed();
  }

  /** The click that was tried stands. */
  commit() {
    if (this.#tentative) this.#history = histories.step(this.#history, this.#tentative);
    this.drop();
  }

  /** The click that was tried is none. */
  drop() {
    this.#tentative = null;
    this.#changed();
  }

  undo() {
    this.#history = histories.undo(this.#history);
    this.drop();
  }

  redo() {
    this.#history = histories.redo(this.#history);
    this.drop();
  }

  /** @param {number} id @param {Parameters<typeof documents.restyle>[2]} look */
  restyle(id, look) {
    this.#history = histories.throughout(this.#history, (doc) => documents.restyle(doc, id, look));
    this.drop();
  }

  /** @param {Partial<Pick<Session, "threshold" | "options">>} change */
  set(change) {
    Object.assign(this, change);
    this.#changed();
  }

  /** The mask to show, or the one of fewer clicks while it is being made. @param {Thing} thing @returns {Mask} */
  maskOf(thing) {
    const masks = thing.parts.map((part) => this.#maskOfPart(part));
    return this.#union(masks.filter((mask) => mask !== undefined));
  }

  /** Objects with their masks, once all are there. @returns {Promise<import("../saving/coco.js").Segmented[]>} */
  async segmented() {
    await this.asker.settled();
    return documents.finish(this.#history.now).things.map((thing) => ({ ...thing, mask: this.maskOf(thing) }));
  }

  /** Remembers the last union that begins with a mask: it is asked for with each drawing. @param {readonly Mask[]} masks */
  #union(masks) {
    if (masks.length < 2) return union(masks);
    const known = this.#merged.get(masks[0]);
    if (known?.masks.length === masks.length && known.masks.every((mask, index) => mask === masks[index])) return known.result;
    const result = union(masks);
    this.#merged.set(masks[0], { masks, result });
    return result;
  }

  /** @param {Part} part @returns {Mask | undefined} */
  #maskOfPart(part) {
    const prompt = this.#promptOf(part);
    if (!prompt || documents.isEmpty(part)) return undefined;
    const clicks = JSON.stringify([part.start, part.box, part.lasso, part.clicks]);
    const mask = this.asker.exact(prompt);
    if (mask) this.#shown.set(clicks, mask);
    return mask ?? this.#shown.get(clicks) ?? this.asker.latest(prompt);
  }

  /** What the document needs, the object in progress first. @returns {Prompt[]} */
  #prompts() {
    const { doc } = this;
    const first = (/** @type {Thing} */ thing) => (thing.id === doc.active ? 0 : 1);
    return [...doc.things]
      .sort((a, b) => first(a) - first(b))
      .flatMap((thing) => thing.parts.toReversed())
      .filter((part) => !documents.isEmpty(part))
      .map((part) => this.#promptOf(part))
      .filter((prompt) => prompt !== null);
  }

  /** @param {Part} part @returns {Prompt | null} */
  #promptOf({ clicks, start, box, lasso }) {
    if (!this.image) return null;
    const { threshold, options } = this;
    return { image: this.image.id, clicks, box, lasso, start, threshold, options };
  }

  #changed() {
    this.#tell();
    this.asker.forgive();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
