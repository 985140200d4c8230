/** Light, dark, or whatever the system says. */

const KEY = "ritm-theme";
const NEXT = /** @type {const} */ ({ light: "dark", dark: "light" });

/** @returns {"light" | "dark"} */
function current() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** @param {HTMLButtonElement} button */
export function switchTheme(button) {
  const saved = localStorage.getItem(KEY);
  if (saved) document.documentElement.dataset.theme = saved;
  button.addEventListener("click", () => {
    const next = NEXT[current()];
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEY, next);
  });
}
