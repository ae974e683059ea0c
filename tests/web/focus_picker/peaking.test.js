import { describe, expect, test } from "vitest";
import { TOLERANCE, contrastOf, peakingPixels } from "../../../web/js/focus_picker/peaking.js";

const depth = {
  width: 4,
  height: 1,
  disparity: new Float32Array([0, 0.49, 0.5, 1]),
  low: 0,
  high: 1,
  isMetric: false,
};
const FLAT = new Uint8Array(4);

/** @param {Uint8ClampedArray} rgba */
const alphas = (rgba) => [...rgba].filter((_, index) => index % 4 === 3);

describe("peaking", () => {
  test("tints what is within a tolerance of the plane, and nothing else", () => {
    const plane = { plane: 0.5, near: 0.5, far: 0.5 };
    expect(TOLERANCE).toBeGreaterThan(0.01);
    const [before, near, at, behind] = alphas(peakingPixels(depth, plane, FLAT));
    expect([before, behind]).toEqual([0, 0]);
    expect(near).toBe(at);
    expect(at).toBeGreaterThan(0);
  });

  test("tints all of a range", () => {
    const all = { plane: 0.5, near: 1, far: 0 };
    expect(Math.min(...alphas(peakingPixels(depth, all, FLAT)))).toBeGreaterThan(0);
  });

  test("draws outlines brighter than areas", () => {
    const all = { plane: 0.5, near: 1, far: 0 };
    const [area, , outline] = alphas(peakingPixels(depth, all, new Uint8Array([0, 0, 200, 0])));
    expect(outline).toBeGreaterThan(2 * area);
  });
});

test("contrast is found at edges only, in both directions", () => {
  const size = { width: 6, height: 6 };
  const rgba = new Uint8ClampedArray(4 * 36).fill(255);
  for (let y = 0; y < 3; y++) {
    for (let x = 0; x < 3; x++) rgba.set([0, 0, 0, 255], 4 * (6 * y + x));
  }
  const contrast = contrastOf(rgba, size);
  expect(contrast[6 * 1 + 1]).toBe(0);
  expect(contrast[6 * 5 + 5]).toBe(0);
  expect(contrast[6 * 1 + 2]).toBe(255);
  expect(contrast[6 * 3 + 0]).toBe(255);
});
