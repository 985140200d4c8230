/**
 * Gets the masks that the document needs: one request at a time, each with all clicks there are by then.
 * So clicks made while one is running become part of the next request, and none is lost.
 *
 * @typedef {import("./masks.js").Mask} Mask
 * @typedef {import("../server.js").Prompt} Prompt
 */

import { message } from "../elements.js";
import { maskOf } from "./masks.js";
import { segment } from "../server.js";

const MOST_KEPT = 2000;
const BUSY_WAIT_MS = 1000;

/** @param {Prompt} prompt */
const keyOf = (prompt) => JSON.stringify(prompt);

export class Asker extends EventTarget {
  /** @type {Map<string, Mask>} */
  #masks = new Map();
  /** @type {Map<string, string>} sentences of the server, until the next change */
  #refused = new Map();
  #running = false;
  #wanted;

  /** @param {() => Prompt[]} wanted prompts that should have a mask now, the most urgent first */
  constructor(wanted) {
    super();
    this.#wanted = wanted;
  }

  /** @param {Prompt} prompt @returns {Mask | undefined} */
  exact(prompt) {
    return this.#masks.get(keyOf(prompt));
  }

  /** The mask after as many of the clicks as are answered. @param {Prompt} prompt @returns {Mask | undefined} */
  latest(prompt) {
    for (let count = prompt.clicks.length; count >= 0; count--) {
      const mask = this.exact({ ...prompt, clicks: prompt.clicks.slice(0, count) });
      if (mask) return mask;
    }
    return undefined;
  }

  get isBusy() {
    return this.#running;
  }

  /** Tries again what was refused. */
  forgive() {
    this.#refused.clear();
    this.update();
  }

  /** To be called after every change of what is wanted. */
  update() {
    if (!this.#running) void this.#run();
  }

  /** Resolves when every mask is there; rejects with the server's sentence if one is not to be had. */
  async settled() {
    this.update();
    while (this.#running) {
      await new Promise((resolve) => this.addEventListener("idle", resolve, { once: true }));
    }
    const refused = this.#wanted().find((prompt) => !this.exact(prompt));
    if (refused) throw new Error(this.#refused.get(keyOf(refused)) ?? "A mask is missing.");
  }

  #next() {
    return this.#wanted().find((prompt) => !this.exact(prompt) && !this.#refused.has(keyOf(prompt)));
  }

  async #run() {
    this.#running = true;
    for (let prompt = this.#next(); prompt; prompt = this.#next()) {
      this.#tell("asking");
      await this.#ask(prompt);
    }
    this.#running = false;
    this.#tell("idle");
  }

  /** @param {Prompt} prompt */
  async #ask(prompt) {
    const start = performance.now();
    try {
      const answer = await segment(prompt);
      const ms = performance.now() - start;
      this.#keep(keyOf(prompt), maskOf(answer));
      this.#tell("answer", { prompt, answer, ms });
    } catch (error) {
      if (/** @type {{status?: number}} */ (error).status === 503) {
        this.#tell("refusal", { sentence: `${message(error)} Trying again …` });
        await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
        return;
      }
      this.#refused.set(keyOf(prompt), message(error));
      this.#tell("refusal", { sentence: message(error) });
    }
  }

  /** @param {string} key @param {Mask} mask */
  #keep(key, mask) {
    this.#masks.set(key, mask);
    for (const oldest of this.#masks.keys()) {
      if (this.#masks.size <= MOST_KEPT) break;
      this.#masks.delete(oldest);
    }
  }

  /** @param {string} type @param {unknown} [detail] */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
