/**
 * Mouse, pen and fingers on the stage.
 *
 * A click is asked for when the button goes down, and stands when it comes up at the same place. A drag
 * pans instead: the click that was begun is dropped. Two fingers zoom; a long touch is a negative click.
 *
 * @typedef {object} Gestures
 * @property {(place: {x: number, y: number}, isPositive: boolean) => void} begin a click may become of it
 * @property {() => void} commit it is one
 * @property {() => void} drop it is none
 * @property {() => boolean} isNegativeMode whether plain clicks are negative
 */

const SLOP = 4;
const TOUCH_SLOP = 10;
const LONG_TOUCH_MS = 450;
const LINE = 40; // pixels per line, for wheels that count lines

/** @param {import("./view.js").View} view @param {Gestures} gestures */
export function listenToPointers(view, gestures) {
  const { canvas } = view;
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let start = { x: 0, y: 0 };
  let state = /** @type {"idle" | "click" | "pan"} */ ("idle");
  let longTouch = 0;

  /** @param {MouseEvent} event */
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.x, y: event.clientY - box.y };
  };

  const toPan = () => {
    clearTimeout(longTouch);
    if (state === "click") gestures.drop();
    state = "pan";
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    down.set(event.pointerId, at);
    if (down.size > 1) return toPan();
    start = at;
    const spot = view.toImage(at.x, at.y);
    if (event.button === 1 || !spot) {
      state = "pan";
      return;
    }
    state = "click";
    const isNegative = event.button === 2 || event.altKey || gestures.isNegativeMode();
    gestures.begin(spot, !isNegative);
    if (event.pointerType === "touch") {
      longTouch = setTimeout(() => gestures.begin(spot, isNegative), LONG_TOUCH_MS);
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const at = place(event);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      if (other) pinch(view, before, at, other);
    } else {
      const slop = event.pointerType === "touch" ? TOUCH_SLOP : SLOP;
      if (state === "click" && Math.hypot(at.x - start.x, at.y - start.y) > slop) {
        toPan();
        view.pan(at.x - start.x, at.y - start.y);
      } else if (state === "pan") {
        view.pan(at.x - before.x, at.y - before.y);
      }
    }
    down.set(event.pointerId, at);
  });

  /** @param {PointerEvent} event */
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    clearTimeout(longTouch);
    if (state === "click") {
      if (event.type === "pointerup") gestures.commit();
      else gestures.drop();
    }
    state = down.size ? "pan" : "idle";
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const at = place(event);
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * LINE : event.deltaY;
      view.zoomAt(at.x, at.y, 1.2 ** (-pixels / 100));
    },
    { passive: false },
  );
}

/**
 * Two fingers: the picture follows both.
 * @param {import("./view.js").View} view
 * @param {{x: number, y: number}} before of the finger that moved
 * @param {{x: number, y: number}} at where it is now
 * @param {{x: number, y: number}} other
 */
function pinch(view, before, at, other) {
  const factor = Math.hypot(at.x - other.x, at.y - other.y) / Math.hypot(before.x - other.x, before.y - other.y);
  view.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
  if (Number.isFinite(factor) && factor > 0) view.zoomAt((at.x + other.x) / 2, (at.y + other.y) / 2, factor);
}
