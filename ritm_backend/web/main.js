/** The page put together. */

import { showServer } from "./admin/admin.js";
import { listenToControls } from "./controls.js";
import * as documents from "./objects/document.js";
import { marksOf, withDrawn } from "./canvas/drawing.js";
import { message } from "./elements.js";
import { showGallery } from "./gallery.js";
import { listenToKeys } from "./keyboard.js";
import { LatencyReadout } from "./latency.js";
import { area } from "./objects/masks.js";
import { listenToFiles, openPicture } from "./opening.js";
import { showObjects } from "./panel.js";
import { showPipelines } from "./admin/pipelines.js";
import { listenToPointers } from "./canvas/pointer.js";
import { Polygons } from "./saving/polygons.js";
import { FORMATS, save } from "./saving/saving.js";
import * as server from "./server.js";
import { Session } from "./objects/session.js";
import { switchTheme } from "./theme.js";
import { View } from "./canvas/view.js";

const READY_POLL_MS = 1000;

/** @param {string} id @returns {HTMLElement} */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const button = (id) => /** @type {HTMLButtonElement} */ (element(id));

const canvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
const config = await server.config();
const session = new Session(config);
const polygons = new Polygons();
let look = { alpha: 0.5, radius: 5 };
let isNegativeMode = false;
/** @type {import("./canvas/drawing.js").Tool} */
let tool = "click";
/** @type {import("./canvas/drawing.js").Drag | null} what is being drawn */
let stretched = null;
/** @type {{x: number, y: number} | null} */
let crosshair = null;

const view = new View(canvas, element("tools"), () => {
  const { doc, active } = session;
  const shown = doc.things.filter((thing) => thing.visible);
  // Every thing is drawn with the mask it has; the one in progress comes last, so on top.
  const ordered = [...shown.filter((thing) => thing !== active), ...shown.filter((thing) => thing === active)];
  return {
    bitmap: session.image?.bitmap ?? null,
    layers: ordered.map((thing) => ({
      mask: session.maskOf(thing),
      polygon: polygons.of(session.maskOf(thing), session.image),
      colour: thing.colour,
      isActive: thing === active,
    })),
    ...marksOf(active?.visible ? active.parts[active.parts.length - 1] : null, stretched),
    crosshair: document.activeElement === canvas ? crosshair : null,
    ...look,
  };
});

/* Opening ---------------------------------------------------------------------------------------- */

let opening = 0;

/** @param {Blob | Promise<Blob>} data @param {string} name */
async function open(data, name) {
  const own = ++opening;
  say(`Opening ${name} …`);
  try {
    const image = await openPicture(await data, name);
    if (own !== opening) return;
    crosshair = null;
    session.open(image);
    element("stage").classList.remove("blank");
    await view.show(image.bitmap);
    say(`${name}, ${image.width} × ${image.height} pixels. Click on an object.`);
  } catch (error) {
    complain(error);
  }
}

/** @param {Blob} data @param {string} name */
async function openMask(data, name) {
  const { image } = session;
  if (!image) return say("Open a picture first, then its mask.", true);
  try {
    const mask = await server.uploadMask(data);
    if (mask.width !== image.width || mask.height !== image.height) {
      const sizes = `${mask.width} × ${mask.height}, the picture ${image.width} × ${image.height}`;
      return say(`The mask is ${sizes} pixels large.`, true);
    }
    if (!mask.values.length) return say(`${name} holds no object: all of it is black.`, true);
    const starts = mask.values.map((value) => ({ file: mask.id, value }));
    session.act((doc) => documents.addMasks(doc, starts));
    say(starts.length === 1 ? "Mask loaded. Click to correct it." : `${starts.length} objects loaded.`);
  } catch (error) {
    complain(error);
  }
}

/** @param {string} id @param {(file: File) => void} use */
function listenToChooser(id, use) {
  const chooser = /** @type {HTMLInputElement} */ (element(`${id}-file`));
  button(id).addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    const [file] = chooser.files ?? [];
    if (file) use(file);
    chooser.value = "";
  });
}

listenToChooser("open", (file) => void open(file, file.name));
listenToChooser("load-mask", (file) => void openMask(file, file.name));
listenToFiles(element("stage"), (file) => void open(file, file.name));
showGallery(element("gallery"), element("credit"), config.samples, (sample) => {
  void open(server.file(`/web/samples/${sample.file}`), sample.file);
});

/* Clicking --------------------------------------------------------------------------------------- */

const latency = new LatencyReadout(button("latency"), element("stages"));

listenToPointers(view, {
  begin: ({ x, y }, isPositive) => {
    crosshair = null;
    latency.begin();
    session.try([x, y, isPositive]);
  },
  commit: () => session.commit(),
  drop: () => {
    stretched = null;
    session.drop();
  },
  stretch: (drag) => {
    stretched = drag;
    view.draw();
  },
  draw: (drag) => {
    crosshair = stretched = null;
    latency.begin();
    session.act((doc) => withDrawn(doc, drag));
  },
  tool: () => tool,
  isNegativeMode: () => isNegativeMode,
});

/** Takes a tool up, or down again. @param {import("./canvas/drawing.js").Tool} wanted */
function take(wanted) {
  tool = tool === wanted ? "click" : wanted;
  for (const name of ["box", "stroke", "lasso"]) button(name).setAttribute("aria-pressed", String(name === tool));
}

