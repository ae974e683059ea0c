// The scales engraved on rings: f-numbers, focal lengths, bokeh levels and distances, and where on a
// ring each number stands. A place is in CSS px from the mark that a ring turns under.

import { hyperfocalDistance, sharpDisparityPerF } from "./depth_of_field.js";

/** @typedef {import("./depth_of_field.js").Camera} Camera */
/**
 * @typedef {object} Mark
 * @property {number} place
 * @property {string} [label] Without one, a short line only.
 * @property {boolean} [isSpecial]
 */
/**
 * @typedef {object} Scale
 * @property {readonly number[]} engraved Rising.
 * @property {number} stepPx From one to the next.
 * @property {number} labelled Every how many of them has its number, the others a line.
 */

// Third stops from f/1 as they are engraved.
export const F_NUMBERS = [
  1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3.2, 3.5, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9, 10, 11,
  13, 14, 16, 18, 20, 22, 25, 29, 32,
];
export const FOCAL_LENGTHS_MM = [
  2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 24, 28, 35, 40, 50, 60, 70, 85, 105, 135, 150, 180,
  200, 250, 300, 400, 500, 600, 800, 1000,
];
// In thirds of a stop too: a stop less light is half as much blur.
const BOKEH_LEVELS = [
  1, 1.3, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 125, 160,
  200, 250,
];
const THIRDS_PER_FULL_STOP = 3;
const THIRD_PX = 16;
/** @type {Readonly<Record<"fNumber" | "focalLengthMm" | "bokehLevel", Scale>>} */
export const SCALES = {
  fNumber: { engraved: F_NUMBERS, stepPx: THIRD_PX, labelled: THIRDS_PER_FULL_STOP },
  focalLengthMm: { engraved: FOCAL_LENGTHS_MM, stepPx: 34, labelled: 1 },
  bokehLevel: { engraved: BOKEH_LEVELS, stepPx: THIRD_PX, labelled: THIRDS_PER_FULL_STOP },
};
/** How far from the middle one f-number of the depth-of-field scale is. */
export const DOF_PX = 7.5;
export const DOF_F_NUMBERS = [4, 8, 11, 16, 22];
const VISIBLE_PX = 190;
const LABEL_PX = 34;
// Digits that distances may begin with, the coarsest first.
const DISTANCE_STEPS = [
  [1, 2, 5],
  [1, 1.5, 2, 3, 5, 7],
  range(1, 9.5, 0.5),
  range(1, 9.9, 0.1),
  range(1, 9.95, 0.05),
  range(1, 9.99, 0.01),
];
const AS_GOOD_AS_INFINITE_M = 1e5;
const [NEAREST_DECADE, FARTHEST_DECADE] = [-3, 4];
// How near a lens may focus, as a multiple of its focal length: there it shows things life-size.
const NEAREST_FOCUS = 2;

/**
 * Where a value is among the engraved ones: 2.5 is halfway between the third and the fourth.
 * @param {readonly number[]} engraved Rising.
 * @param {number} value Above zero; outside of what is engraved as the outermost step goes on.
 */
export function positionOf(engraved, value) {
  const above = engraved.findIndex((each) => each > value);
  const last = engraved.length - 1;
  const from = above < 0 ? last - 1 : Math.max(0, above - 1);
  const step = Math.log(engraved[from + 1] / engraved[from]);
  return from + Math.log(value / engraved[from]) / step;
}

/**
 * The inverse of `positionOf`.
 * @param {readonly number[]} engraved
 * @param {number} position
 */
export function valueAt(engraved, position) {
  const from = Math.min(Math.max(0, Math.floor(position)), engraved.length - 2);
  return engraved[from] * (engraved[from + 1] / engraved[from]) ** (position - from);
}

/**
 * The value after turning a ring.
 * @param {readonly number[]} engraved
 * @param {number} value Before.
 * @param {number} steps How far; one step goes to the next engraved value.
 * @param {boolean} snaps Whether only engraved values are to be had, else all between the ends.
 */
export function turned(engraved, value, steps, snaps) {
  const position = positionOf(engraved, value) + steps;
  const wanted = snaps ? Math.round(position) : position;
  const kept = Math.min(Math.max(0, wanted), engraved.length - 1);
  return Number(valueAt(engraved, kept).toFixed(2));
}

/**
 * The engraved value that keys reach from any value: the next one in a direction.
 * @param {readonly number[]} engraved
 * @param {number} value
 * @param {number} steps
 */
export function stepped(engraved, value, steps) {
  const position = positionOf(engraved, value);
  const nearest = Math.round(position);
  // From between two, one step goes to the next, not past it.
  const isBetween = Math.abs(position - nearest) > 0.02;
  const start = !isBetween ? nearest : steps > 0 ? Math.floor(position) : Math.ceil(position);
  return engraved[Math.min(Math.max(0, start + steps), engraved.length - 1)];
}

