/**
 * What the annotator has made: a value that nothing changes. Every action gives the next document, so undo
 * is going back to the one before.
 *
 * @typedef {readonly [x: number, y: number, isPositive: boolean]} Click in pixels of the image
 *
 * @typedef {object} Stroke a line over the object, or over what does not belong to it
 * @property {readonly (readonly [x: number, y: number])[]} line in pixels of the image
 * @property {boolean} is_positive
 *
 * @typedef {readonly [left: number, top: number, right: number, bottom: number]} Box in pixels of the image
 *
 * @typedef {readonly (readonly [x: number, y: number])[]} Lasso a line around the object
 *
 * @typedef {object} Start a mask to begin with
 * @property {string} file digest of an uploaded file
 * @property {number | null} value
 *
 * @typedef {object} Part
 * @property {Start | null} start
 * @property {Box | null} box drawn around it, before the clicks
 * @property {Lasso | null} lasso the same, in the place of a box
 * @property {readonly (Click | Stroke)[]} clicks
 *
 * @typedef {object} Thing one object of the picture
 * @property {number} id
 * @property {string} name
 * @property {string} colour
 * @property {boolean} visible
 * @property {readonly Part[]} parts their union is the object; the last one takes the clicks
 *
 * @typedef {object} Doc
 * @property {readonly Thing[]} things
 * @property {number | null} active id of the object that takes the next click; null begins a new one
 */

export const COLOURS = [
  "#3d8bfd", "#f59f00", "#12b886", "#e64980", "#7950f2",
  "#15aabf", "#fa5252", "#82c91e", "#be4bdb", "#fd7e14",
];

/** @type {Part} */
const NEW_PART = { start: null, box: null, lasso: null, clicks: [] };

/** @type {Doc} */
export const BLANK = { things: [], active: null };

/** @param {Doc} doc */
export const activeThing = (doc) => doc.things.find((thing) => thing.id === doc.active) ?? null;

/** @param {Part} part */
export const isEmpty = (part) => !part.start && !part.box && !part.lasso && part.clicks.length === 0;

/** @param {Click | Stroke} mark @returns {mark is Stroke} */
export const isStroke = (mark) => "line" in mark;

/** @param {Click | Stroke} mark @returns {mark is Click} */
export const isClick = (mark) => !isStroke(mark);

/** @param {Thing} thing */
const isBlank = (thing) => thing.parts.every(isEmpty);

/**
 * @param {Doc} doc
 * @param {readonly Part[]} parts
 * @returns {Doc} with one more object, which is active
 */
function withThing(doc, parts) {
  const id = Math.max(0, ...doc.things.map((thing) => thing.id)) + 1;
  const colour = COLOURS[(id - 1) % COLOURS.length];
  return { things: [...doc.things, { id, name: `Object ${id}`, colour, visible: true, parts }], active: id };
}

/**
 * @param {Doc} doc
 * @param {number | null} id
 * @param {(thing: Thing) => Thing} change
 * @returns {Doc}
 */
function changed(doc, id, change) {
  return { ...doc, things: doc.things.map((thing) => (thing.id === id ? change(thing) : thing)) };
}

/** @param {Doc} doc @param {Click | Stroke} click @returns {Doc} */
export function addClick(doc, click) {
  if (!activeThing(doc)) return withThing(doc, [{ ...NEW_PART, clicks: [click] }]);
  return changed(doc, doc.active, (thing) => {
    const last = thing.parts[thing.parts.length - 1];
    const part = { ...last, clicks: [...last.clicks, click] };
    return { ...thing, visible: true, parts: [...thing.parts.slice(0, -1), part] };
  });
}

/**
 * A box or a lasso around another object, or in the place of what was drawn last and not clicked on since.
 * @param {Doc} doc
 * @param {Pick<Part, "box" | "lasso">} region
 * @returns {Doc}
 */
export function addRegion(doc, region) {
  const last = activeThing(doc)?.parts.at(-1);
  if (!last || last.start || last.clicks.length) return withThing(finish(doc), [{ ...NEW_PART, ...region }]);
  return changed(doc, doc.active, (thing) => {
    return { ...thing, visible: true, parts: [...thing.parts.slice(0, -1), { ...last, ...region }] };
  });
}

/** Ends the object; the next click begins another one. @param {Doc} doc @returns {Doc} */
export function finish(doc) {
  return {
    things: doc.things
      .filter((thing) => !isBlank(thing))
      .map((thing) => ({ ...thing, parts: thing.parts.filter((part) => !isEmpty(part)) })),
    active: null,
  };
}

/** Keeps what there is of the object and goes on with fresh clicks. @param {Doc} doc @returns {Doc} */
export function partlyFinish(doc) {
  const thing = activeThing(doc);
  if (!thing || isEmpty(thing.parts[thing.parts.length - 1])) return doc;
  return changed(doc, doc.active, (old) => ({ ...old, parts: [...old.parts, NEW_PART] }));
}

/** Takes all clicks of the object away. @param {Doc} doc @returns {Doc} */
export function reset(doc) {
  return doc.active === null ? doc : remove(doc, doc.active);
}

/** @param {Doc} doc @param {number} id @returns {Doc} */
export function remove(doc, id) {
  return {
    things: doc.things.filter((thing) => thing.id !== id),
    active: doc.active === id ? null : doc.active,
  };
}

/** The next click goes to this object. @param {Doc} doc @param {number} id @returns {Doc} */
export function select(doc, id) {
  const finished = finish(doc);
  const known = finished.things.some((thing) => thing.id === id);
  return { ...finished, active: known ? id : null };
}

/**
 * One object for every mask of a file; a single one can be corrected at once.
 * @param {Doc} doc
 * @param {readonly Start[]} starts
 * @returns {Doc}
 */
export function addMasks(doc, starts) {
  let next = finish(doc);
  for (const start of starts) next = withThing(next, [{ ...NEW_PART, start }]);
  return starts.length === 1 ? next : { ...next, active: null };
}

/**
 * Names, colours and visibility; not steps of the history.
 * @param {Doc} doc
 * @param {number} id
 * @param {Partial<Pick<Thing, "name" | "colour" | "visible">>} look
 * @returns {Doc}
 */
export function restyle(doc, id, look) {
  return changed(doc, id, (thing) => ({ ...thing, ...look }));
}
