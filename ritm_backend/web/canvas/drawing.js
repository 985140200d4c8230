/**
 * What is drawn with drags: boxes, lassos and strokes, and how they look.
 *
 * @typedef {"click" | "box" | "stroke" | "lasso"} Tool what a plain drag does; with "click" it pans
 *
 * @typedef {{x: number, y: number}} Place on the image
 *
 * @typedef {object} Drag
 * @property {Tool} tool
 * @property {boolean} isPositive
 * @property {readonly Place[]} path
 *
 * @typedef {object} Line on the image
 * @property {readonly (readonly [x: number, y: number])[]} points
 * @property {boolean} isPositive
 * @property {boolean} isClosed
 */

import * as documents from "../objects/document.js";

/**
 * @param {Drag} drag
 * @returns {documents.Box} of the pixels that it touches
 */
function boxOf({ path }) {
  const from = path[0];
  const to = path[path.length - 1];
  const left = Math.floor(Math.min(from.x, to.x));
  const top = Math.floor(Math.min(from.y, to.y));
  const right = Math.max(Math.ceil(Math.max(from.x, to.x)), left + 1);
  return [left, top, right, Math.max(Math.ceil(Math.max(from.y, to.y)), top + 1)];
}

/** @param {Drag} drag */
const pointsOf = ({ path }) => path.map(({ x, y }) => /** @type {const} */ ([x, y]));

/**
 * The document with what was drawn.
 * @param {documents.Doc} doc
 * @param {Drag} drag
 * @returns {documents.Doc}
 */
export function withDrawn(doc, drag) {
  if (drag.tool === "stroke") {
    return documents.addClick(doc, { line: pointsOf(drag), is_positive: drag.isPositive });
  }
  if (drag.tool === "box") return documents.addRegion(doc, { box: boxOf(drag), lasso: null });
  return drag.path.length < 3 ? doc : documents.addRegion(doc, { box: null, lasso: pointsOf(drag) });
}

/**
 * What there is to draw of a part of an object, and of what is being drawn.
 * @param {documents.Part | null} part
 * @param {Drag | null} drag
 * @returns {{clicks: documents.Click[], box: documents.Box | null, lines: Line[]}}
 */
export function marksOf(part, drag) {
  const marks = part?.clicks ?? [];
  const lines = marks
    .filter(documents.isStroke)
    .map(({ line, is_positive }) => ({ points: line, isPositive: is_positive, isClosed: false }));
  if (part?.lasso) lines.push({ points: part.lasso, isPositive: true, isClosed: true });
  if (drag && drag.tool !== "box") {
    lines.push({ points: pointsOf(drag), isPositive: drag.isPositive, isClosed: drag.tool === "lasso" });
  }
  const clicks = marks.filter(documents.isClick);
  return { clicks, box: drag?.tool === "box" ? boxOf(drag) : (part?.box ?? null), lines };
}

/**
 * In words: "lasso · 1 stroke · 2 clicks".
 * @param {documents.Thing} thing
 * @returns {string[]}
 */
export function madeOf({ parts }) {
  const marks = parts.flatMap((part) => part.clicks);
  const strokes = marks.filter(documents.isStroke).length;
  const clicks = marks.length - strokes;
  const words = ["box", "lasso"].filter((name) => parts.some((part) => part[/** @type {"box" | "lasso"} */ (name)]));
  if (strokes) words.push(strokes === 1 ? "1 stroke" : `${strokes} strokes`);
  if (clicks || !words.length) words.push(clicks === 1 ? "1 click" : `${clicks} clicks`);
  return words;
}
