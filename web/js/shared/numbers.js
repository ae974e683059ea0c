// Maps of numbers that nodes send as pictures: `numbers_for_browser` in nodes/previews.py.

/** @typedef {{ low: number, high: number }} Coding The numbers that 0 and 65535 stand for. */

/**
 * The numbers of a picture, row by row: red and green are the high and the low byte.
 * @param {ArrayLike<number>} rgba
 * @param {Coding} coding
 * @returns {Float32Array}
 */
export function numbersFromPixels(rgba, { low, high }) {
  const numbers = new Float32Array(rgba.length / 4);
  const step = (high - low) / 65535;
  for (let i = 0; i < numbers.length; i++) {
    numbers[i] = low + (256 * rgba[4 * i] + rgba[4 * i + 1]) * step;
  }
  return numbers;
}
