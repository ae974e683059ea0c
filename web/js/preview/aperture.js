// The blur disc: lens/aperture.py and lens/blur_disc.py, as far as they are the same all over the
// picture.

/**
 * @typedef {object} Iris
 * @property {number} blades 3 to 20; 0 is a circle.
 * @property {number} rotationDegrees Counter-clockwise, as seen behind the focus.
 * @property {number} roundness 0: straight blades, 1: a circle.
 * @property {number} squeeze Discs are 1/squeeze as wide as high.
 * @property {number} obstruction Diameter of the hole, as a part of the aperture's.
 */
/**
 * @typedef {object} Ray A place in a disc, as the disc is drawn behind the focus.
 * @property {number} distance From the middle, in px of the aperture, which squeeze makes wider.
 * @property {number} rim Where the rim is in this direction, in blur radii.
 * @property {number} steepness Px of the aperture per px of the picture.
 */

/** @type {Readonly<Iris>} */
export const CIRCLE = Object.freeze({
  blades: 0,
  rotationDegrees: 0,
  roundness: 0,
  squeeze: 1,
  obstruction: 0,
});

// Areas are tabulated up to this radius (px), in steps of 1 / AREA_STEPS; they are larger ones'.
export const AREA_REACH = 16;
export const AREA_STEPS = 8;

/**
 * @param {Iris} iris
 * @param {number} dx px from the disc's middle
 * @param {number} dy
 * @returns {Ray}
 */
export function rayAt(iris, dx, dy) {
  const x = iris.squeeze * dx;
  const distance = Math.hypot(x, dy);
  const steepness = distance > 0 ? Math.hypot((iris.squeeze * x) / distance, dy / distance) : 1;
  return { distance, rim: rimTowards(iris, x, dy), steepness };
}

/**
 * Distance from the middle to the rim for a blur radius of 1: a polygon whose corners lie on the
 * circle, blended towards it.
 * @param {Iris} iris
 * @param {number} x
 * @param {number} y
 */
function rimTowards({ blades, rotationDegrees, roundness }, x, y) {
  if (blades === 0 || roundness === 1) return 1;
  const sector = (2 * Math.PI) / blades;
  const angle = Math.atan2(-y, x) - (rotationDegrees * Math.PI) / 180 - Math.PI / 2;
  const fromMiddle = angle - sector * Math.floor(angle / sector) - sector / 2;
  const polygon = Math.cos(sector / 2) / Math.cos(fromMiddle);
  return polygon + (1 - polygon) * roundness;
}

/**
 * How much of a pixel a disc covers, 0 to 1. The shader computes the same.
 * @param {Iris} iris
 * @param {number} radius px
 * @param {Ray} ray
 */
export function coverage({ obstruction }, radius, { distance, rim, steepness }) {
  const open = softened((radius * rim - distance) / steepness);
  if (obstruction === 0) return open;
  const hole = obstruction * radius;
  const fade = Math.min(1, (2 * hole) ** 2);
  return Math.max(0, open - fade * softened((hole - distance) / steepness));
}

/** @param {number} inside px inside an edge */
function softened(inside) {
  return 0.5 + 0.5 * Math.tanh(4 * inside);
}

/**
 * What the pixels of a disc add up to, for radii of 0, 1 / AREA_STEPS, … AREA_REACH px.
 * @param {Iris} iris
 * @returns {Float32Array}
 */
export function discAreas(iris) {
  const areas = new Float32Array(AREA_REACH * AREA_STEPS + 1);
  const reach = AREA_REACH + 1;
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const ray = rayAt(iris, dx, dy);
      areas.forEach((_, i) => (areas[i] += coverage(iris, i / AREA_STEPS, ray)));
    }
  }
  return areas;
}
