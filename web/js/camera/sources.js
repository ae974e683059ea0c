// Where the barrel's numbers come from: the node, the photo, and the node that focuses.

import { nodesBehind } from "../shared/graph.js";

/** @typedef {import("./depth_of_field.js").Camera} Camera */
/** @typedef {import("../shared/graph.js").GraphNode} GraphNode */
/**
 * @typedef {Pick<import("../shared/comfy.js").PhotoFacts, "f_number" | "focal_length_mm"
 *   | "sensor_width_mm">} PhotoCamera
 */
/**
 * @typedef {object} FoundFocus
 * @property {number} distanceM May be infinity.
 * @property {string | null} from Title of the node that says so; null: nothing does.
 * @property {boolean} isFixed Whether that node cannot be told another distance.
 * @property {any} node It, null if there is none.
 */

const NAMES = { fNumber: "f-number", focalLengthMm: "focal length", sensorWidthMm: "sensor" };
// Shown where f_number is 0 and no photo tells its own.
const ANY_F_NUMBER = 2.8;

/**
 * The numbers that Camera will use, and which of them are the photo's: nodes/camera.py.
 * @param {Camera} own
 * @param {PhotoCamera | null} photo
 * @returns {{ camera: Camera, fromPhoto: (keyof Camera)[] }}
 */
export function numbersOf(own, photo) {
  const told = {
    fNumber: own.fNumber ? null : photo?.f_number,
    focalLengthMm: photo?.focal_length_mm,
    sensorWidthMm: photo?.sensor_width_mm,
  };
  const camera = {
    fNumber: told.fNumber ?? (own.fNumber || ANY_F_NUMBER),
    focalLengthMm: told.focalLengthMm ?? own.focalLengthMm,
    sensorWidthMm: told.sensorWidthMm ?? own.sensorWidthMm,
  };
  const keys = /** @type {(keyof Camera)[]} */ (Object.keys(told));
  return { camera, fromPhoto: keys.filter((key) => told[key] != null) };
}

/**
 * In words, where numbers come from that are not set on the node.
 * @param {readonly (keyof Camera)[]} fromPhoto
 * @param {string | null} focus Title of the node that the focus comes from.
 */
export function noteOf(fromPhoto, focus) {
  const parts = [
    fromPhoto.length && `From the photo: ${fromPhoto.map((key) => NAMES[key]).join(", ")}.`,
    focus === null
      ? "The focus is for reading only; connect Focus Distance to set it."
      : `Focus of ${focus}.`,
  ];
  return parts.filter(Boolean).join(" ");
}

/**
 * The nodes that focus what a camera's node feeds, the nearest first.
 * @template {GraphNode} N
 * @param {N} camera
 * @returns {N[]}
 */
export function focusedNodes(camera) {
  return nodesBehind(camera).flatMap((node) => {
    const slot = (node.inputs ?? []).findIndex((/** @type {any} */ { name }) => name === "focus");
    const source = slot < 0 ? null : node.getInputNode(slot);
    return source ? [source] : [];
  });
}
