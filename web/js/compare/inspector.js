// What is under the pointer, in words.

/** @typedef {import("../shared/view.js").Point} Point */

/**
 * Column and row of the pixel at a place of a map, null beside it.
 * @param {import("../shared/view.js").Size} size
 * @param {Point} point In fractions.
 * @returns {Point | null}
 */
export function pixelAt({ width, height }, { x, y }) {
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
  return { x: Math.floor(x * width), y: Math.floor(y * height) };
}

/**
 * The colour of a pixel, as "12 34 56".
 * @param {ImageData} image
 * @param {Point} point In fractions; within the picture.
 * @returns {string}
 */
export function colourText(image, point) {
  const pixel = pixelAt(image, point);
  if (!pixel) return "";
  const at = 4 * (pixel.y * image.width + pixel.x);
  return [...image.data.slice(at, at + 3)].join(" ");
}
