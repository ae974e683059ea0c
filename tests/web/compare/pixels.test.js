import { describe, expect, test } from "vitest";
import { blurText, defocusPixels } from "../../../web/js/compare/defocus.js";
import { colourText, pixelAt } from "../../../web/js/compare/inspector.js";

describe("the defocus map", () => {
  const rgba = defocusPixels(new Float32Array([-16, 0, 4, 16]));
  const pixels = [0, 1, 2, 3].map((i) => [...rgba.slice(4 * i, 4 * i + 4)]);

  test("is orange in front and blue behind", () => {
    const [behind, , , inFront] = pixels;
    expect(behind[2]).toBeGreaterThan(behind[0] + 100);
    expect(inFront[0]).toBeGreaterThan(inFront[2] + 100);
  });

  test("leaves what is sharp as it is, and covers more with the root of the blur", () => {
    const alphas = pixels.map(([, , , alpha]) => alpha);
    expect(alphas[1]).toBe(0);
    expect(alphas[0]).toBe(alphas[3]);
    expect(alphas[2]).toBeCloseTo(alphas[3] / 2, -1);
  });

  test.each([
    [0.04, "sharp"],
    [3.25, "blur 3.3 px in front"],
    [-12, "blur 12.0 px behind"],
  ])("says a radius of %f px as %s", (radius, text) => {
    expect(blurText(radius)).toBe(text);
  });
});

describe("the inspector", () => {
  const data = new Uint8ClampedArray([1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 255]);
  const image = /** @type {ImageData} */ ({ width: 2, height: 2, data });

  test("finds the pixel at a place", () => {
    expect(pixelAt(image, { x: 0.6, y: 0.1 })).toEqual({ x: 1, y: 0 });
    expect(colourText(image, { x: 0.6, y: 0.1 })).toBe("4 5 6");
    expect(colourText(image, { x: 0.1, y: 0.99 })).toBe("7 8 9");
  });

  test.each([
    [-0.01, 0.5],
    [0.5, 1],
  ])("finds nothing beside the picture, at %f, %f", (x, y) => {
    expect(pixelAt(image, { x, y })).toBeNull();
    expect(colourText(image, { x, y })).toBe("");
  });
});
