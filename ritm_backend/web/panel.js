/** The list of objects: names, colours, visibility, deletion. */

import { madeOf } from "./canvas/drawing.js";
import { remove, select } from "./objects/document.js";
import { arrange, copied, made } from "./elements.js";
import { area } from "./objects/masks.js";

const numbers = new Intl.NumberFormat("en");

/**
 * @typedef {import("./objects/session.js").Session} Session
 * @typedef {import("./objects/document.js").Thing} Thing
 */

/**
 * @param {HTMLElement} list
 * @param {HTMLTemplateElement} template
 * @param {Session} session
 * @param {import("./saving/polygons.js").Polygons} polygons
 */
export function showObjects(list, template, session, polygons) {
  /** @type {Map<number, HTMLElement>} rows by object; they are kept so that typing a name is not disturbed */
  const rows = new Map();

  const update = () => {
    const { things, active } = session.doc;
    for (const thing of things) {
      const row = rows.get(thing.id) ?? newRow(template, session, thing.id);
      rows.set(thing.id, row);
      fill(row, thing, factsOf(thing), thing.id === active);
    }
    for (const id of rows.keys()) if (!things.some((thing) => thing.id === id)) rows.delete(id);
    arrange(list, things.map(({ id }) => /** @type {HTMLElement} */ (rows.get(id))));
    list.classList.toggle("empty", things.length === 0);
  };
  /** @param {Thing} thing */
  const factsOf = (thing) => {
    const mask = session.maskOf(thing);
    const polygon = polygons.of(mask, session.image);
    const points = polygon ? [`${numbers.format(polygon.corners.length)} points`] : [];
    return [`${numbers.format(area(mask))} px`, ...points, ...madeOf(thing)];
  };
  for (const source of [session, polygons]) source.addEventListener("change", update);
  update();
}

/** @param {HTMLTemplateElement} template @param {Session} session @param {number} id */
function newRow(template, session, id) {
  const row = copied(template);
  const name = input(row, ".name");
  const colour = input(row, ".colour");
  name.addEventListener("input", () => session.restyle(id, { name: name.value }));
  colour.addEventListener("input", () => session.restyle(id, { colour: colour.value }));
  button(row, ".eye").addEventListener("click", () => {
    const thing = session.doc.things.find((other) => other.id === id);
    session.restyle(id, { visible: !thing?.visible });
  });
  button(row, ".edit").addEventListener("click", () => session.act((doc) => select(doc, id)));
  button(row, ".delete").addEventListener("click", () => session.act((doc) => remove(doc, id)));
  return row;
}

/** @param {HTMLElement} row @param {Thing} thing @param {readonly string[]} facts @param {boolean} isActive */
function fill(row, thing, facts, isActive) {
  const name = input(row, ".name");
  if (name !== document.activeElement) name.value = thing.name;
  name.setAttribute("aria-label", `Name of ${thing.name}`);
  const colour = input(row, ".colour");
  colour.value = thing.colour;
  colour.setAttribute("aria-label", `Colour of ${thing.name}`);
  const pieces = facts.flatMap((fact, index) => [index ? " · " : "", made("span", fact)]);
  /** @type {HTMLElement} */ (row.querySelector(".facts")).replaceChildren(...pieces);
  const eye = button(row, ".eye");
  eye.setAttribute("aria-pressed", String(thing.visible));
  eye.setAttribute("aria-label", `Show ${thing.name}`);
  button(row, ".edit").setAttribute("aria-label", `Click on with ${thing.name}`);
  button(row, ".edit").setAttribute("aria-pressed", String(isActive));
  button(row, ".delete").setAttribute("aria-label", `Delete ${thing.name}`);
  row.classList.toggle("active", isActive);
  row.classList.toggle("hidden-object", !thing.visible);
}

/** @param {HTMLElement} row @param {string} selector */
const input = (row, selector) => /** @type {HTMLInputElement} */ (row.querySelector(selector));

/** @param {HTMLElement} row @param {string} selector */
const button = (row, selector) => /** @type {HTMLButtonElement} */ (row.querySelector(selector));
