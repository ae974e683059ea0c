// What a node Render Bokeh would render, read from the nodes that it is connected to.

import { CIRCLE } from "./aperture.js";
import { areasOfNode } from "../shared/areas.js";

/** @typedef {import("./aperture.js").Iris} Iris */
/** @typedef {import("../shared/areas.js").Area} Area */
/**
 * @template N
 * @typedef {object} Reader How nodes are read.
 * @property {(node: N) => string} classOf
 * @property {(node: N, input: string) => N | null} sourceOf What feeds an input.
 * @property {(node: N, input: string) => unknown} valueOf Of a widget, or of what is linked to it;
 *   undefined where that is only known when it has run.
 */
/**
 * @template N
 * @typedef {{ ownFNumber: number, ownFocalLengthMm: number, ownSensorWidthMm: number,
 *   photo: N | null }} CameraWiring What a photo tells goes before the node's own; an f-number of the
 *   node before that of the photo. 0: it has none.
 */
/**
 * @typedef {{ areas: Area[], range: number } | { disparity: number, range: number }
 *   | { metres: number, range: number }} FocusWiring
 */
/**
 * @template N
 * @typedef {object} Wiring
 * @property {N} picture The node that gives it.
 * @property {N} depth
 * @property {FocusWiring} focus
 * @property {CameraWiring<N> | null} camera
 * @property {{ node: N, input: "f_number" | "bokeh_level" } | null} strength Where it can be set how
 *   strong the blur is; null where a photo says so.
 * @property {number} bokehLevel px per unit, without a camera.
 * @property {number} focusScale
 * @property {boolean} levelIsOfPicture Whether `bokehLevel` counts in px of the picture; else of the
 *   depth.
 * @property {Iris} iris
 * @property {string[]} leftOut What the picture shows without, in words.
 */

// Traits of Aperture that change nothing at 0 and are not shown.
const UNSEEN_TRAITS = {
  spherical_aberration: "spherical aberration",
  cats_eye: "cat's eye",
  swirl: "swirl",
  axial_chromatism: "axial chromatism",
};
const PHOTOS = new Set(["FocusPullerLoadPhoto", "FocusPullerSamplePhoto"]);

/**
 * @template N
 * @param {N} render The node Render Bokeh.
 * @param {Reader<N>} reader
 * @returns {Wiring<N> | string} A text: why there is nothing to show yet.
 */
export function wiringOf(render, reader) {
  const { classOf, sourceOf } = reader;
  /** @type {string[]} */
  const leftOut = [];
  const picture = shownPicture(sourceOf(render, "image"), reader, leftOut);
  const map = sourceOf(render, "defocus");
  if (!picture || !map) return "Connect image and defocus to see the picture through the lens.";
  if (classOf(map) !== "FocusPullerDefocusMap") return "Shown with a Defocus Map only.";
  if (reader.valueOf(render, "linear")) return "Not shown for linear light.";
  const depth = sourceOf(map, "depth");
  const focusNode = sourceOf(map, "focus");
  if (!depth || !focusNode) return "Connect depth and focus to Defocus Map.";
  const focus = focusOf(focusNode, reader);
  if (!focus) return "Shown with Focus Point or Focus Distance only.";
  const cameraNode = sourceOf(map, "camera");
  const camera = cameraNode && cameraOf(cameraNode, reader);
  if (cameraNode && !camera) return "The camera is only known when it has run.";
  const numbers = numbersOf(map, ["bokeh_level", "focus_scale"], reader);
  if (!numbers) return "A setting of Defocus Map is only known when it has run.";
  const lens = sourceOf(render, "lens");
  if (lens && classOf(lens) !== "FocusPullerLayeredLens") leftOut.push("the chosen lens");
  const iris = irisOf(sourceOf(render, "aperture"), reader, leftOut);
  if (!iris) return "A setting of Aperture is only known when it has run.";
  const levelIsOfPicture = sourceOf(map, "image") != null;
  const [bokehLevel, focusScale] = numbers;
  const strength = strengthOf(map, cameraNode, reader);
  const blur = { camera, strength, bokehLevel, focusScale, levelIsOfPicture };
  return { picture, depth, focus, ...blur, iris, leftOut };
}

