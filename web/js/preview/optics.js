// The thin lens: the formulas of lens/optics.py and lens/defocus.py, with the same units. Lengths of
// lens and sensor in mm, depth as disparity (1/m, or relative 0 to 1), blur as a radius in px.

/** @typedef {import("../shared/depth_map.js").SharpRange} SharpRange */
/**
 * @typedef {object} CameraValues
 * @property {number} focalLengthMm
 * @property {number} fNumber
 * @property {number} sensorWidthMm Its long side.
 */
/**
 * @typedef {object} Blur How disparity becomes blur: radius = level · (disparity − nearest sharp).
 * @property {number} level px per unit of disparity.
 * @property {number} near Disparity of the nearest sharp plane.
 * @property {number} far That of the farthest.
 * @property {number} limit px; no radius is larger.
 */

// Of the longest edge: lens/render.py.
const MAX_RADIUS_FRACTION = 0.25;

/**
 * Bokeh level K: blur radius in px per 1/m of disparity (Generative Refocusing eq. 3, with the focus
 * scale of Fine-grained Defocus eq. 6).
 * @param {CameraValues} camera
 * @param {number} longestEdge Of the picture, in px.
 * @param {number} focusDisparity 1/m
 * @param {number} [focusScale]
 * @returns {number} NaN where the focus lies within the focal length: no image forms.
 */
export function bokehLevel(camera, longestEdge, focusDisparity, focusScale = 1) {
  const focalLengthM = camera.focalLengthMm / 1000;
  const extension = focusScale - focalLengthM * focusDisparity;
  if (!(extension > 0)) return NaN;
  const pixelsPerMm = longestEdge / camera.sensorWidthMm;
  return (focalLengthM ** 2 * 1000 * pixelsPerMm) / (2 * camera.fNumber * extension);
}

/**
 * The same blur in a picture of another size.
 * @param {number} level Bokeh level.
 * @param {SharpRange} sharp
 * @param {number} longestEdge Of the picture, in px.
 * @returns {Blur}
 */
export function blurOf(level, { near, far }, longestEdge) {
  return { level, near, far, limit: MAX_RADIUS_FRACTION * longestEdge };
}

/**
 * Signed blur radius in px: positive in front of the focus, negative behind it.
 * @param {number} disparity
 * @param {Blur} blur
 */
export function blurRadius(disparity, { level, near, far, limit }) {
  const sharp = Math.min(Math.max(disparity, far), near);
  return Math.min(Math.max(level * (disparity - sharp), -limit), limit);
}

/**
 * The largest blur radius of a picture, in px.
 * @param {{ low: number, high: number }} depth Its least and largest disparity.
 * @param {Blur} blur
 */
export function largestRadius({ low, high }, blur) {
  return Math.max(Math.abs(blurRadius(low, blur)), Math.abs(blurRadius(high, blur)));
}
