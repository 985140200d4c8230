/** Models that are fine-tuned: what annotators' objects cost by day and version, and candidates to decide on. */

import { arrange, copied, made, message, part, whileOpen } from "./elements.js";
import { decide, trainedModels } from "./server.js";

const EVERY_MS = 10_000;
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** @typedef {import("./server.js").TrainedModel} TrainedModel */
/** @typedef {import("./server.js").Candidate} Candidate */
/** @typedef {(action: string, version: string) => void} Decide */

/** @param {HTMLDetailsElement} corner @param {HTMLTemplateElement} template */
export function showVersions(corner, template) {
  const list = part(corner, "#models");
  /** @param {string} sentence */
  const say = (sentence) => {
    part(corner, ".notice").textContent = sentence;
  };

  const refresh = whileOpen(corner, EVERY_MS, async () => {
    try {
      const found = await trainedModels();
      arrange(list, found.map((model) => rowOf(model)));
      say(found.length ? "" : "This server follows no registry.");
      return found.length > 0;
    } catch (error) {
      say(message(error));
      return true;
    }
  });

  /** @param {TrainedModel} model */
  const rowOf = (model) => {
    const row = copied(template);
    fill(row, model, async (action, version) => {
      const trouble = part(corner, ".trouble");
      trouble.textContent = "";
      await decide(model.pipeline, action, version).catch((error) => {
        trouble.textContent = message(error);
      });
      await refresh();
    });
    return row;
  };
}

/** @param {HTMLElement} row @param {TrainedModel} model @param {Decide} onDecision */
function fill(row, model, onDecision) {
  part(row, ".name").textContent = model.pipeline ?? model.model;
  part(row, ".live").textContent = model.live ? `${model.live} is live` : "no version is live";
  const back = /** @type {HTMLButtonElement} */ (part(row, ".roll-back"));
  back.hidden = !model.can_roll_back;
  if (model.live) {
    const version = model.live;
    back.setAttribute("aria-label", `Roll back ${version}`);
    back.addEventListener("click", () => onDecision("roll back", version));
  }
  part(row, ".candidates").replaceChildren(...model.candidates.map((one) => candidate(one, onDecision)));
  const table = part(row, "table");
  table.hidden = model.accepted.length === 0;
  part(table, "tbody").replaceChildren(
    ...model.accepted.map(({ day, version, objects, clicks }) => {
      const line = document.createElement("tr");
      const head = made("th", day);
      head.setAttribute("scope", "row");
      line.append(head, made("td", version), made("td", numbers.format(objects)), made("td", numbers.format(clicks)));
      return line;
    }),
  );
}

/** @param {Candidate} one @param {Decide} onDecision */
function candidate(one, onDecision) {
  const item = document.createElement("li");
  const { noc_before: before, noc_after: after } = one;
  const measured = before === null || after === null ? "" : `NoC ${numbers.format(before)} → ${numbers.format(after)}`;
  item.append(made("b", one.version), made("p", [measured, one.decision, one.trial].filter(Boolean).join(" · ")));
  for (const [action, name] of [["approve", "Approve"], ["reject", "Reject"]]) {
    const button = made("button", name);
    button.setAttribute("type", "button");
    button.setAttribute("aria-label", `${name} ${one.version}`);
    button.addEventListener("click", () => onDecision(action, one.version));
    item.append(button);
  }
  return item;
}
