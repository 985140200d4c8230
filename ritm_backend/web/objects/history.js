/**
 * Documents before and after the present one.
 *
 * @typedef {import("./document.js").Doc} Doc
 *
 * @typedef {object} History
 * @property {readonly Doc[]} past
 * @property {Doc} now
 * @property {readonly Doc[]} future
 */

import { BLANK } from "./document.js";

/** @returns {History} */
export const begin = () => ({ past: [], now: BLANK, future: [] });

/** A new step; what was undone is forgotten. @param {History} history @param {Doc} doc @returns {History} */
export function step(history, doc) {
  if (doc === history.now) return history;
  return { past: [...history.past, history.now], now: doc, future: [] };
}

/** @param {History} history @returns {History} */
export function undo({ past, now, future }) {
  if (!past.length) return { past, now, future };
  return { past: past.slice(0, -1), now: past[past.length - 1], future: [now, ...future] };
}

/** @param {History} history @returns {History} */
export function redo({ past, now, future }) {
  if (!future.length) return { past, now, future };
  return { past: [...past, now], now: future[0], future: future.slice(1) };
}

/**
 * Changes how all documents look, the undone ones included.
 * @param {History} history
 * @param {(doc: Doc) => Doc} change
 * @returns {History}
 */
export function throughout({ past, now, future }, change) {
  return { past: past.map(change), now: change(now), future: future.map(change) };
}
