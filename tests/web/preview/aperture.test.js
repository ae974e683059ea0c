import { expect, test } from "vitest";
import {
  AREA_REACH,
  AREA_STEPS,
  CIRCLE,
  coverage,
  discAreas,
  rayAt,
} from "../../../web/js/preview/aperture.js";

// Sum of the disc, and its pixels straight right and straight up at the radius: BlurDisc of
// lens/blur_disc.py.
const HEPTAGON = { ...CIRCLE, blades: 7, roundness: 0.3 };
const ANAMORPHIC = { ...CIRCLE, blades: 5, rotationDegrees: 20, squeeze: 1.5 };
const MIRROR = { ...CIRCLE, blades: 6, rotationDegrees: 10, roundness: 0.5, obstruction: 0.4 };
test.each([
  [CIRCLE, 0, 0.5013902177953812, 0.5, 0.5],
  [CIRCLE, 6, 112.661683166962, 0.5, 0.5],
  [HEPTAGON, 1.5, 7.035499721281678, 0.9665204377228236, 0.9820137900379085],
  [HEPTAGON, 6, 102.34980977404771, 0.07249834079691336, 0.5],
  [ANAMORPHIC, 1.5, 3.7429905085974737, 0.17888515276374417, 0.8908486478322155],
  [MIRROR, 1.5, 5.926488088297422, 0.9244414301981843, 0.9323534510499665],
  [MIRROR, 6, 83.03846261193864, 0.05241349163867631, 0.1322189291517455],
])("the disc of %o at %f px", (iris, radius, area, right, up) => {
  const whole = Math.floor(radius);
  expect(discAreas(iris)[radius * AREA_STEPS] / area).toBeCloseTo(1, 5);
  expect(coverage(iris, radius, rayAt(iris, whole, 0))).toBeCloseTo(right, 6);
  expect(coverage(iris, radius, rayAt(iris, 0, -whole))).toBeCloseTo(up, 6);
});

test("areas grow with the square of the radius", () => {
  const areas = discAreas(CIRCLE);
  expect(areas[areas.length - 1] / (Math.PI * AREA_REACH ** 2)).toBeCloseTo(1, 2);
});