/**
 * How far a ring turns when it is dragged, in engraved values.
 * @param {Scale} scale
 * @param {number} px
 */
export function stepsOf({ stepPx }, px) {
  return -px / stepPx;
}

/**
 * @param {Scale} scale
 * @param {number} value
 * @returns {Mark[]}
 */
export function engravedMarks({ engraved, stepPx, labelled }, value) {
  // Zero would be infinitely far from all others.
  const middle = positionOf(engraved, Math.max(value, engraved[0] / 2));
  return engraved.map((each, index) => ({
    place: (index - middle) * stepPx,
    ...(index % labelled === 0 && { label: String(each) }),
  }));
}

/**
 * Disparity (1/m) per px of the distance ring. The ring turns as that of a real lens does, so that
 * the limits of the depth of field are at the f-number on a fixed scale, for every lens and distance.
 * @param {Omit<Camera, "fNumber">} camera
 * @param {number} focusDisparity
 */
function disparityPerPx(camera, focusDisparity) {
  return sharpDisparityPerF(camera, focusDisparity) / DOF_PX;
}

/**
 * The focus after turning the distance ring.
 * @param {Omit<Camera, "fNumber">} camera
 * @param {number} distanceM Before; may be infinity.
 * @param {number} px How far; to the right is nearer.
 * @returns {number} Metres.
 */
export function focusedBy(camera, distanceM, px) {
  const disparity = 1 / distanceM + px * disparityPerPx(camera, 1 / distanceM);
  const metres = 1 / Math.min(Math.max(0, disparity), nearestDisparity(camera));
  return Number.isFinite(metres) ? Number(metres.toPrecision(4)) : metres;
}

/**
 * Where to focus for all up to infinity to be sharp: the hyperfocal distance, rounded up, for just
 * below it infinity is not sharp.
 * @param {Camera} camera
 */
export function focusForInfinity(camera) {
  const metres = hyperfocalDistance(camera);
  const digit = 10 ** (Math.floor(Math.log10(metres)) - 3);
  return Number((Math.ceil(metres / digit) * digit).toPrecision(4));
}

/** @param {Pick<Camera, "focalLengthMm">} camera */
export function nearestDisparity({ focalLengthMm }) {
  return 1000 / (NEAREST_FOCUS * focalLengthMm);
}

/**
 * What stands on the distance ring, with the hyperfocal distance.
 * @param {Omit<Camera, "fNumber">} camera
 * @param {number} distanceM Of the focus; may be infinity.
 * @param {number} hyperfocalM
 * @returns {Mark[]}
 */
export function distanceMarks(camera, distanceM, hyperfocalM) {
  const focus = 1 / distanceM;
  const perPx = disparityPerPx(camera, focus);
  const placeOf = (/** @type {number} */ disparity) => (focus - disparity) / perPx;
  const hyperfocal = { place: placeOf(1 / hyperfocalM), label: "H", isSpecial: true };
  const infinity = { place: placeOf(0), label: "∞" };
  const nearest = nearestDisparity(camera);
  for (const digits of DISTANCE_STEPS) {
    const marks = distancesWith(digits)
      .filter((metres) => 1 / metres <= nearest)
      .map((metres) => ({ place: placeOf(1 / metres), label: lengthText(metres) }))
      .filter(({ place }) => Math.abs(place) < VISIBLE_PX);
    const shown = spaced([infinity, ...marks.reverse()]);
    const isEnough = shown.length >= 4 || digits === DISTANCE_STEPS.at(-1);
    if (isEnough) return [...shown, hyperfocal];
  }
  return [];
}

/**
 * A distance in words: 0.677 m, 46.3 m, ∞.
 * @param {number} metres
 */
export function distanceText(metres) {
  return metres < AS_GOOD_AS_INFINITE_M ? `${Number(metres.toPrecision(3))} m` : "∞";
}

/** @param {number} metres */
function lengthText(metres) {
  return String(Number(metres.toPrecision(4)));
}

/** @param {readonly number[]} digits */
function distancesWith(digits) {
  const distances = [];
  for (let decade = NEAREST_DECADE; decade <= FARTHEST_DECADE; decade++) {
    for (const digit of digits) distances.push(Number((digit * 10 ** decade).toPrecision(4)));
  }
  return distances;
}

/**
 * The marks whose labels do not touch those before them.
 * @param {Mark[]} marks
 */
function spaced(marks) {
  /** @type {Mark[]} */
  const kept = [];
  for (const mark of marks) {
    if (kept.every(({ place }) => Math.abs(place - mark.place) >= LABEL_PX)) kept.push(mark);
  }
  return kept;
}

/**
 * @param {number} first
 * @param {number} last
 * @param {number} step
 */
function range(first, last, step) {
  const count = Math.round((last - first) / step) + 1;
  return Array.from({ length: count }, (_, index) => first + index * step);
}
