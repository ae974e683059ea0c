// Depth of field and the hyperfocal distance: the same formulas as in lens/optics.py, in disparity.
// A test compares their numbers.

/**
 * @typedef {object} Camera
 * @property {number} focalLengthMm
 * @property {number} fNumber
 * @property {number} sensorWidthMm
 */

const FULL_FRAME_WIDTH_MM = 36;
const FULL_FRAME_ACCEPTABLE_COC_MM = 0.03;

/**
 * The largest blur on the sensor that still counts as sharp, in mm.
 * @param {Pick<Camera, "sensorWidthMm">} camera
 */
export function acceptableCocMm({ sensorWidthMm }) {
  return (FULL_FRAME_ACCEPTABLE_COC_MM * sensorWidthMm) / FULL_FRAME_WIDTH_MM;
}

/**
 * Focus distance in metres from which infinity is just sharp.
 * @param {Camera} camera
 */
export function hyperfocalDistance(camera) {
  const { focalLengthMm: f, fNumber } = camera;
  return (f ** 2 / (fNumber * acceptableCocMm(camera)) + f) / 1000;
}

/**
 * How much disparity (1/m) on either side of the focus plane is sharp at f/1; at f/N, N times
 * as much.
 * @param {Omit<Camera, "fNumber">} camera
 * @param {number} focusDisparity In 1/m; 0 is infinity.
 */
export function sharpDisparityPerF(camera, focusDisparity) {
  const focalLengthM = camera.focalLengthMm / 1000;
  const cocM = acceptableCocMm(camera) / 1000;
  return (cocM * (1 - focalLengthM * focusDisparity)) / focalLengthM ** 2;
}

/**
 * What is sharp, in metres.
 * @param {Camera} camera
 * @param {number} focusDistanceM May be infinity.
 * @returns {{ near: number, far: number }}
 */
export function depthOfField(camera, focusDistanceM) {
  const plane = 1 / focusDistanceM;
  const reach = camera.fNumber * sharpDisparityPerF(camera, plane);
  // At the hyperfocal distance itself, rounding leaves a trace on either side of zero.
  const reachesInfinity = plane - reach <= 1e-12 * plane;
  return { near: 1 / (plane + reach), far: reachesInfinity ? Infinity : 1 / (plane - reach) };
}
