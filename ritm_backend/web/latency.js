/** How long the last click took, from the button to the picture, and where the time went. */

const NAMES = {
  receive: "server: read the request",
  decode: "server: decode the picture",
  mask: "server: read the mask",
  queue: "server: wait for its turn",
  network: "server: network",
  encode: "server: encode the mask",
};

export class LatencyReadout {
  #start = 0;

  /** @param {HTMLButtonElement} button @param {HTMLElement} table */
  constructor(button, table) {
    this.button = button;
    this.table = table;
    button.addEventListener("click", () => {
      table.hidden = !table.hidden;
      button.setAttribute("aria-expanded", String(!table.hidden));
    });
  }

  /** A click begins. */
  begin() {
    this.#start = performance.now();
  }

  /** @param {import("./objects/masks.js").Answer} answer @param {number} requestMs */
  answered(answer, requestMs) {
    const start = this.#start || performance.now() - requestMs;
    this.#start = 0;
    const arrived = performance.now();
    // The mask is painted in the next frame; the one after it tells that this was done.
    requestAnimationFrame(() => requestAnimationFrame(() => this.#show(answer, start, requestMs, arrived)));
  }

  /** @param {import("./objects/masks.js").Answer} answer @param {number} start @param {number} requestMs @param {number} arrived */
  #show(answer, start, requestMs, arrived) {
    const now = performance.now();
    const onServer = Object.values(answer.stages_ms).reduce((sum, ms) => sum + ms, 0);
    /** @type {[string, number][]} */
    const rows = [
      ["waited for the click before", arrived - start - requestMs],
      ["on the way", requestMs - onServer],
      ...Object.entries(NAMES).map(([stage, name]) => /** @type {[string, number]} */ ([name, answer.stages_ms[stage]])),
      ["painting", now - arrived],
    ];
    this.button.textContent = `${Math.round(now - start)} ms`;
    this.button.hidden = false;
    const shown = rows.filter(([, ms]) => ms >= 0.05);
    this.table.replaceChildren(
      ...shown.flatMap(([name, ms]) => {
        const [term, value] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        value.textContent = `${ms.toFixed(1)} ms`;
        return [term, value];
      }),
    );
  }
}
