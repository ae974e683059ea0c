import { expect, test } from "vitest";
import {
  nearestWithin,
  pointsFromText,
  stored,
  textOfPoints,
} from "../../../web/js/shared/points.js";

test("points are kept within the picture with four decimals", () => {
  expect(stored({ x: 0.123456, y: 0.5 })).toEqual({ x: 0.1235, y: 0.5 });
  expect(stored({ x: -0.2, y: 1.7 })).toEqual({ x: 0, y: 1 });
});

test("points survive being written and read", () => {
  const points = [
    { x: 0.2, y: 0.4 },
    { x: 1, y: 0 },
  ];
  expect(textOfPoints(points)).toBe("0.2,0.4; 1,0");
  expect(pointsFromText(textOfPoints(points))).toEqual(points);
});

test.each([
  ["", 0],
  ["0.2,0.4;", 1],
  [" 0.2 , 0.4 ;0.7,.5", 2],
  ["0.2,0.4; left", 1],
  ["0.2,0.4; 0.2,", 1],
  ["0.2,0.4; 0.2,1.4", 1],
  ["0.2,0.4,0.6", 0],
])("of %o as many points are shown as can be: %i", (text, count) => {
  expect(pointsFromText(text)).toHaveLength(count);
});

test("what is no text holds no points", () => {
  expect(pointsFromText(undefined)).toEqual([]);
});

test("the nearest place within reach is taken", () => {
  const places = [
    { x: 0, y: 0 },
    { x: 10, y: 0 },
  ];
  expect(nearestWithin(places, { x: 7, y: 0 }, 8)).toBe(1);
  expect(nearestWithin(places, { x: 3, y: 0 }, 8)).toBe(0);
  expect(nearestWithin(places, { x: 30, y: 0 }, 8)).toBe(-1);
});
