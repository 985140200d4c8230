/** Pictures from files, drops, the clipboard and the gallery. */

import { picture, uploadImage } from "./server.js";

/**
 * @typedef {object} Opened
 * @property {string} id
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {ImageBitmap} bitmap
 */

/**
 * Sends a picture to the server while the browser decodes it. Kinds of files that the browser cannot show,
 * or turns another way than the server, are shown as the server sees them.
 * @param {Blob} data
 * @param {string} name
 * @returns {Promise<Opened>}
 */
export async function openPicture(data, name) {
  const decoded = createImageBitmap(data).catch(() => null);
  const { id, width, height } = await uploadImage(data);
  let bitmap = await decoded;
  if (bitmap?.width !== width || bitmap.height !== height) bitmap = await createImageBitmap(await picture(id));
  return { id, name, width, height, bitmap };
}

/**
 * Files that are dropped on the page or pasted into it.
 * @param {HTMLElement} stage shows that files may be dropped
 * @param {(file: File) => void} open
 */
export function listenToFiles(stage, open) {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("drop");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("drop");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("drop");
    const file = event.dataTransfer?.files[0];
    if (file) open(file);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (file) open(file);
  });
}
