/**
 * Mouse, pen and fingers on the stage.
 *
 * A click is asked for when the button goes down, and stands when it comes up at the same place. A drag
 * pans instead: the click that was begun is dropped. With Shift, or in box mode, a drag draws a box. Two
 * fingers zoom; a long touch is a negative click.
 *
 * @typedef {{x: number, y: number}} Place on the image
 *
 * @typedef {object} Gestures
 * @property {(place: Place, isPositive: boolean) => void} begin a click may become of it
 * @property {() => void} commit it is one
 * @property {() => void} drop it is none, and neither is it a box
 * @property {(from: Place, to: Place) => void} stretch a box may become of it
 * @property {(from: Place, to: Place) => void} box it is one
 * @property {() => boolean} isBoxMode whether plain drags draw boxes
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
  let state = /** @type {"idle" | "click" | "box" | "pan"} */ ("idle");
  let longTouch = 0;

  /** @param {MouseEvent} event */
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.x, y: event.clientY - box.y };
  };

  const toPan = () => {
    clearTimeout(longTouch);
    if (state === "click" || state === "box") gestures.drop();
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
    const isPlain = event.button === 0 && !event.altKey;
    if (isPlain && (event.shiftKey || gestures.isBoxMode())) {
      state = "box";
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
      if (state === "box") {
        gestures.stretch(view.nearest(start), view.nearest(at));
      } else if (state === "click" && isDrag(event, start, at)) {
        toPan();
        view.pan(at.x - start.x, at.y - start.y);
      } else if (state === "pan") {
        view.pan(at.x - before.x, at.y - before.y);
      }
    }
    down.set(event.pointerId, at);
  });

  /** @param {PointerEvent} event */
  const endBox = (event) => {
    const at = place(event);
    if (isDrag(event, start, at)) return gestures.box(view.nearest(start), view.nearest(at));
    gestures.begin(view.nearest(start), !gestures.isNegativeMode());
    gestures.commit();
  };

  /** @param {PointerEvent} event */
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    clearTimeout(longTouch);
    if (state === "click" || state === "box") {
      if (event.type !== "pointerup") gestures.drop();
      else if (state === "click") gestures.commit();
      else endBox(event);
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

/** @param {PointerEvent} event @param {{x: number, y: number}} start @param {{x: number, y: number}} at */
function isDrag(event, start, at) {
  return Math.hypot(at.x - start.x, at.y - start.y) > (event.pointerType === "touch" ? TOUCH_SLOP : SLOP);
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
