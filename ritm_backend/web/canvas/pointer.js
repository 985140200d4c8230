/**
 * Mouse, pen and fingers on the stage.
 *
 * A click is asked for when the button goes down, and stands when it comes up at the same place. A drag
 * pans instead: the click that was begun is dropped. With Shift, or with another tool than clicks, a drag
 * draws. Two fingers zoom; a long touch is a negative click.
 *
 * @typedef {import("./drawing.js").Place} Place
 * @typedef {import("./drawing.js").Drag} Drag
 *
 * @typedef {object} Gestures
 * @property {(place: Place, isPositive: boolean) => void} begin a click may become of it
 * @property {() => void} commit it is one
 * @property {() => void} drop it is none, and nothing is drawn either
 * @property {(drag: Drag) => void} stretch something is being drawn
 * @property {(drag: Drag) => void} draw it is drawn
 * @property {() => import("./drawing.js").Tool} tool
 * @property {() => boolean} isNegativeMode whether plain clicks are negative
 */

const SLOP = 4;
const TOUCH_SLOP = 10;
const LONG_TOUCH_MS = 450;
const STEP = 2; // pixels of the screen between the places of a line
const MOST_PLACES = 2000;
const LINE = 40; // pixels per line, for wheels that count lines

/** @param {import("./view.js").View} view @param {Gestures} gestures */
export function listenToPointers(view, gestures) {
  const { canvas } = view;
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let start = { x: 0, y: 0 };
  let state = /** @type {"idle" | "click" | "draw" | "pan"} */ ("idle");
  /** @type {Drag} */
  let drag = { tool: "click", isPositive: true, path: [] };
  let last = start; // place of the line on the screen
  let isDrawn = false;
  let longTouch = 0;

  /** @param {MouseEvent} event */
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.x, y: event.clientY - box.y };
  };

  const toPan = () => {
    clearTimeout(longTouch);
    if (state === "click" || state === "draw") gestures.drop();
    state = "pan";
  };

  /** @param {PointerEvent} event @param {{x: number, y: number}} at */
  const drawTo = (event, at) => {
    isDrawn ||= isDrag(event, start, at);
    if (drag.tool === "box") {
      drag = { ...drag, path: [drag.path[0], view.nearest(at)] };
    } else if (Math.hypot(at.x - last.x, at.y - last.y) >= STEP) {
      // A line without end has its places farther apart.
      const path = drag.path.length < MOST_PLACES ? drag.path : drag.path.filter((_, index) => index % 2 === 0);
      drag = { ...drag, path: [...path, view.nearest(at)] };
      last = at;
    }
    gestures.stretch(drag);
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
    const isNegative = event.button === 2 || event.altKey || gestures.isNegativeMode();
    const tool = isPlain && event.shiftKey ? "box" : gestures.tool();
    if (tool === "stroke" || (isPlain && tool !== "click")) {
      state = "draw";
      drag = { tool, isPositive: tool !== "stroke" || !isNegative, path: [spot] };
      last = at;
      isDrawn = false;
      return;
    }
    state = "click";
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
      if (state === "draw") {
        drawTo(event, at);
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
  const endDrawing = (event) => {
    drawTo(event, place(event));
    if (isDrawn) return gestures.draw(drag);
    gestures.drop();
    gestures.begin(drag.path[0], drag.tool === "stroke" ? drag.isPositive : !gestures.isNegativeMode());
    gestures.commit();
  };

  /** @param {PointerEvent} event */
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    clearTimeout(longTouch);
    if (state === "click" || state === "draw") {
      if (event.type !== "pointerup") gestures.drop();
      else if (state === "click") gestures.commit();
      else endDrawing(event);
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
