// A ring of the barrel: a scale that is turned under a fixed mark, with the pointer, the wheel or the
// keys.

import { element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { isShortcut } from "../shared/keys.js";
import { svg } from "./svg.js";

/** @typedef {import("./scales.js").Mark} Mark */
/**
 * @typedef {object} Turning
 * @property {() => void} start
 * @property {(px: number, isFree: boolean) => void} turn How far since the start; free of stops.
 * @property {(steps: number) => void} step
 * @property {(key: string) => boolean} press Whether another key means something.
 * @property {() => void} done
 * @property {() => void} cancel
 */
/**
 * @typedef {object} RingState
 * @property {readonly Mark[]} marks
 * @property {number} now
 * @property {number} min
 * @property {number} max
 * @property {string} text
 * @property {boolean} isEnabled
 */

const HEIGHT = 34;
const COARSE_STEPS = 3;
// A notch of a mouse wheel, as the logarithm of what it zooms elsewhere.
const NOTCH = 0.15;
/** @type {ReadonlyMap<string, number>} */
const STEPS = new Map([
  ["ArrowRight", 1],
  ["ArrowUp", 1],
  ["ArrowLeft", -1],
  ["ArrowDown", -1],
  ["PageUp", COARSE_STEPS],
  ["PageDown", -COARSE_STEPS],
]);

export class Ring {
  /**
   * @param {string} name Of the slider.
   * @param {string} title What hovering says.
   * @param {Turning} turning
   */
  constructor(name, title, turning) {
    this._turning = turning;
    this._isEnabled = true;
    this._marks = svg("svg", { x: "50%", overflow: "visible", "aria-hidden": "true" });
    const attributes = { role: "slider", tabindex: "0", "aria-label": name, title };
    const drawing = svg("svg", { class: "scale", height: String(HEIGHT) }, this._marks);
    this.element = element("div", {
      class: "lens-ring",
      "data-capture-wheel": "true",
      ...attributes,
    });
    this.element.append(drawing);
    this._listen();
  }

  /** @param {RingState} state */
  show({ marks, now, min, max, text, isEnabled }) {
    this._isEnabled = isEnabled;
    const said = { valuemin: min, valuemax: max, valuenow: now, valuetext: text };
    for (const [name, value] of Object.entries(said)) {
      this.element.setAttribute(`aria-${name}`, String(value));
    }
    this.element.setAttribute("aria-disabled", String(!isEnabled));
    this._marks.replaceChildren(...marks.flatMap(drawn));
  }

  _listen() {
    const { element: ring, _turning: turning } = this;
    let from = 0;
    let notches = 0;
    listenToGestures(ring, {
      press: ({ x }) => {
        from = x;
        if (this._isEnabled) turning.start();
      },
      drag: ({ x }, { altKey }) => this._isEnabled && turning.turn(x - from, altKey),
      release: () => this._isEnabled && turning.done(),
      cancel: () => this._isEnabled && turning.cancel(),
      pan: () => {},
      zoom: (factor) => {
        notches += Math.log(factor) / NOTCH;
        const whole = Math.trunc(notches);
        notches -= whole;
        if (whole) this._step(whole);
      },
      hover: () => {},
    });
    ring.addEventListener("keydown", (event) => {
      if (isShortcut(event)) return;
      const steps = (STEPS.get(event.key) ?? 0) * (event.shiftKey ? COARSE_STEPS : 1);
      if (!steps && !turning.press(event.key)) return;
      event.preventDefault();
      event.stopPropagation(); // the graph is moved with arrows
      if (steps) this._step(steps);
    });
  }

  /** @param {number} steps */
  _step(steps) {
    if (!this._isEnabled) return;
    this._turning.step(steps);
    this._turning.done();
  }
}

/** @param {Mark} mark */
function drawn({ place, label, isSpecial }) {
  const kind = isSpecial ? "special" : label ? "engraved" : "between";
  const at = { x1: String(place), x2: String(place) };
  const line = svg("line", { ...at, y1: label ? "22" : "26", y2: String(HEIGHT), class: kind });
  if (!label) return [line];
  return [line, svg("text", { x: String(place), y: "16", class: kind }, label)];
}
