/** Sample pictures to begin with. */

/**
 * @param {HTMLElement} gallery
 * @param {HTMLElement} credit where the source of the chosen one is named
 * @param {readonly import("./server.js").Sample[]} samples
 * @param {(sample: import("./server.js").Sample) => void} open
 */
export function showGallery(gallery, credit, samples, open) {
  for (const sample of samples) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = sample.title;
    const picture = document.createElement("img");
    picture.src = `/web/samples/small/${sample.file}`;
    picture.alt = `Open the sample ${sample.title}`;
    picture.draggable = false;
    button.append(picture);
    button.addEventListener("click", () => {
      for (const other of gallery.children) other.removeAttribute("aria-current");
      button.setAttribute("aria-current", "true");
      credit.textContent = `${sample.title}: ${sample.attribution}. ${sample.licence}.`;
      open(sample);
    });
    gallery.append(button);
  }
}
