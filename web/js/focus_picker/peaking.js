// Focus peaking: what is in focus is tinted, and its outlines are drawn bright.

/** @typedef {import("../shared/depth_map.js").DepthMap} DepthMap */
/** @typedef {import("../shared/depth_map.js").SharpRange} SharpRange */

// What lies this far outside the sharp range still counts as in focus, as a share of all disparity
// there is in the picture: a plane without thickness would show nothing.
export const TOLERANCE = 0.02;
const COLOUR = [64, 255, 150];
const TINT = 60;
const OUTLINE = 230;
// Change of luminance (0..255) to the next pixels from which on a line is an outline.
const CONTRAST = 28;

/**
 * The overlay, as large as the depth.
 * @param {DepthMap} depth
 * @param {SharpRange} range
 * @param {Uint8Array} contrast As `contrastOf`, of a picture as large as the depth.
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA
 */
export function peakingPixels(depth, range, contrast) {
  const slack = TOLERANCE * (depth.high - depth.low);
  const near = range.near + slack;
  const far = range.far - slack;
  const rgba = new Uint8ClampedArray(4 * depth.disparity.length);
  for (let i = 0; i < depth.disparity.length; i++) {
    const disparity = depth.disparity[i];
    if (disparity < far || disparity > near) continue;
    rgba[4 * i] = COLOUR[0];
    rgba[4 * i + 1] = COLOUR[1];
    rgba[4 * i + 2] = COLOUR[2];
    rgba[4 * i + 3] = contrast[i] >= CONTRAST ? OUTLINE : TINT;
  }
  return rgba;
}

/**
 * How much luminance changes around each pixel, 0..255.
 * @param {Uint8ClampedArray} rgba
 * @param {import("../shared/view.js").Size} size
 * @returns {Uint8Array}
 */
export function contrastOf(rgba, { width, height }) {
  const luminance = new Float32Array(width * height);
  for (let i = 0; i < luminance.length; i++) {
    luminance[i] = 0.2126 * rgba[4 * i] + 0.7152 * rgba[4 * i + 1] + 0.0722 * rgba[4 * i + 2];
  }
  const contrast = new Uint8Array(luminance.length);
  for (let y = 0; y < height; y++) {
    const above = Math.max(y - 1, 0) * width;
    const below = Math.min(y + 1, height - 1) * width;
    for (let x = 0; x < width; x++) {
      const left = Math.max(x - 1, 0);
      const right = Math.min(x + 1, width - 1);
      const across = luminance[y * width + right] - luminance[y * width + left];
      const down = luminance[below + x] - luminance[above + x];
      contrast[y * width + x] = Math.min(255, Math.hypot(across, down));
    }
  }
  return contrast;
}
