/** Sliders, switches and choices: how the model looks at the picture, and how its masks are shown. */

/**
 * @typedef {import("./server.js").Options} Options
 * @typedef {import("./objects/session.js").Session} Session
 * @typedef {{alpha: number, radius: number, polygons: boolean}} Look
 */

/** @param {string} id @returns {HTMLInputElement} */
const input = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));

/** @param {string} id @returns {HTMLSelectElement} */
const choice = (id) => /** @type {HTMLSelectElement} */ (document.getElementById(id));

/**
 * @param {import("./server.js").Config} config
 * @param {Session} session
 * @param {(look: Look) => void} restyle
 */
export function listenToControls(config, session, restyle) {
  const model = choice("model");
  model.replaceChildren(...config.models.map((name) => new Option(name, name)));
  show(config.options);
  input("threshold").valueAsNumber = config.threshold;

  const look = () =>
    restyle({
      alpha: input("alpha").valueAsNumber,
      radius: input("radius").valueAsNumber,
      polygons: input("polygons").checked,
    });
  for (const id of ["alpha", "radius", "polygons"]) input(id).addEventListener("input", look);
  input("threshold").addEventListener("input", () => {
    session.set({ threshold: input("threshold").valueAsNumber });
  });
  const form = /** @type {HTMLFormElement} */ (document.getElementById("options"));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    if (form.reportValidity()) session.set({ options: chosen() });
    enable();
  });
  /** @type {HTMLButtonElement} */ (document.getElementById("defaults")).addEventListener("click", () => {
    show(config.options);
    input("threshold").valueAsNumber = config.threshold;
    for (const id of ["alpha", "radius"]) input(id).value = input(id).defaultValue;
    input("polygons").checked = false;
    session.set({ options: config.options, threshold: config.threshold });
    look();
    enable();
    showValues();
  });
  addEventListener("input", showValues);
  showValues();
  enable();
  look();
}

/** @param {Options} options */
function show({ model, zoom_in, brs }) {
  choice("model").value = model;
  input("zoom-in").checked = zoom_in !== null;
  if (zoom_in) {
    input("fixed").checked = zoom_in.fixed;
    input("skip-clicks").valueAsNumber = zoom_in.skip_clicks;
    input("target-size").value = zoom_in.target_size?.toString() ?? "";
    input("expand-ratio").valueAsNumber = zoom_in.expand_ratio;
  }
  choice("brs").value = brs?.mode ?? "";
  input("network-clicks").value = brs?.network_clicks?.toString() ?? "";
  input("iterations").value = brs?.iterations.toString() ?? input("iterations").defaultValue;
}

/** @returns {Options} */
function chosen() {
  const targetSize = input("target-size").value;
  const zoomIn = {
    fixed: input("fixed").checked,
    skip_clicks: input("skip-clicks").valueAsNumber,
    target_size: targetSize === "" ? null : Number(targetSize),
    expand_ratio: input("expand-ratio").valueAsNumber,
  };
  const clicks = input("network-clicks").value;
  const mode = choice("brs").value;
  const iterations = input("iterations").valueAsNumber;
  return {
    model: choice("model").value,
    zoom_in: input("zoom-in").checked ? zoomIn : null,
    brs: mode ? { mode, network_clicks: clicks === "" ? null : Number(clicks), iterations } : null,
  };
}

/** Greys out what has no effect. */
function enable() {
  const zooms = input("zoom-in").checked;
  for (const id of ["fixed", "skip-clicks", "target-size", "expand-ratio"]) input(id).disabled = !zooms;
  for (const id of ["network-clicks", "iterations"]) input(id).disabled = choice("brs").value === "";
}

/** Writes the values of the sliders beside them. */
function showValues() {
  for (const output of document.querySelectorAll("output[for]")) {
    const slider = input(output.getAttribute("for") ?? "");
    const value = slider.valueAsNumber;
    output.textContent = Number(slider.max) <= 1 ? `${Math.round(value * 100)} %` : String(value);
  }
}
