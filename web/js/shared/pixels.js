// Pictures from addresses, and their pixels.

/** @typedef {import("./view.js").Size} Size */

/**
 * @param {string} url
 * @returns {Promise<HTMLImageElement>}
 */
export async function loadPicture(url) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

/**
 * The bytes of a picture exactly as they are in its file, and what the server says about it.
 * @param {string} url
 * @returns {Promise<{ pixels: ImageData, headers: Headers } | null>} null: there is none.
 */
export async function loadBytes(url) {
  const response = await fetch(url);
  if (!response.ok || response.status === 204) return null;
  const bitmap = await createImageBitmap(await response.blob(), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  return { pixels: pixelsOf(bitmap, bitmap), headers: response.headers };
}

/**
 * The pixels of a picture, scaled to a size.
 * @param {CanvasImageSource} picture
 * @param {Size} size
 */
export function pixelsOf(picture, { width, height }) {
  const context = newContext({ width, height }, { willReadFrequently: true });
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/**
 * A picture of pixels, to be drawn.
 * @param {Uint8ClampedArray<ArrayBuffer>} rgba
 * @param {Size} size
 * @returns {HTMLCanvasElement}
 */
export function pictureOf(rgba, { width, height }) {
  const context = newContext({ width, height });
  context.putImageData(new ImageData(rgba, width, height), 0, 0);
  return context.canvas;
}

/**
 * @param {Size} size
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
function newContext(size, settings) {
  const context = Object.assign(document.createElement("canvas"), size).getContext("2d", settings);
  if (!context) throw new Error("This browser has no canvas.");
  return context;
}