const commands = {
  box: () => take("box"),
  stroke: () => take("stroke"),
  lasso: () => take("lasso"),
  finish: () => session.act(documents.finish),
  partly: () => session.act(documents.partlyFinish),
  undo: () => session.undo(),
  redo: () => session.redo(),
  reset: () => session.act(documents.reset),
  fit: () => view.fit(),
  /** @param {1 | -1} direction */
  zoom: (direction) => view.zoom(direction),
  /** @param {number} dx @param {number} dy */
  move: (dx, dy) => {
    const { image } = session;
    if (!image) return;
    const from = crosshair ?? view.toImage(canvas.clientWidth / 2, canvas.clientHeight / 2);
    const x = (from?.x ?? image.width / 2) + dx / view.scale;
    const y = (from?.y ?? image.height / 2) + dy / view.scale;
    const edge = 0.5;
    crosshair = {
      x: Math.min(Math.max(x, edge), image.width - edge),
      y: Math.min(Math.max(y, edge), image.height - edge),
    };
    view.reveal(crosshair);
    view.draw();
  },
  /** @param {boolean} isNegative */
  click: (isNegative) => {
    if (!crosshair) return commands.move(0, 0);
    const { x, y } = crosshair;
    latency.begin();
    session.act((doc) => documents.addClick(doc, [x, y, isNegative === isNegativeMode]));
  },
};

listenToKeys(canvas, commands);
for (const name of /** @type {const} */ (["box", "stroke", "lasso", "finish", "partly", "undo", "redo", "reset", "fit"])) {
  button(name).addEventListener("click", commands[name]);
}
button("zoom-in-view").addEventListener("click", () => view.zoom(1));
button("zoom-out-view").addEventListener("click", () => view.zoom(-1));
button("sign").addEventListener("click", () => {
  isNegativeMode = !isNegativeMode;
  button("sign").setAttribute("aria-pressed", String(isNegativeMode));
});
// After a press with the mouse, keys go to the picture again: Space means "finish", not "press once more".
addEventListener("click", (event) => {
  const isPress = event.detail > 0 && /** @type {Element} */ (event.target).closest("button");
  if (isPress) canvas.focus({ preventScroll: true });
});

/* Saving ----------------------------------------------------------------------------------------- */

for (const format of FORMATS) {
  button(`save-${format}`).addEventListener("click", () => void saveAs(format));
}

/** @param {import("./saving/saving.js").Format} format */
async function saveAs(format) {
  try {
    const things = await session.segmented();
    const asShown = format === "label-studio" && polygons.isShown ? "label-studio-polygons" : format;
    if (session.image && things.length) await save(asShown, things, session.image);
  } catch (error) {
    complain(error);
  }
}

/* Showing ---------------------------------------------------------------------------------------- */

/** @param {string} sentence @param {boolean} [isTrouble] */
function say(sentence, isTrouble = false) {
  const line = element("status");
  line.textContent = sentence;
  line.classList.toggle("trouble", isTrouble);
}

/** @param {unknown} error */
const complain = (error) => say(message(error), true);

function update() {
  const { doc, active } = session;
  button("undo").disabled = !session.canUndo;
  button("redo").disabled = !session.canRedo;
  button("finish").disabled = button("reset").disabled = active === null;
  button("partly").disabled = !active || documents.isEmpty(active.parts[active.parts.length - 1]);
  const isOpen = session.image !== null;
  for (const id of ["load-mask", "fit", "zoom-in-view", "zoom-out-view"]) button(id).disabled = !isOpen;
  for (const format of FORMATS) button(`save-${format}`).disabled = doc.things.length === 0;
  view.draw();
}

session.addEventListener("change", update);
session.asker.addEventListener("asking", () => element("stage").classList.add("busy"));
session.asker.addEventListener("idle", () => element("stage").classList.remove("busy"));
session.asker.addEventListener("refusal", (event) => say(/** @type {CustomEvent} */ (event).detail.sentence, true));
session.asker.addEventListener("answer", (event) => {
  const { answer, ms } = /** @type {CustomEvent} */ (event).detail;
  latency.answered(answer, ms);
  element("model-version").textContent = answer.model_version;
  const thing = session.active;
  if (!thing) return;
  const mask = session.maskOf(thing);
  const found = `${thing.name}: ${area(mask).toLocaleString("en")} pixels, score ${mask.score.toFixed(2)}.`;
  say(`${found} ${answer.message}`.trim(), answer.message !== "");
});
canvas.addEventListener("focus", () => view.draw());
canvas.addEventListener("blur", () => view.draw());

showObjects(
  element("objects"),
  /** @type {HTMLTemplateElement} */ (element("object-row")),
  session,
  polygons,
);
polygons.addEventListener("change", () => view.draw());
polygons.addEventListener("trouble", (event) => say(/** @type {CustomEvent} */ (event).detail, true));
listenToControls(config, session, ({ polygons: areShown, ...chosen }) => {
  look = chosen;
  polygons.show(areShown);
  view.draw();
});
switchTheme(button("theme"));
showServer(/** @type {HTMLDetailsElement} */ (element("server")));
showPipelines(
  /** @type {HTMLDetailsElement} */ (element("learning")),
  {
    pipeline: /** @type {HTMLTemplateElement} */ (element("pipeline-row")),
    job: /** @type {HTMLTemplateElement} */ (element("job-row")),
  },
  /** @type {HTMLDialogElement} */ (element("filmstrips")),
);
update();

async function showReadiness() {
  const chip = element("model-version");
  try {
    for (;;) {
      const version = await server.readyVersion();
      chip.textContent = version ?? "loading the model …";
      chip.classList.toggle("warming", version === null);
      if (version) return;
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  } catch (error) {
    chip.textContent = "no model";
    complain(error);
  }
}

void showReadiness();
if (config.opening) void open(server.file("/demo/opening"), config.opening);
document.documentElement.dataset.ready = "true";
