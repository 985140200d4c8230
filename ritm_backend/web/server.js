/**
 * The routes of the server.
 *
 * @typedef {object} ZoomIn
 * @property {boolean} fixed
 * @property {number} skip_clicks
 * @property {number | null} target_size  null for what suits the model
 * @property {number} expand_ratio
 *
 * @typedef {object} Brs
 * @property {string} mode
 * @property {number | null} network_clicks
 * @property {number} iterations of L-BFGS
 *
 * @typedef {object} Options
 * @property {string} model
 * @property {ZoomIn | null} zoom_in
 * @property {Brs | null} brs
 *
 * @typedef {object} Sample
 * @property {string} file
 * @property {string} title
 * @property {string} licence
 * @property {string} attribution
 *
 * @typedef {object} Config
 * @property {string} model_version
 * @property {string[]} models
 * @property {Options} options
 * @property {number} threshold
 * @property {number} most_clicks
 * @property {string | null} opening
 * @property {Sample[]} samples
 *
 * @typedef {object} Problem
 * @property {string} time
 * @property {string} path
 * @property {number} status
 * @property {string} sentence
 * @property {string | null} error_id
 *
 * @typedef {object} Status
 * @property {string} model_version
 * @property {string} profile
 * @property {string} device
 * @property {string} [engine]
 * @property {boolean} ready
 * @property {string | null} failure
 * @property {Record<string, number>} [annotator]
 * @property {number} [cache_mb]
 * @property {string} since
 * @property {{up_to: number[], counts: number[]}} latency_ms
 * @property {Problem[]} problems
 *
 * @typedef {object} Candidate a version that waits for a decision
 * @property {string} version
 * @property {string} published_at
 * @property {number | null} noc_before clicks per held-out object
 * @property {number | null} noc_after
 * @property {string} decision
 * @property {string} trial
 *
 * @typedef {object} Strip one object with one model
 * @property {number | null} clicks that were needed; null if they were not enough
 * @property {{click: number, iou: number, picture: string}[]} frames pictures are WebP in Base64
 *
 * @typedef {object} Filmstrips
 * @property {number} target IoU
 * @property {{name: string, category: string, before: Strip, after: Strip}[]} objects
 *
 * @typedef {object} TrainedModel
 * @property {string | null} pipeline null for the server's own
 * @property {boolean} learns whether jobs can be asked for
 * @property {string | null} model null if it comes from no registry
 * @property {string | null} live
 * @property {boolean} can_roll_back
 * @property {Candidate[]} candidates the newest first
 * @property {{day: string, version: string, objects: number, clicks: number}[]} accepted the newest first
 *
 * @typedef {object} Job a fine-tuning job
 * @property {string} id
 * @property {"queued" | "running" | "finished" | "failed" | "stopped"} status
 * @property {string} stage
 * @property {number} progress from 0 to 1
 * @property {number | null} eta_seconds
 * @property {string} message
 * @property {string} outcome
 * @property {{before?: Record<string, number>, after?: Record<string, number>}} metrics
 * @property {string} created_at
 * @property {string | null} published_version
 *
 * @typedef {object} FileWanted
 * @property {string} format
 * @property {string} image its name
 * @property {number} width
 * @property {number} height
 * @property {{name: string, left: number, top: number, width: number, height: number, runs: string, score: number}[]} objects
 *
 * @typedef {object} Prompt
 * @property {string} image
 * @property {readonly (import("./objects/document.js").Click | import("./objects/document.js").Stroke)[]} clicks
 * @property {import("./objects/document.js").Box | null} box
 * @property {import("./objects/document.js").Lasso | null} lasso
 * @property {import("./objects/document.js").Start | null} start
 * @property {number} threshold
 * @property {Options} options
 */

/** A refusal of the server, with its sentence. */
export class Refusal extends Error {
  /** @param {string} sentence @param {number} status @param {string} [missing] */
  constructor(sentence, status, missing) {
    super(sentence);
    this.status = status;
    this.missing = missing;
  }
}

/** Files that were uploaded, by digest, to send them again should the server have lost them. */
const sent = new Map();

/**
 * @param {string} path
 * @param {RequestInit} [request]
 * @returns {Promise<Response>}
 */
