// From what nodes say to what a lens needs: numbers of the wiring, the photo and its depth.

import { sharpRange } from "../shared/depth_map.js";
import { blurOf, bokehLevel } from "./optics.js";
import { scaled } from "./pace.js";

/** @typedef {import("../shared/depth_map.js").DepthMap} DepthMap */
/** @typedef {import("../shared/depth_map.js").SharpRange} SharpRange */
/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {import("./optics.js").CameraValues} CameraValues */
/** @typedef {import("./wiring.js").FocusWiring} FocusWiring */
/** @typedef {import("../shared/comfy.js").PhotoFacts} PhotoFacts */

// Enough for a picture in a graph. Without a graphics card more would take minutes.
const LONGEST_EDGE_PX = { card: 1024, processor: 512 };

/**
 * The size to show a picture at.
 * @param {Size} picture
 * @param {boolean} hasCard Whether there is a graphics card.
 * @returns {Size}
 */
export function previewSize(picture, hasCard) {
  const longest = hasCard ? LONGEST_EDGE_PX.card : LONGEST_EDGE_PX.processor;
  return scaled(picture, Math.min(1, longest / Math.max(picture.width, picture.height)));
}

/**
 * The values of a camera whose photo, if any, has been asked.
 * @param {import("./wiring.js").CameraWiring<unknown>} wiring
 * @param {PhotoFacts | null} photo
 * @returns {CameraValues | null} null: something is missing.
 */
export function cameraValues({ ownFNumber, ownFocalLengthMm, ownSensorWidthMm }, photo) {
  const values = {
    fNumber: ownFNumber || photo?.f_number || 0,
    focalLengthMm: photo?.focal_length_mm || ownFocalLengthMm,
    sensorWidthMm: photo?.sensor_width_mm || ownSensorWidthMm,
  };
  return Object.values(values).every((value) => value > 0) ? values : null;
}

/**
 * The sharp disparities: lens/focus.py.
 * @param {FocusWiring} focus
 * @param {DepthMap} depth
 * @returns {SharpRange}
 */
export function sharpDisparities(focus, depth) {
  if ("areas" in focus) return sharpRange(depth, focus.areas, focus.range);
  if ("metres" in focus) {
    const nearest = Math.min(Math.max(focus.metres - focus.range / 2, 1e-3), focus.metres);
    const farthest = focus.metres + focus.range / 2;
    return { plane: 1 / focus.metres, near: 1 / nearest, far: 1 / farthest };
  }
  const { disparity, range } = focus;
  return { plane: disparity, near: disparity + range / 2, far: Math.max(disparity - range / 2, 0) };
}

/**
 * The blur of a picture of a size.
 * @param {object} lens
 * @param {CameraValues | null} lens.camera
 * @param {number} lens.bokehLevel Without a camera, in px of a picture of `levelEdge`.
 * @param {number} lens.levelEdge px
 * @param {number} lens.focusScale
 * @param {SharpRange} sharp
 * @param {Size} size
 * @returns {import("./optics.js").Blur | null} null: no image forms, or it would have no end.
 */
export function blurFor({ camera, bokehLevel: given, levelEdge, focusScale }, sharp, size) {
  const edge = Math.max(size.width, size.height);
  const level = camera
    ? bokehLevel(camera, edge, sharp.plane, focusScale)
    : (given * edge) / levelEdge;
  return Number.isFinite(level) ? blurOf(level, sharp, edge) : null;
}
