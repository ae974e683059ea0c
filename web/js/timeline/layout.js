// Where frames and values are in the curve editor, and back: focus above, f-number below.

import { F_NUMBERS, positionOf, turned } from "../camera/scales.js";

/** @typedef {import("./keyframes.js").Timeline} Timeline */
/** @typedef {import("./keyframes.js").Track} Track */
/** @typedef {import("../shared/view.js").Point} Point */
/**
 * @typedef {object} Layout
 * @property {number} width In CSS px.
 * @property {number} lastFrame
 * @property {number} nearest The largest disparity that is shown.
 */

export const HEIGHT = 190;
export const BANDS = /** @type {const} */ ({
  disparity: { top: 14, bottom: 106 },
  fNumber: { top: 126, bottom: 176 },
});
const MARGIN = 34; // beside the labels of the axes
const HEADROOM = 1.25;

/**
 * @param {Timeline} timeline
 * @param {number} width
 * @param {number} frames Of the node; 0: up to the last keyframe.
 * @returns {Layout}
 */
export function layoutOf({ isMetric, keyframes }, width, frames) {
  const disparities = keyframes.map((each) => each.disparity ?? 0);
  const last = keyframes.at(-1)?.frame ?? 0;
  return {
    width,
    lastFrame: Math.max(1, last, frames - 1),
    nearest: isMetric ? Math.max(0.5, HEADROOM * Math.max(...disparities)) : 1,
  };
}

/**
 * @param {Layout} layout
 * @param {number} frame
 */
export function xOf({ width, lastFrame }, frame) {
  return MARGIN + (frame / lastFrame) * (width - 2 * MARGIN);
}

/**
 * @param {Layout} layout
 * @param {number} x
 */
export function frameAt({ width, lastFrame }, x) {
  return Math.max(0, Math.round(((x - MARGIN) / (width - 2 * MARGIN)) * lastFrame));
}

/**
 * @param {Layout} layout
 * @param {Track} track
 * @param {number} value
 */
export function yOf({ nearest }, track, value) {
  const { top, bottom } = BANDS[track];
  const part =
    track === "disparity" ? value / nearest : positionOf(F_NUMBERS, value) / (F_NUMBERS.length - 1);
  return bottom - Math.min(Math.max(0, part), 1) * (bottom - top);
}

/**
 * The value at a height; f-numbers in third stops.
 * @param {Layout} layout
 * @param {Track} track
 * @param {number} y
 */
export function valueAtHeight({ nearest }, track, y) {
  const { top, bottom } = BANDS[track];
  const part = Math.min(Math.max(0, (bottom - y) / (bottom - top)), 1);
  if (track === "disparity") return part * nearest;
  return turned(F_NUMBERS, F_NUMBERS[0], part * (F_NUMBERS.length - 1), true);
}
