/**
 * Everything by keys. Arrows move a crosshair over the picture, Enter clicks there.
 *
 * @typedef {object} Commands
 * @property {() => void} box whether drags draw boxes
 * @property {() => void} stroke whether drags draw strokes
 * @property {() => void} lasso whether drags draw lassos
 * @property {() => void} finish
 * @property {() => void} partly
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {() => void} reset
 * @property {() => void} fit
 * @property {(direction: 1 | -1) => void} zoom
 * @property {(dx: number, dy: number) => void} move the crosshair, in pixels of the screen
 * @property {(isNegative: boolean) => void} click where the crosshair is
 */

const STEP = 16;
/** @type {Record<string, readonly [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {HTMLCanvasElement} canvas @param {Commands} commands */
export function listenToKeys(canvas, commands) {
  addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("input, select, textarea, dialog")) return;
    const isOnButton = target.closest("button, a, summary") !== null;
    const action = actionOf(event, commands, { isOnButton, isOnCanvas: target === canvas });
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/**
 * @param {KeyboardEvent} event
 * @param {Commands} commands
 * @param {{isOnButton: boolean, isOnCanvas: boolean}} focus
 * @returns {(() => void) | undefined}
 */
function actionOf(event, commands, { isOnButton, isOnCanvas }) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return event.shiftKey ? commands.redo : commands.undo;
    return key === "y" ? commands.redo : undefined;
  }
  if (isOnCanvas) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? 1 : STEP;
      return () => commands.move(arrow[0] * step, arrow[1] * step);
    }
    if (key === "enter") return () => commands.click(event.altKey || event.shiftKey);
  }
  if (event.altKey) return undefined;
  if (key === " ") return isOnButton ? undefined : commands.finish;
  if (key === "a") return commands.partly;
  if (key === "b") return commands.box;
  if (key === "s") return commands.stroke;
  if (key === "l") return commands.lasso;
  if (key === "+" || key === "=") return () => commands.zoom(1);
  if (key === "-") return () => commands.zoom(-1);
  if (key === "0") return commands.fit;
  if (key === "escape") return commands.reset;
  return undefined;
}
