import { describe, expect, test } from "vitest";
import { depthOfField, hyperfocalDistance } from "../../../web/js/camera/depth_of_field.js";
import {
  DOF_PX,
  FOCAL_LENGTHS_MM,
  F_NUMBERS,
  SCALES,
  distanceMarks,
  distanceText,
  engravedMarks,
  focusForInfinity,
  focusedBy,
  positionOf,
  stepped,
  turned,
  valueAt,
} from "../../../web/js/camera/scales.js";

const CAMERAS = [
  { focalLengthMm: 50, fNumber: 8, sensorWidthMm: 36 },
  { focalLengthMm: 200, fNumber: 2.8, sensorWidthMm: 36 },
  { focalLengthMm: 24, fNumber: 11, sensorWidthMm: 23.5 },
  { focalLengthMm: 6.86, fNumber: 1.78, sensorWidthMm: 9.8 },
];

describe("f-numbers", () => {
  test("are third stops, each within a rounding of √2^(1/3) from the next", () => {
    expect(F_NUMBERS).toHaveLength(31); // 10 thirds of a decade: 5 stops and 5 stops
    F_NUMBERS.forEach((value, index) => {
      expect(Math.abs(value / 2 ** (index / 6) - 1)).toBeLessThan(0.06);
    });
  });

  test("a full stop has a number, the thirds between only a line", () => {
    const labels = engravedMarks(SCALES.fNumber, 4).flatMap(({ label }) => label ?? []);
    expect(labels).toEqual(["1", "1.4", "2", "2.8", "4", "5.6", "8", "11", "16", "22", "32"]);
  });

  test("what is set stands at the mark", () => {
    const at = engravedMarks(SCALES.fNumber, 5.6).find(({ place }) => Math.abs(place) < 1e-9);
    expect(at?.label).toBe("5.6");
  });

  test("turning snaps to a third, and freely goes between", () => {
    expect(turned(F_NUMBERS, 2.8, 1.4, true)).toBe(3.2);
    const free = turned(F_NUMBERS, 2.8, 0.4, false);
    expect(free).toBeGreaterThan(2.8);
    expect(free).toBeLessThan(3.2);
  });

  test("turning ends at the ends", () => {
    expect(turned(F_NUMBERS, 2.8, -100, true)).toBe(1);
    expect(turned(F_NUMBERS, 2.8, 100, false)).toBe(32);
  });

  test("a step goes to the next third, also from between", () => {
    expect(stepped(F_NUMBERS, 2.8, 1)).toBe(3.2);
    expect(stepped(F_NUMBERS, 2.8, 3)).toBe(4);
    expect(stepped(F_NUMBERS, 1.78, -1)).toBe(1.6);
    expect(stepped(F_NUMBERS, 1.7, 1)).toBe(1.8);
    expect(stepped(F_NUMBERS, 1, -1)).toBe(1);
  });

  test.each([0.95, 1.7, 12.5, 64])("f/%d has a place of its own", (value) => {
    expect(valueAt(F_NUMBERS, positionOf(F_NUMBERS, value))).toBeCloseTo(value, 9);
  });
});

test("bokeh levels are third stops, and have room for none at all", () => {
  const { engraved } = SCALES.bokehLevel;
  engraved.forEach((value, index) => {
    expect(Math.abs(value / 2 ** (index / 3) - 1)).toBeLessThan(0.05);
  });
  for (const { place } of engravedMarks(SCALES.bokehLevel, 0)) expect(place).toBeGreaterThan(0);
  expect(turned(engraved, 0, 3, true)).toBe(1);
  expect(stepped(engraved, 0, 1)).toBe(1);
});

test("focal lengths go to the next customary one", () => {
  expect(stepped(FOCAL_LENGTHS_MM, 50, 1)).toBe(60);
  expect(stepped(FOCAL_LENGTHS_MM, 55, -1)).toBe(50);
});

describe.each(CAMERAS)("the distance ring of $focalLengthMm mm", (camera) => {
  test("has a few distances, that do not touch each other", () => {
    for (const focus of [0.5, 1, 3.3, 12, 400, Infinity]) {
      const marks = distanceMarks(camera, focus, hyperfocalDistance(camera));
      const places = marks.filter(({ isSpecial }) => !isSpecial).map(({ place }) => place);
      const visible = places.filter((place) => Math.abs(place) < 190).sort((a, b) => a - b);
      expect(visible.length).toBeGreaterThan(0);
      visible.slice(1).forEach((place, index) => {
        expect(place - visible[index]).toBeGreaterThanOrEqual(34);
      });
    }
  });

  test("the limits of what is sharp are at the f-number of the scale beside it", () => {
    const focus = 2;
    const marks = distanceMarks(camera, focus, hyperfocalDistance(camera));
    const { near, far } = depthOfField(camera, focus);
    const perPx = (1 / near - 1 / focus) / (camera.fNumber * DOF_PX);
    for (const { place, label, isSpecial } of marks) {
      if (isSpecial || label === "∞") continue;
      // A distance between the limits is within the brackets, and no other.
      const metres = Number(label);
      expect(Math.abs(place) < camera.fNumber * DOF_PX).toBe(near < metres && metres < far);
      expect(place).toBeCloseTo((1 / focus - 1 / metres) / perPx, 6);
    }
  });

  test("H is at the hyperfocal distance: with it at the mark, ∞ is at the limit", () => {
    const hyperfocal = hyperfocalDistance(camera);
    const marks = distanceMarks(camera, hyperfocal, hyperfocal);
    expect(marks.find(({ isSpecial }) => isSpecial)?.place).toBeCloseTo(0, 6);
    expect(marks.find(({ label }) => label === "∞")?.place).toBeCloseTo(camera.fNumber * DOF_PX, 6);
  });

  test("focused for infinity, nothing beyond is blurred, and hardly more than needed", () => {
    const focus = focusForInfinity(camera);
    expect(depthOfField(camera, focus).far).toBe(Infinity);
    expect(focus / hyperfocalDistance(camera)).toBeLessThan(1.002);
  });

  test("turned to the right it focuses nearer, as far as the mark was", () => {
    const marks = distanceMarks(camera, 2, hyperfocalDistance(camera));
    const nearer = marks.find(({ place, isSpecial }) => place < -20 && !isSpecial);
    if (!nearer) throw new Error("No distance is nearer.");
    const reached = focusedBy(camera, 2, -nearer.place);
    expect(reached / Number(nearer.label)).toBeCloseTo(1, 3);
  });

  test("it ends at infinity and at twice the focal length", () => {
    expect(focusedBy(camera, 2, -1e6)).toBe(Infinity);
    expect(focusedBy(camera, 2, 1e6)).toBeCloseTo((2 * camera.focalLengthMm) / 1000, 3);
    expect(focusedBy(camera, Infinity, 10)).toBeLessThan(Infinity);
  });
});

test("distances in words", () => {
  expect([0.6772, 46.346, Infinity].map(distanceText)).toEqual(["0.677 m", "46.3 m", "∞"]);
});
