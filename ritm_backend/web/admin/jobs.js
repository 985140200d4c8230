/** Fine-tuning: jobs with start and stop, their log, and how the model did before and after. */

import { arrange, copied, made, message, part, whileOpen } from "../elements.js";
import { jobLog, jobs, startJob, stopJob } from "../server.js";

const EVERY_MS = 3000;
const ENDED = ["finished", "failed", "stopped"];
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });

/** @typedef {import("../server.js").Job} Job */

/**
 * @param {HTMLDetailsElement} panel of the pipeline; while it is open, its jobs are asked for
 * @param {HTMLTemplateElement} template of a job
 * @param {string | null} pipeline
 */
export function showJobs(panel, template, pipeline) {
  const list = part(panel, ".jobs");
  const trouble = part(panel, ".trouble");
  /** @param {string} sentence */
  const say = (sentence) => {
    part(panel, ".notice").textContent = sentence;
  };
  /** @type {Map<string, HTMLElement>} rows by job; they are kept so that an open log stays open */
  const rows = new Map();
  let hasJobs = false;

  /** @param {Job} job */
  const rowOf = (job) => {
    let row = rows.get(job.id);
    if (!row) {
      row = copied(template);
      part(row, ".stop").addEventListener("click", () => change(() => stopJob(pipeline, job.id)));
      part(row, ".log").addEventListener("toggle", refresh);
      rows.set(job.id, row);
    }
    fill(row, job);
    return row;
  };

  const refresh = whileOpen(panel, EVERY_MS, async () => {
    try {
      const found = await jobs(pipeline);
      arrange(list, found.map(rowOf));
      await Promise.all(found.map((job) => showLog(rowOf(job), pipeline, job)));
      say(found.length ? "" : "No jobs yet.");
      hasJobs = true;
    } catch (error) {
      say(message(error));
    }
    return hasJobs; // a server without jobs is asked once
  });
  void refresh();

  /** @param {() => Promise<unknown>} action */
  const change = async (action) => {
    trouble.textContent = "";
    await action().catch((error) => {
      trouble.textContent = message(error);
    });
    await refresh();
  };

  part(panel, ".start").addEventListener("click", () => change(() => startJob(pipeline)));
}

/** @param {HTMLElement} row @param {Job} job */
function fill(row, job) {
  const hasEnded = ENDED.includes(job.status);
  part(row, ".state").textContent = job.status;
  part(row, ".when").textContent = new Date(job.created_at).toLocaleString();
  const stop = /** @type {HTMLButtonElement} */ (part(row, ".stop"));
  stop.hidden = hasEnded;
  stop.setAttribute("aria-label", `Stop job ${job.id}`);
  const progress = /** @type {HTMLProgressElement} */ (part(row, "progress"));
  progress.hidden = hasEnded;
  progress.value = job.progress;
  progress.setAttribute("aria-label", `Progress of job ${job.id}`);
  const left = hasEnded || job.eta_seconds === null ? "" : `${duration(job.eta_seconds)} left`;
  const published = job.published_version ? `serves as ${job.published_version}` : "";
  const stage = hasEnded ? "" : job.stage;
  part(row, ".message").textContent = [stage, job.message, left, published].filter(Boolean).join(" · ");
  const table = part(row, "table");
  const { before = {}, after = {} } = job.metrics;
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  table.hidden = names.length === 0;
  part(table, "tbody").replaceChildren(
    ...names.map((name) => {
      const line = document.createElement("tr");
      const head = made("th", name);
      head.setAttribute("scope", "row");
      line.append(head, made("td", figure(before[name])), made("td", figure(after[name])));
      return line;
    }),
  );
}

/** @param {HTMLElement} row @param {string | null} pipeline @param {Job} job */
async function showLog(row, pipeline, job) {
  const log = /** @type {HTMLDetailsElement} */ (part(row, ".log"));
  if (!log.open) return;
  const text = part(log, "pre");
  const lines = (await jobLog(pipeline, job.id)).join("\n") || "Nothing yet.";
  if (text.textContent === lines) return;
  text.textContent = lines;
  text.scrollTop = text.scrollHeight;
}

/** @param {number | undefined} value */
const figure = (value) => (value === undefined ? "–" : numbers.format(value));

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${numbers.format(Math.round(seconds / 360) / 10)} h`;
}