async function ask(path, request) {
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Refusal("The server cannot be reached.", 0, undefined);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  const sentence = answer.error ?? `The server answered ${response.status}.`;
  throw new Refusal(sentence, response.status, answer.missing);
}

/** @returns {Promise<Config>} */
export const config = async () => (await ask("/demo/config")).json();

/** @returns {Promise<Status>} */
export const status = async () => (await ask("/demo/status")).json();

/** @param {string | null} pipeline */
const of = (pipeline) => (pipeline === null ? "" : `?pipeline=${encodeURIComponent(pipeline)}`);

/** @param {string} id */
const job = (id) => `/training/jobs/${encodeURIComponent(id)}`;

/** @param {string | null} pipeline @returns {Promise<Job[]>} the newest first */
export const jobs = async (pipeline) => (await (await ask(`/training/jobs${of(pipeline)}`)).json()).jobs;

/** @param {string | null} pipeline @param {string} id @returns {Promise<string[]>} */
export const jobLog = async (pipeline, id) => (await (await ask(`${job(id)}/log${of(pipeline)}`)).json()).lines;

/** @param {string | null} pipeline @param {string} id */
export const stopJob = (pipeline, id) => ask(`${job(id)}/stop${of(pipeline)}`, { method: "POST" });

/** Asks for a job; one that waits or runs already is not asked for twice. @param {string | null} pipeline */
export const startJob = (pipeline) => ask(`/training/jobs${of(pipeline)}`, { method: "POST" });

/** @param {string | null} pipeline @param {string} version @returns {Promise<Filmstrips>} */
export async function filmstrips(pipeline, version) {
  const query = new URLSearchParams({ version, ...(pipeline === null ? {} : { pipeline }) });
  return (await ask(`/training/models/filmstrips?${query}`)).json();
}

/** @returns {Promise<TrainedModel[]>} */
export const trainedModels = async () => (await (await ask("/training/models")).json()).models;

/** @param {string | null} pipeline @param {string} action @param {string} version */
export const decide = (pipeline, action, version) =>
  ask("/training/models", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ pipeline, action, version }),
  });

/** @returns {Promise<string | null>} the version of the model, null while it is being loaded */
export async function readyVersion() {
  const { ready, failure, model_version: version } = await status();
  if (failure !== null) throw new Refusal(failure, 503);
  return ready ? version : null;
}

/** @param {string} path @returns {Promise<Blob>} */
export const file = async (path) => (await ask(path)).blob();

/** @param {string} id @returns {Promise<Blob>} the image as PNG */
export const picture = (id) => file(`/demo/images/${id}`);

/** @param {Blob} data @returns {Promise<{id: string, width: number, height: number}>} */
export async function uploadImage(data) {
  const answer = await (await ask("/demo/images", { method: "POST", body: data })).json();
  sent.clear(); // masks belong to an image, and one image is open
  sent.set(answer.id, data);
  return answer;
}

/** @param {Blob} data @returns {Promise<{id: string, width: number, height: number, values: number[]}>} */
export async function uploadMask(data) {
  const answer = await (await ask("/demo/masks", { method: "POST", body: data })).json();
  sent.set(answer.id, data);
  return answer;
}

/** @param {FileWanted} wanted @returns {Promise<Blob>} a file of masks */
export async function maskFile(wanted) {
  const headers = { "Content-Type": "application/json" };
  return (await ask("/demo/files", { method: "POST", headers, body: JSON.stringify(wanted) })).blob();
}

/**
 * Ask for a mask. Files that the server no longer holds are sent along with the same prompt.
 * @param {Prompt} prompt
 * @returns {Promise<import("./objects/masks.js").Answer>}
 */
export async function segment(prompt) {
  const form = new FormData();
  form.set("prompt", JSON.stringify(prompt));
  for (;;) {
    try {
      return await (await ask("/demo/click", { method: "POST", body: form })).json();
    } catch (error) {
      if (!(error instanceof Refusal) || !error.missing || form.has("file")) throw error;
      const digests = [prompt.image, prompt.start?.file].filter((id) => id !== undefined);
      for (const id of digests) if (sent.has(id)) form.append("file", sent.get(id));
      if (!form.has("file")) throw error;
    }
  }
}
