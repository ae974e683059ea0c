// Depth in the browser: the picture that a node sends, numbers at a point, and how to say them.
//
// Depth is kept as disparity (inverse distance): 1/m where it is metric, else relative, 0 to 1 with
// 1 nearest.

import { isRegion } from "./areas.js";
import { lowerMedian } from "./median.js";
import { numbersFromPixels } from "./numbers.js";
import { loadBytes } from "./pixels.js";

/** @typedef {import("./view.js").Point} Point */
/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Region} Region */
/** @typedef {{ start: number, stop: number }} Span Rows or columns; `stop` is behind the last. */
/**
 * @typedef {import("./numbers.js").Coding & { is_metric: boolean }} DepthCoding What a node tells
 *   about the picture it sends.
 */
/**
 * @typedef {object} DepthMap
 * @property {number} width
 * @property {number} height
 * @property {Float32Array} disparity Row by row.
 * @property {number} low
 * @property {number} high
 * @property {boolean} isMetric
 */
/** @typedef {{ plane: number, near: number, far: number }} SharpRange As disparity. */

// Side of the window around a focus point as a fraction of the longest edge: lens/focus.py.
const POINT_WINDOW = 0.01;
// Of nodes/routes.py.
const CODING_HEADER = "Focus-Puller-Depth";

/**
 * The depth that `depth_for_browser` (nodes/previews.py) has sent.
 * @param {ImageData} pixels
 * @param {DepthCoding} coding
 * @returns {DepthMap}
 */
export function depthFromPixels({ data, width, height }, { low, high, is_metric: isMetric }) {
  const disparity = numbersFromPixels(data, { low, high });
  return { width, height, disparity, low, high, isMetric };
}

/**
 * Load a picture of depth.
 * @param {string} url
 * @param {DepthCoding} [coding] By default as the server says.
 * @returns {Promise<DepthMap | null>} null: there is none.
 */
export async function loadDepth(url, coding) {
  const loaded = await loadBytes(url);
  const said = coding ?? JSON.parse(loaded?.headers.get(CODING_HEADER) ?? "null");
  return loaded && said ? depthFromPixels(loaded.pixels, said) : null;
}

/**
 * What a focus point finds: the median of a small window, as Focus Point takes it.
 * @param {DepthMap} depth
 * @param {Point} point
 * @returns {number}
 */
export function disparityAt(depth, { x, y }) {
  const { width, height } = depth;
  const reach = Math.floor((POINT_WINDOW * Math.max(width, height)) / 2);
  /** @type {(place: number, count: number) => Span} */
  const around = (place, count) => {
    const middle = Math.min(Math.floor(place * count), count - 1);
    return { start: Math.max(middle - reach, 0), stop: Math.min(middle + reach + 1, count) };
  };
  return medianOf(depth, around(y, height), around(x, width));
}

/**
 * What a region finds: the median in it, lens/focus_areas.py.
 * @param {DepthMap} depth
 * @param {Region} region
 * @returns {number}
 */
function disparityIn(depth, { left, top, right, bottom }) {
  return medianOf(depth, covered(top, bottom, depth.height), covered(left, right, depth.width));
}

/**
 * The rows or columns whose middle is between two fractions, at least one.
 * @param {number} from
 * @param {number} to
 * @param {number} count
 * @returns {Span}
 */
function covered(from, to, count) {
  const [start, stop] = [from, to].map((place) => Math.ceil(place * count - 0.5));
  if (start < stop) return { start, stop };
  const middle = Math.min(Math.floor(((from + to) / 2) * count), count - 1);
  return { start: middle, stop: middle + 1 };
}

/**
 * @param {DepthMap} depth
 * @param {Span} rows
 * @param {Span} columns
 */
function medianOf({ width, disparity }, rows, columns) {
  const across = columns.stop - columns.start;
  const values = new Float32Array((rows.stop - rows.start) * across);
  for (let row = rows.start; row < rows.stop; row++) {
    const start = row * width + columns.start;
    values.set(disparity.subarray(start, start + across), (row - rows.start) * across);
  }
  return lowerMedian(values);
}

/**
 * What is in focus with the focus on an area.
 * @param {DepthMap} depth
 * @param {Area} area
 */
export function disparityOf(depth, area) {
  return isRegion(area) ? disparityIn(depth, area) : disparityAt(depth, area);
}

/**
 * What is sharp with the focus on several areas: lens/focus_areas.py.
 * @param {DepthMap} depth
 * @param {readonly Area[]} areas The first is in the focus plane.
 * @param {number} focusRange Disparity that stays sharp around each.
 * @returns {SharpRange}
 */
export function sharpRange(depth, areas, focusRange) {
  const planes = areas.map((area) => disparityOf(depth, area));
  return {
    plane: planes[0],
    near: Math.max(...planes) + focusRange / 2,
    far: Math.max(Math.min(...planes) - focusRange / 2, 0),
  };
}

/**
 * A disparity in words: metres where it is metric.
 * @param {number} disparity
 * @param {boolean} isMetric
 */
export function depthText(disparity, isMetric) {
  if (!isMetric) return `disparity ${disparity.toFixed(3)}`;
  return disparity > 1e-6 ? `${significant(1 / disparity)} m` : "infinity";
}

/**
 * Three significant digits, without exponent.
 * @param {number} value
 */
function significant(value) {
  return String(Number(value.toPrecision(3)));
}
