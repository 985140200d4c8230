/** Filmstrips: held-out objects click by click, the model before beside the candidate. */

import { made, message, part } from "../elements.js";
import { filmstrips } from "../server.js";

/** @typedef {import("../server.js").Strip} Strip */

/**
 * @param {HTMLDialogElement} dialog
 * @param {string | null} pipeline
 * @param {string} version of the candidate
 * @param {string} live what answers now
 */
export async function showFilmstrips(dialog, pipeline, version, live) {
  const list = part(dialog, ".objects");
  part(dialog, "h2").textContent = version;
  part(dialog, ".notice").textContent = "Fetching pictures …";
  list.replaceChildren();
  dialog.showModal();
  try {
    const { target, objects } = await filmstrips(pipeline, version);
    part(dialog, ".notice").textContent =
      `Held-out objects whose clicks have changed most, what has become worse first. Dashed is what ought to be ` +
      `marked; below each picture stand the click and the IoU after it. Counted are the clicks to an IoU of ${target}.`;
    list.replaceChildren(
      ...objects.map(({ name, category, before, after }) => {
        const item = document.createElement("li");
        const title = made("h3", [category, name].filter(Boolean).join(" · "));
        item.append(title, strip("before", live, before), strip("after", version, after));
        return item;
      }),
    );
  } catch (error) {
    part(dialog, ".notice").textContent = message(error);
  }
}

/** @param {string} kind @param {string} version @param {Strip} shown */
function strip(kind, version, { clicks, frames }) {
  const row = document.createElement("div");
  row.className = `strip ${kind}`;
  const head = made("p", version);
  head.append(made("b", clicks === null ? "never reached" : `${clicks} ${clicks === 1 ? "click" : "clicks"}`));
  row.append(
    head,
    ...frames.map(({ click, iou, picture }) => {
      const figure = document.createElement("figure");
      const image = document.createElement("img");
      image.src = `data:image/webp;base64,${picture}`;
      image.alt = `${version} after click ${click}: IoU ${iou.toFixed(2)}`;
      figure.append(image, made("figcaption", `${click} · ${iou.toFixed(2)}`));
      return figure;
    }),
  );
  return row;
}
