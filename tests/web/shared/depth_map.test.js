import { describe, expect, test } from "vitest";
import {
  depthFromPixels,
  depthText,
  disparityAt,
  disparityOf,
  sharpRange,
} from "../../../web/js/shared/depth_map.js";

/**
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => number} disparity
 */
function depthMap(width, height, disparity) {
  const values = Float32Array.from({ length: width * height }, (_, i) =>
    disparity(i % width, Math.floor(i / width)),
  );
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return { width, height, disparity: values, low, high, isMetric: true };
}

test("red is the high and green the low byte between the ends", () => {
  const data = new Uint8ClampedArray([0, 0, 0, 255, 255, 255, 0, 255, 128, 0, 9, 255]);
  const pixels = /** @type {ImageData} */ ({ data, width: 3, height: 1 });
  const coding = { low: 0.25, high: 4.25, is_metric: true };
  const depth = depthFromPixels(pixels, coding);
  expect(depth.disparity[0]).toBe(0.25);
  expect(depth.disparity[1]).toBe(4.25);
  expect(depth.disparity[2]).toBeCloseTo(0.25 + (4 * 32768) / 65535, 6);
  expect(depth.isMetric).toBe(true);
});

describe("the depth at a point", () => {
  test("is that of the pixel below it", () => {
    const depth = depthMap(4, 2, (x, y) => x + 10 * y);
    expect(disparityAt(depth, { x: 0, y: 0 })).toBe(0);
    expect(disparityAt(depth, { x: 0.5, y: 0.5 })).toBe(12);
    expect(disparityAt(depth, { x: 1, y: 1 })).toBe(13);
  });

  test("does not mind one wrong pixel of a large map", () => {
    const depth = depthMap(300, 200, (x, y) => (x === 150 && y === 100 ? 30 : 0.5));
    expect(disparityAt(depth, { x: 0.5, y: 0.5 })).toBe(0.5);
  });

  test("is the median of a window of 1 % of the longest edge", () => {
    const depth = depthMap(1000, 20, (x) => x / 1000);
    expect(disparityAt(depth, { x: 0.5, y: 0.5 })).toBeCloseTo(0.5, 6); // of 495..505
    expect(disparityAt(depth, { x: 0, y: 0.5 })).toBeCloseTo(0.002, 6); // of 0..5, the lower middle
  });
});

describe("the depth of a region", () => {
  test("is the median of the pixels whose middle is in it", () => {
    const depth = depthMap(10, 10, (x, y) => x + 10 * y);
    const whole = { left: 0, top: 0, right: 1, bottom: 1 };
    expect(disparityOf(depth, whole)).toBe(49);
    const part = { left: 0.24, top: 0.5, right: 0.56, bottom: 0.6 }; // columns 2 to 5 of row 5
    expect(disparityOf(depth, part)).toBe(53);
  });

  test("is that of one pixel where it has no middle of any", () => {
    const depth = depthMap(4, 4, (x, y) => x + 10 * y);
    expect(disparityOf(depth, { left: 0.76, top: 0.01, right: 0.8, bottom: 0.05 })).toBe(3);
  });

  test("is that of a point for a point", () => {
    const depth = depthMap(4, 2, (x, y) => x + 10 * y);
    expect(disparityOf(depth, { x: 0.5, y: 0.5 })).toBe(12);
  });
});

test("the first point is the plane, the range reaches from the farthest to the nearest", () => {
  const depth = depthMap(4, 1, (x) => [1, 0.5, 0.25, 0.1][x]);
  const points = [0.3, 0.9, 0].map((x) => ({ x, y: 0 }));
  expect(sharpRange(depth, points.slice(0, 1), 0)).toEqual({ plane: 0.5, near: 0.5, far: 0.5 });
  const range = sharpRange(depth, points, 0.4);
  expect(range.plane).toBe(0.5);
  expect(range.near).toBeCloseTo(1.2, 6);
  expect(range.far).toBe(0); // not beyond infinity
});

test.each([
  [0.5, true, "2 m"],
  [1 / 0.6771, true, "0.677 m"],
  [1 / 1234, true, "1230 m"],
  [0, true, "infinity"],
  [0.25, false, "disparity 0.250"],
])("%f is said as %s", (disparity, isMetric, text) => {
  expect(depthText(disparity, isMetric)).toBe(text);
});