/**
 * The picture itself: Recover Highlights shows where it changes it, not the picture.
 *
 * @template N
 * @param {N | null} node
 * @param {Reader<N>} reader
 * @param {string[]} leftOut Gets what is not shown.
 * @returns {N | null}
 */
function shownPicture(node, reader, leftOut) {
  if (!node || reader.classOf(node) !== "FocusPullerRecoverHighlights") return node;
  leftOut.push("recovered highlights");
  return shownPicture(reader.sourceOf(node, "image"), reader, leftOut);
}

/**
 * @template N
 * @param {N} node
 * @param {Reader<N>} reader
 * @returns {FocusWiring | null}
 */
function focusOf(node, reader) {
  const range = Number(reader.valueOf(node, "focus_range") ?? NaN);
  if (reader.classOf(node) === "FocusPullerFocusPoint") {
    const [x, y, region, others] = ["x", "y", "region", "also_sharp"].map((name) =>
      reader.valueOf(node, name),
    );
    if ([x, y, region, others].includes(undefined)) return null;
    return { areas: areasOfNode({ x, y, region, also_sharp: others }), range };
  }
  if (reader.classOf(node) !== "FocusPullerFocusDistance") return null;
  const distance = numbersOf(node, ["distance"], reader)?.[0];
  if (distance === undefined) return null;
  return reader.valueOf(node, "unit") === "metres"
    ? { metres: distance, range }
    : { disparity: distance, range };
}

/**
 * @template N
 * @param {N} node
 * @param {Reader<N>} reader
 * @returns {CameraWiring<N> | null}
 */
function cameraOf(node, reader) {
  if (PHOTOS.has(reader.classOf(node))) {
    return { ownFNumber: 0, ownFocalLengthMm: 0, ownSensorWidthMm: 0, photo: node };
  }
  if (reader.classOf(node) !== "FocusPullerCamera") return null;
  const own = numbersOf(node, ["f_number", "focal_length_mm", "sensor_width_mm"], reader);
  if (!own) return null;
  const [ownFNumber, ownFocalLengthMm, ownSensorWidthMm] = own;
  const photo = reader.sourceOf(node, "photo");
  return { ownFNumber, ownFocalLengthMm, ownSensorWidthMm, photo };
}

/**
 * @template N
 * @param {N} map
 * @param {N | null} camera
 * @param {Reader<N>} reader
 * @returns {Wiring<N>["strength"]}
 */
function strengthOf(map, camera, { classOf }) {
  if (!camera) return { node: map, input: "bokeh_level" };
  return PHOTOS.has(classOf(camera)) ? null : { node: camera, input: "f_number" };
}

/**
 * @template N
 * @param {N | null} node
 * @param {Reader<N>} reader
 * @param {string[]} leftOut Gets what is not shown.
 * @returns {Iris | null}
 */
function irisOf(node, reader, leftOut) {
  if (!node) return CIRCLE;
  if (reader.classOf(node) !== "FocusPullerAperture") return null;
  const names = ["blades", "rotation_degrees", "roundness", "squeeze", "obstruction"];
  const numbers = numbersOf(node, names, reader);
  if (!numbers) return null;
  if (reader.sourceOf(node, "shape")) leftOut.push("the drawn shape");
  for (const [name, words] of Object.entries(UNSEEN_TRAITS)) {
    if (reader.valueOf(node, name)) leftOut.push(words);
  }
  const [blades, rotationDegrees, roundness, squeeze, obstruction] = numbers;
  return { blades, rotationDegrees, roundness, squeeze, obstruction };
}

/**
 * @template N
 * @param {N} node
 * @param {string[]} names
 * @param {Reader<N>} reader
 * @returns {number[] | null} null: one is not known.
 */
function numbersOf(node, names, reader) {
  const values = names.map((name) => reader.valueOf(node, name));
  return values.every((value) => typeof value === "number") ? values : null;
}
