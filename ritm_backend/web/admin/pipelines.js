/** Pipelines: what annotators' objects cost by day and version, candidates to decide on, and jobs. */

import { arrange, copied, made, message, part, whileOpen } from "../elements.js";
import { showFilmstrips } from "./filmstrips.js";
import { showJobs } from "./jobs.js";
import { decide, trainedModels } from "../server.js";

const EVERY_MS = 10_000;
const OWN = "this server";
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** @typedef {import("../server.js").TrainedModel} TrainedModel */
/** @typedef {import("../server.js").Candidate} Candidate */
/** @typedef {(action: string, version: string) => void} Decide */

/**
 * @param {HTMLDetailsElement} panel
 * @param {{pipeline: HTMLTemplateElement, job: HTMLTemplateElement}} templates
 * @param {HTMLDialogElement} dialog where filmstrips are shown
 */
export function showPipelines(panel, templates, dialog) {
  const list = part(panel, "#pipelines");
  /** @type {Map<string | null, HTMLElement>} rows by pipeline; they are kept so that what is open stays open */
  const rows = new Map();

  const refresh = whileOpen(panel, EVERY_MS, async () => {
    try {
      const found = await trainedModels();
      arrange(list, found.map((model) => rowOf(model, found.length === 1)));
      part(panel, ".notice").textContent = "";
    } catch (error) {
      part(panel, ".notice").textContent = message(error);
    }
    return true;
  });

  /** @param {TrainedModel} model @param {boolean} isOnly */
  const rowOf = (model, isOnly) => {
    const { pipeline } = model;
    let row = rows.get(pipeline);
    if (!row) {
      row = copied(templates.pipeline);
      rows.set(pipeline, row);
      const details = /** @type {HTMLDetailsElement} */ (part(row, ".pipeline"));
      details.open = isOnly;
      showJobs(details, templates.job, pipeline);
    }
    fill(row, model, {
      onDecision: async (action, version) => {
        part(panel, ".trouble").textContent = "";
        await decide(pipeline, action, version).catch((error) => {
          part(panel, ".trouble").textContent = message(error);
        });
        await refresh();
      },
      onCompare: (version) => showFilmstrips(dialog, pipeline, version, model.live ?? "before"),
    });
    return row;
  };
}

/**
 * @param {HTMLElement} row
 * @param {TrainedModel} model
 * @param {{onDecision: Decide, onCompare: (version: string) => void}} actions
 */
function fill(row, model, { onDecision, onCompare }) {
  part(row, ".name").textContent = model.pipeline ?? model.model ?? OWN;
  const waiting = model.candidates.length;
  part(row, ".waiting").textContent = waiting ? `${waiting} to decide` : "";
  part(row, ".live").textContent = model.live
    ? `${model.live} is live`
    : model.model
      ? "No version is live."
      : "Its model does not come from a registry.";
  const back = /** @type {HTMLButtonElement} */ (part(row, ".roll-back"));
  back.hidden = !model.can_roll_back;
  if (model.live) {
    const version = model.live;
    back.setAttribute("aria-label", `Roll back ${version}`);
    back.onclick = () => onDecision("roll back", version);
  }
  part(row, ".start").hidden = !model.learns;
  part(row, ".candidates").replaceChildren(...model.candidates.map((one) => candidate(one, onDecision, onCompare)));
  accepted(part(row, ".accepted"), model.accepted);
}

/** @param {Candidate} one @param {Decide} onDecision @param {(version: string) => void} onCompare */
function candidate(one, onDecision, onCompare) {
  const item = document.createElement("li");
  const { noc_before: before, noc_after: after } = one;
  const measured = before === null || after === null ? "" : `NoC ${numbers.format(before)} → ${numbers.format(after)}`;
  item.append(made("b", one.version), made("p", [measured, one.decision, one.trial].filter(Boolean).join(" · ")));
  /** @param {string} name @param {() => void} action */
  const offer = (name, action) => {
    const button = made("button", name);
    button.setAttribute("type", "button");
    button.setAttribute("aria-label", `${name} ${one.version}`);
    button.addEventListener("click", action);
    item.append(button);
  };
  offer("Compare", () => onCompare(one.version));
  offer("Approve", () => onDecision("approve", one.version));
  offer("Reject", () => onDecision("reject", one.version));
  return item;
}

/** @param {HTMLElement} table @param {TrainedModel["accepted"]} days */
function accepted(table, days) {
  table.hidden = days.length === 0;
  const most = Math.max(1, ...days.map(({ clicks }) => clicks));
  part(table, "tbody").replaceChildren(
    ...days.map(({ day, version, objects, clicks }) => {
      const line = document.createElement("tr");
      const head = made("th", day);
      head.setAttribute("scope", "row");
      const bar = document.createElement("i");
      bar.style.width = `${Math.round((48 * clicks) / most)}px`;
      const cost = made("td", numbers.format(clicks));
      cost.append(bar);
      line.append(head, made("td", version), made("td", numbers.format(objects)), cost);
      return line;
    }),
  );
}
