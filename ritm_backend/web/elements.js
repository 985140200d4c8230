/** Small help with elements. */

/** @param {ParentNode} root @param {string} selector @returns {HTMLElement} which must be there */
export const part = (root, selector) => /** @type {HTMLElement} */ (root.querySelector(selector));

/** @param {string} name @param {string} text @returns {HTMLElement} */
export function made(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

/** @param {HTMLTemplateElement} template @returns {HTMLElement} a copy of its only element */
export const copied = (template) =>
  /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));

/** @param {unknown} error @returns {string} */
export const message = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Makes these the children of a list. One that stays where it is is not touched: it keeps the focus, and
 * what is open in it stays open.
 * @param {HTMLElement} list
 * @param {readonly HTMLElement[]} rows
 */
export function arrange(list, rows) {
  for (const old of [...list.children]) if (!rows.includes(/** @type {HTMLElement} */ (old))) old.remove();
  for (const [at, row] of rows.entries()) {
    if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
  }
}

/**
 * Calls as soon as the details are opened, and again after a while as long as they are open.
 * @param {HTMLDetailsElement} details
 * @param {number} everyMs
 * @param {() => Promise<boolean>} refresh tells whether there can be anything new
 * @returns {() => Promise<void>} to be called when something has changed
 */
export function whileOpen(details, everyMs, refresh) {
  let timer = 0;
  const run = async () => {
    clearTimeout(timer);
    if (!details.open) return;
    const goesOn = await refresh();
    clearTimeout(timer);
    if (goesOn) timer = setTimeout(run, everyMs);
  };
  details.addEventListener("toggle", run);
  return run;
}
