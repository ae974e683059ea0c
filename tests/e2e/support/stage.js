// What is on a picture of ours on the canvas, and where. The test photo has 3:2.

/** @typedef {import("playwright-core").Locator} Locator */

/**
 * Where a place of the whole picture, in fractions, is on the screen.
 * @param {Locator} stage
 * @param {number} x
 * @param {number} y
 */
export async function onScreen(stage, x, y) {
  const box = await stage.boundingBox();
  if (!box) throw new Error("There is no picture to be seen.");
  const width = Math.min(box.width, 1.5 * box.height);
  const height = width / 1.5;
  return {
    x: box.x + box.width / 2 + (x - 0.5) * width,
    y: box.y + box.height / 2 + (y - 0.5) * height,
  };
}

/**
 * Every 37th pixel of the canvas, [red, green, blue].
 * @param {Locator} stage
 * @returns {Promise<number[][]>}
 */
export function pixelsOn(stage) {
  return stage.locator("canvas").evaluate((/** @type {HTMLCanvasElement} */ canvas) => {
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = [];
    for (let i = 0; i < data.length; i += 4 * 37) pixels.push([...data.slice(i, i + 3)]);
    return pixels;
  });
}

/**
 * How many different colours there are, coarsely.
 * @param {Locator} stage
 */
export async function coloursOn(stage) {
  const pixels = await pixelsOn(stage);
  return new Set(pixels.map((pixel) => pixel.map((value) => value >> 4).join())).size;
}
