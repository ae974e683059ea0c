import { expect, test } from "vitest";
import { blurOf, blurRadius, bokehLevel, largestRadius } from "../../../web/js/preview/optics.js";

// What camera_bokeh_level of lens/optics.py gives.
test.each([
  [50, 1.8, 36, 1024, 0.5, 1, 20.259575815131374],
  [85, 1.2, 36, 1080, 1.25, 1, 101.04895104895107],
  [6.8, 1.8, 9.8, 1024, 2.0, 1, 1.3606177804996016],
  [24, 8, 23.5, 512, 0, 1, 0.784340425531915],
  [50, 1.4, 36, 1024, 0.5, 2, 12.859152099658429],
])("%f mm f/%f on %f mm, %i px, focus %f 1/m × %f", (...row) => {
  const [focalLengthMm, fNumber, sensorWidthMm, edge, focus, scale, expected] = row;
  const camera = { focalLengthMm, fNumber, sensorWidthMm };
  expect(bokehLevel(camera, edge, focus, scale)).toBeCloseTo(expected, 9);
});

test("within the focal length no image forms", () => {
  const camera = { focalLengthMm: 50, fNumber: 2, sensorWidthMm: 36 };
  expect(bokehLevel(camera, 1024, 20)).toBeNaN();
});

test("blur is signed, none within the sharp range, and limited to a quarter of the picture", () => {
  const blur = blurOf(10, { plane: 1, near: 1.5, far: 0.5 }, 100);
  expect(blurRadius(1.2, blur)).toBe(0);
  expect(blurRadius(2, blur)).toBeCloseTo(5);
  expect(blurRadius(0.2, blur)).toBeCloseTo(-3);
  expect(blurRadius(9, blur)).toBe(25);
  expect(largestRadius({ low: 0, high: 1.8 }, blur)).toBeCloseTo(5);
});
