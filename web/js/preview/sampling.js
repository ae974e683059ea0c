// Which pixels around a pixel are looked at: those close to it all, those farther away by a sequence
// that fills the disc ever more densely.

/** @typedef {{ dx: number, dy: number, weight: number }} Sample How many pixels it stands for. */

// Within this many px to each side, every pixel is looked at.
export const CORE = 3;
// Of a sequence in two dimensions that fills evenly: powers of the inverse plastic number.
const ACROSS = 0.7548776662466927;
const AROUND = 0.5698402909980532;
const FEWEST = 32;
const MOST = 4096;
// Of all pixels of the largest disc, how many make the picture look finished.
const DENSITY = 0.5;

/** The pixels close by. @returns {Sample[]} */
export function coreSamples() {
  const samples = [];
  for (let dy = -CORE; dy <= CORE; dy++) {
    for (let dx = -CORE; dx <= CORE; dx++) samples.push({ dx, dy, weight: 1 });
  }
  return samples;
}

/**
 * Pixels farther away, within a radius: as many near as far, so that small discs get theirs. The sum
 * over the first `n`, divided by `n`, comes the closer to the sum over all pixels the larger `n`.
 * @param {number} start Of the sequence.
 * @param {number} count
 * @param {number} radius px
 * @returns {Sample[]} Those that fall among the pixels close by have no weight.
 */
export function outerSamples(start, count, radius) {
  const samples = [];
  const span = radius + 1 - CORE;
  for (let i = start; i < start + count; i++) {
    const distance = CORE + span * ((0.5 + i * ACROSS) % 1);
    const angle = 2 * Math.PI * ((0.5 + i * AROUND) % 1);
    const dx = Math.round(distance * Math.cos(angle));
    const dy = Math.round(distance * Math.sin(angle));
    const isClose = Math.max(Math.abs(dx), Math.abs(dy)) <= CORE;
    samples.push({ dx, dy, weight: isClose ? 0 : 2 * Math.PI * span * Math.hypot(dx, dy) });
  }
  return samples;
}

/**
 * How many samples of `outerSamples` make a finished picture.
 * @param {number} radius px, the largest
 */
export function samplesFor(radius) {
  if (radius + 1 <= CORE) return 0;
  return Math.round(Math.min(Math.max(DENSITY * Math.PI * radius ** 2, FEWEST), MOST));
}
