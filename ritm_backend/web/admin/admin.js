/** The administrator's panel: how the server is doing. It asks only while it is open. */

import { made, message, part, whileOpen } from "../elements.js";
import { status } from "../server.js";

const EVERY_MS = 5000;
const MB = 1024 * 1024;
const numbers = new Intl.NumberFormat("en");

/** @param {HTMLDetailsElement} panel */
export function showServer(panel) {
  whileOpen(panel, EVERY_MS, async () => {
    try {
      fill(panel, await status());
    } catch (error) {
      facts(panel, [["State", message(error)]]);
    }
    return true;
  });
}

/** @param {HTMLElement} panel @param {import("../server.js").Status} now */
function fill(panel, now) {
  const { annotator } = now;
  const state = now.ready ? "ready" : (now.failure ?? "loading the model");
  /** @type {[string, string][]} */
  const rows = [
    ["State", state],
    ["Model", now.model_version],
    ["Runs on", [now.device, now.engine, `${now.profile} profile`].filter(Boolean).join(", ")],
    ["Since", new Date(now.since).toLocaleString()],
  ];
  if (annotator) {
    const megabytes = numbers.format(Math.round(annotator.cached_bytes / MB));
    rows.push(
      ["Requests", `${numbers.format(annotator.requests)}, ${numbers.format(annotator.waiting)} waiting`],
      ["Remembered", numbers.format(annotator.remembered)],
      ["Clicks run", numbers.format(annotator.clicks_run)],
      ["Pictures held", numbers.format(annotator.cached_images)],
      ["Session states", numbers.format(annotator.cached_states)],
      ["Cache", `${megabytes} of ${numbers.format(now.cache_mb ?? 0)} MB`],
    );
  }
  facts(panel, rows);
  histogram(part(panel, ".histogram"), now.latency_ms);
  problems(part(panel, ".problems"), now.problems);
}

/** @param {HTMLElement} panel @param {[string, string][]} rows */
function facts(panel, rows) {
  part(panel, ".server-facts").replaceChildren(
    ...rows.flatMap(([name, value]) => [made("dt", name), made("dd", value)]),
  );
}

/** @param {HTMLElement} box @param {{up_to: number[], counts: number[]}} latency */
function histogram(box, { up_to: ends, counts }) {
  const most = Math.max(1, ...counts);
  const names = [...ends.map((ms) => (ms < 1000 ? `${ms}` : `${ms / 1000} s`)), "more"];
  const bars = counts.map((count, index) => {
    const bar = document.createElement("i");
    bar.style.height = `${(60 * count) / most}px`;
    const column = document.createElement("div");
    column.append(count ? numbers.format(count) : "", bar, names[index]);
    return column;
  });
  box.replaceChildren(...bars);
  const spoken = counts.map((count, index) => `${count} up to ${names[index]}`).join(", ");
  box.setAttribute("aria-label", `Answers by milliseconds: ${spoken}`);
}

/** @param {HTMLElement} list @param {readonly import("../server.js").Problem[]} found */
function problems(list, found) {
  const items = found.map(({ time, path, status: code, sentence, error_id: id }) => {
    const item = document.createElement("li");
    const when = new Date(time).toLocaleTimeString();
    item.append(made("b", `${when} ${path} ${code}${id ? ` · error ${id}` : ""}`), sentence);
    return item;
  });
  list.replaceChildren(...(items.length ? items : [made("li", "None.")]));
}
