// The defocus map over the picture, coloured as the node Defocus Map colours it (lens/defocus.py).

const IN_FRONT = [255, 115, 26];
const BEHIND = [38, 128, 255];
// How much of the colour lies over the picture at the largest radius.
const STRONGEST = 200;

/**
 * Orange in front of the focus, blue behind it; the sharper, the more transparent.
 * @param {Float32Array} radius Signed, in front of the focus above zero.
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA
 */
export function defocusPixels(radius) {
  const rgba = new Uint8ClampedArray(4 * radius.length);
  const largest = radius.reduce((most, each) => Math.max(most, Math.abs(each)), 1);
  for (let i = 0; i < radius.length; i++) {
    rgba.set(radius[i] > 0 ? IN_FRONT : BEHIND, 4 * i);
    rgba[4 * i + 3] = STRONGEST * Math.sqrt(Math.abs(radius[i]) / largest);
  }
  return rgba;
}

/**
 * @param {number} radius px
 * @returns {string}
 */
export function blurText(radius) {
  const size = Math.abs(radius).toFixed(1);
  if (size === "0.0") return "sharp";
  return `blur ${size} px ${radius > 0 ? "in front" : "behind"}`;
}
