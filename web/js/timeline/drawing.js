// Draws the axes, the curves and the keyframes of a timeline.

import { F_NUMBERS } from "../camera/scales.js";
import { svg } from "../camera/svg.js";
import { valueAtFrame } from "./keyframes.js";
import { BANDS, HEIGHT, xOf, yOf } from "./layout.js";

/** @typedef {import("./keyframes.js").Timeline} Timeline */
/** @typedef {import("./keyframes.js").Track} Track */
/** @typedef {import("./keyframe_editor.js").Handle} Handle */
/** @typedef {import("./layout.js").Layout} Layout */

const CURVE_STEP_PX = 3;
const HANDLE_PX = 5;
// At the top and the bottom of each band.
const ENDS = {
  disparity: ["near", "far"],
  fNumber: [`f/${F_NUMBERS[F_NUMBERS.length - 1]}`, `f/${F_NUMBERS[0]}`],
};

/**
 * @param {Layout} layout
 * @param {number} frame
 */
export function drawnCursor(layout, frame) {
  const x = String(xOf(layout, Math.min(frame, layout.lastFrame)));
  return svg("line", { x1: x, x2: x, y1: "0", y2: String(HEIGHT), class: "cursor" });
}

/**
 * @param {Timeline} timeline
 * @param {Layout} layout
 * @param {Track} track
 * @param {Handle | null} selected
 */
export function drawnTrack(timeline, layout, track, selected) {
  return [
    ...axis(layout, track),
    curve(timeline, layout, track),
    ...handles(timeline, layout, track, selected),
  ];
}

/**
 * @param {Layout} layout
 * @param {Track} track
 */
function axis({ width }, track) {
  const { top, bottom } = BANDS[track];
  const [high, low] = ENDS[track];
  const y = String(bottom);
  return [
    svg("line", { x1: "0", x2: String(width), y1: y, y2: y, class: "axis" }),
    svg("text", { x: "2", y: String(top), class: "axis" }, high),
    svg("text", { x: "2", y: String(bottom - 3), class: "axis" }, low),
  ];
}

/**
 * @param {Timeline} timeline
 * @param {Layout} layout
 * @param {Track} track
 */
function curve(timeline, layout, track) {
  const points = [];
  const [start, end] = [xOf(layout, 0), xOf(layout, layout.lastFrame)];
  for (let x = start; x <= end + 0.01; x += CURVE_STEP_PX) {
    const frame = ((x - start) / (end - start)) * layout.lastFrame;
    const value = valueAtFrame(timeline, track, frame);
    if (value !== null) points.push(`${x.toFixed(1)},${yOf(layout, track, value).toFixed(1)}`);
  }
  return svg("polyline", { points: points.join(" "), class: "curve" });
}

/**
 * @param {Timeline} timeline
 * @param {Layout} layout
 * @param {Track} track
 * @param {Handle | null} selected
 */
function handles({ keyframes }, layout, track, selected) {
  return keyframes.flatMap((keyframe) => {
    const value = keyframe[track];
    if (value === null) return [];
    const isChosen = selected?.keyframe === keyframe && selected.track === track;
    const [x, y] = [xOf(layout, keyframe.frame), yOf(layout, track, value)];
    return [handle(x, y, keyframe.isLinear, isChosen)];
  });
}

/**
 * Square where the move to it is linear.
 * @param {number} x
 * @param {number} y
 * @param {boolean} isSquare
 * @param {boolean} isChosen
 */
function handle(x, y, isSquare, isChosen) {
  const name = `handle${isChosen ? " chosen" : ""}`;
  if (!isSquare) {
    return svg("circle", { cx: String(x), cy: String(y), r: String(HANDLE_PX), class: name });
  }
  const [left, top, side] = [x - HANDLE_PX, y - HANDLE_PX, 2 * HANDLE_PX].map(String);
  return svg("rect", { x: left, y: top, width: side, height: side, class: name });
}
