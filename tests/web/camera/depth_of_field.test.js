import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  depthOfField,
  hyperfocalDistance,
  sharpDisparityPerF,
} from "../../../web/js/camera/depth_of_field.js";

/** @type {any[]} The Python tests read them too. */
const CASES = JSON.parse(readFileSync(new URL("optics.json", import.meta.url), "utf-8"));

describe.each(CASES)("$focal_length_mm mm f/$f_number at $focus_distance_m m", (known) => {
  const camera = {
    focalLengthMm: known.focal_length_mm,
    fNumber: known.f_number,
    sensorWidthMm: known.sensor_width_mm,
  };

  test("has the limits that the renderer has", () => {
    const { near, far } = depthOfField(camera, known.focus_distance_m ?? Infinity);
    expect(near / known.near_m).toBeCloseTo(1, 10);
    if (known.far_m === null) expect(far).toBe(Infinity);
    else expect(far / known.far_m).toBeCloseTo(1, 10);
  });

  test("has the same hyperfocal distance", () => {
    expect(hyperfocalDistance(camera) / known.hyperfocal_m).toBeCloseTo(1, 10);
  });
});

test("at the hyperfocal distance all is sharp from half of it", () => {
  const camera = { focalLengthMm: 28, fNumber: 8, sensorWidthMm: 36 };
  const hyperfocal = hyperfocalDistance(camera);
  const { near, far } = depthOfField(camera, hyperfocal);
  expect(near).toBeCloseTo(hyperfocal / 2, 10);
  expect(far).toBe(Infinity);
});

test("the sharp range grows with the f-number alone, as the scale on a barrel has it", () => {
  const camera = { focalLengthMm: 85, sensorWidthMm: 36 };
  const { near } = depthOfField({ ...camera, fNumber: 11 }, 4);
  expect(1 / near - 1 / 4).toBeCloseTo(11 * sharpDisparityPerF(camera, 1 / 4), 12);
});
