import { expect, test } from "vitest";
import { focusedNodes, noteOf, numbersOf } from "../../../web/js/camera/sources.js";
import { SENSORS, sensorOf } from "../../../web/js/camera/sensors.js";

const OWN = { fNumber: 4, focalLengthMm: 85, sensorWidthMm: 36 };
const PHOTO = { f_number: 1.8, focal_length_mm: 6.9, sensor_width_mm: null };

test("the photo's focal length and sensor count more than the node's, its f-number less", () => {
  const { camera, fromPhoto } = numbersOf(OWN, PHOTO);
  expect(camera).toEqual({ fNumber: 4, focalLengthMm: 6.9, sensorWidthMm: 36 });
  expect(fromPhoto).toEqual(["focalLengthMm"]);
});

test("f-number 0 takes the photo's", () => {
  const { camera, fromPhoto } = numbersOf({ ...OWN, fNumber: 0 }, PHOTO);
  expect(camera.fNumber).toBe(1.8);
  expect(fromPhoto).toContain("fNumber");
});

test("without a photo all is the node's", () => {
  expect(numbersOf(OWN, null)).toEqual({ camera: OWN, fromPhoto: [] });
});

test("the note says where numbers come from", () => {
  expect(noteOf(["fNumber", "sensorWidthMm"], "Focus Distance")).toBe(
    "From the photo: f-number, sensor. Focus of Focus Distance.",
  );
  expect(noteOf([], null)).toMatch(/^The focus is for reading only/);
});

test("the focus is that of the nodes which this camera serves", () => {
  const focus = { title: "focus" };
  const other = {
    inputs: [{ name: "camera" }],
    getInputNode: () => null,
    getOutputNodes: () => [],
  };
  const map = {
    inputs: [{ name: "depth" }, { name: "focus" }],
    getInputNode: (/** @type {number} */ slot) => (slot === 1 ? focus : null),
    getOutputNodes: () => [],
  };
  const camera = { outputs: [{}], getInputNode: () => null, getOutputNodes: () => [other, map] };
  expect(focusedNodes(camera)).toEqual([focus]);
});

test("each sensor is found by its width", () => {
  SENSORS.forEach(({ widthMm }, index) => expect(sensorOf(widthMm)).toBe(index));
  expect(sensorOf(36.001)).toBe(1);
  expect(sensorOf(30)).toBe(-1);
});
