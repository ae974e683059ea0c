import { describe, expect, test } from "vitest";
import {
  areasFromText,
  areasOfNode,
  centredAt,
  cornersOf,
  nearestWithin,
  regionAround,
  regionBetween,
  stored,
  textOfAreas,
  valuesOfAreas,
} from "../../../web/js/shared/areas.js";

const REGION = { left: 0.6, top: 0.3, right: 0.8, bottom: 0.5 };

test("points are kept within the picture with four decimals", () => {
  expect(stored({ x: 0.123456, y: 0.5 })).toEqual({ x: 0.1235, y: 0.5 });
  expect(stored({ x: -0.2, y: 1.7 })).toEqual({ x: 0, y: 1 });
});

test("points and regions survive being written and read", () => {
  const areas = [{ x: 0.2, y: 0.4 }, REGION, { x: 1, y: 0 }];
  expect(textOfAreas(areas)).toBe("0.2,0.4; 0.6,0.3,0.8,0.5; 1,0");
  expect(areasFromText(textOfAreas(areas))).toEqual(areas);
});

test.each([
  ["", 0],
  ["0.2,0.4;", 1],
  [" 0.2 , 0.4 ;0.7,.5", 2],
  ["0.2,0.4; left", 1],
  ["0.2,0.4; 0.2,", 1],
  ["0.2,0.4; 0.2,1.4", 1],
  ["0.2,0.4,0.6", 0],
  ["0.2,0.4,0.6,0.8", 1],
  ["0.6,0.4,0.2,0.8", 0],
  ["0.2,0.4,0.6,1.2; 0.2,0.4", 1],
])("of %o as many areas are shown as can be: %i", (text, count) => {
  expect(areasFromText(text)).toHaveLength(count);
});

test("what is no text holds no areas", () => {
  expect(areasFromText(undefined)).toEqual([]);
});

describe("the values of a node", () => {
  const values = { x: 0.2, y: 0.4, region: "", also_sharp: "0.1,0.1" };

  test("are a point and more", () => {
    expect(areasOfNode(values)).toEqual([
      { x: 0.2, y: 0.4 },
      { x: 0.1, y: 0.1 },
    ]);
  });

  test("are a region where there is one", () => {
    expect(areasOfNode({ ...values, region: "0.6,0.3,0.8,0.5" })[0]).toEqual(REGION);
    expect(areasOfNode({ ...values, region: "0.6,0.3" })[0]).toEqual({ x: 0.2, y: 0.4 });
  });

  test("come back, with the middle of a region for x and y", () => {
    const region = "0.6,0.3,0.8,0.5";
    const next = valuesOfAreas(areasOfNode({ ...values, region }));
    expect(next).toEqual({ x: 0.7, y: 0.4, region, also_sharp: "0.1,0.1" });
    expect(valuesOfAreas(areasOfNode(values))).toEqual(values);
  });
});

describe("a region", () => {
  test("keeps its size where it is moved, and stays in the picture", () => {
    expect(centredAt(REGION, { x: 0.5, y: 0.5 })).toEqual({
      ...{ left: 0.4, top: 0.4, right: 0.6, bottom: 0.6 },
    });
    expect(centredAt(REGION, { x: 2, y: -1 })).toEqual({
      ...{ left: 0.8, top: 0, right: 1, bottom: 0.2 },
    });
  });

  test("around a point is in the picture", () => {
    expect(regionAround({ x: 0.05, y: 0.5 })).toEqual({
      ...{ left: 0, top: 0.4, right: 0.2, bottom: 0.6 },
    });
  });

  test("may be drawn from any corner", () => {
    const [topLeft, topRight, bottomRight, bottomLeft] = cornersOf(REGION);
    expect(regionBetween(topLeft, bottomRight)).toEqual(REGION);
    expect(regionBetween(bottomRight, topLeft)).toEqual(REGION);
    expect(regionBetween(bottomLeft, topRight)).toEqual(REGION);
  });

  test.each([0, 0.004, 0.5, 0.996, 1])("at %f is never empty or outside", (place) => {
    const at = { x: place, y: place };
    for (const { left, top, right, bottom } of [
      regionBetween(at, at),
      regionBetween(at, { x: 2, y: 2 }),
      regionBetween(at, { x: -1, y: -1 }),
    ]) {
      expect(Math.min(right - left, bottom - top)).toBeGreaterThan(0.009);
      expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
      expect(Math.max(right, bottom)).toBeLessThanOrEqual(1);
    }
  });
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
