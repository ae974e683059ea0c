// Depth in the browser: the picture that a node sends, numbers at a point, and how to say them.
//
// Depth is kept as disparity (inverse distance): 1/m where it is metric, else relative, 0 to 1 with
// 1 nearest.

import { numbersFromPixels } from "./numbers.js";
import { loadBytes } from "./pixels.js";

/** @typedef {import("./view.js").Point} Point */
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
  const { width, height, disparity } = depth;
  const column = Math.min(Math.floor(x * width), width - 1);
  const row = Math.min(Math.floor(y * height), height - 1);
  const reach = Math.floor((POINT_WINDOW * Math.max(width, height)) / 2);
  const values = [];
  for (let r = Math.max(row - reach, 0); r <= Math.min(row + reach, height - 1); r++) {
    for (let c = Math.max(column - reach, 0); c <= Math.min(column + reach, width - 1); c++) {
      values.push(disparity[r * width + c]);
    }
  }
  // The lower of two middle values, as torch.median.
  return values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

/**
 * What is sharp with the focus on several points: lens/focus_points.py.
 * @param {DepthMap} depth
 * @param {readonly Point[]} points The first is in the focus plane.
 * @param {number} focusRange Disparity that stays sharp around each.
 * @returns {SharpRange}
 */
export function sharpRange(depth, points, focusRange) {
  const planes = points.map((point) => disparityAt(depth, point));
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
