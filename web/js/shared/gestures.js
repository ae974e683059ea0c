// Mouse, pen and touch on a stage, as what they mean there.

/** @typedef {import("./view.js").Point} Point */
/**
 * @typedef {object} Gestures Places and distances are CSS px of the stage, not of the screen: the
 *   graph may be zoomed.
 * @property {(place: Point, event: PointerEvent) => void} press A drag begins.
 * @property {(place: Point, event: PointerEvent) => void} drag
 * @property {() => void} release The drag has ended.
 * @property {() => void} cancel The drag has become something else.
 * @property {(by: Point) => void} pan
 * @property {(factor: number, around: Point) => void} zoom
 * @property {(place: Point | null) => void} hover null: nothing is above the stage.
 */

const WHEEL_ZOOM = 1.0015;

/**
 * Pans with the middle button, with Shift, and with two fingers, which zoom too. The wheel zooms
 * while the stage has the keyboard; else it stays the graph's.
 * @param {HTMLElement} stage
 * @param {Gestures} gestures
 */
export function listenToGestures(stage, gestures) {
  keepTouches(stage);
  /** @type {Map<number, Point>} */
  const fingers = new Map();
  /** @type {"drag" | "pan" | null} */
  let doing = null;

  /** @param {MouseEvent} event */
  const placeOf = (event) => {
    const box = stage.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * stage.clientWidth,
      y: ((event.clientY - box.top) / box.height) * stage.clientHeight,
    };
  };

  stage.addEventListener("pointerdown", (event) => {
    const pans = event.button === 1 || (event.button === 0 && event.shiftKey);
    if (event.button !== 0 && !pans) return;
    event.stopPropagation(); // or the node is dragged
    if (event.button === 1) event.preventDefault(); // or the browser scrolls
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, placeOf(event));
    if (fingers.size > 1 && doing === "drag") gestures.cancel();
    doing = pans || fingers.size > 1 ? "pan" : "drag";
    if (doing === "drag") gestures.press(placeOf(event), event);
  });

  stage.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    const before = fingers.get(event.pointerId);
    if (!before) return gestures.hover(place);
    event.stopPropagation();
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, place);
    if (doing === "drag") gestures.drag(place, event);
    else movedFinger(before, place, other);
  });

  /**
   * @param {Point} before
   * @param {Point} place
   * @param {Point | undefined} other
   */
  function movedFinger(before, place, other) {
    if (other) {
      const apart = distance(before, other);
      const around = { x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 };
      // First, because the whole picture cannot be moved.
      if (apart > 0) gestures.zoom(distance(place, other) / apart, around);
    }
    const share = other ? 0.5 : 1; // the middle of two fingers moves half as far
    gestures.pan({ x: (place.x - before.x) * share, y: (place.y - before.y) * share });
  }

  for (const kind of /** @type {const} */ (["pointerup", "pointercancel"])) {
    stage.addEventListener(kind, (event) => {
      if (!fingers.delete(event.pointerId)) return;
      event.stopPropagation();
      if (doing === "drag") gestures.release();
      if (fingers.size === 0 || doing === "drag") doing = null;
    });
  }
  stage.addEventListener("pointerleave", () => gestures.hover(null));
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!stage.contains(document.activeElement)) return;
      event.preventDefault();
      event.stopPropagation();
      gestures.zoom(WHEEL_ZOOM ** -event.deltaY, placeOf(event));
    },
    { passive: false },
  );
}

/** @type {WeakSet<EventTarget>} Stages on which two fingers do not zoom the graph. */
const stages = new WeakSet();

/**
 * Keep touches of a stage from ComfyUI, which zooms the graph with two fingers wherever they are. It
 * listens on an element around ours before we would hear of them, so they are stopped on the window.
 * @param {HTMLElement} stage
 */
function keepTouches(stage) {
  stages.add(stage);
  for (const kind of ["touchstart", "touchmove", "touchend", "touchcancel"]) {
    // The same function again is not added again.
    window.addEventListener(kind, stopOnStage, { capture: true, passive: true });
  }
}

/** @param {Event} event */
function stopOnStage(event) {
  if (event.composedPath().some((target) => stages.has(target))) event.stopPropagation();
}

/**
 * @param {Point} a
 * @param {Point} b
 */
function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
