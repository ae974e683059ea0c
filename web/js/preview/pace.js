// How much is drawn in a frame: as much as the graphics card manages, measured while it draws.

import { CORE, samplesFor } from "./sampling.js";

/** @typedef {import("../shared/view.js").Size} Size */

const FRAME_MS = 24;
// Pixels times samples, at first.
const WORK = { hardware: 4e7, software: 2e6 };
const LEAST_WORK = 2e5;
const MOST_WORK = 4e9;
// One slow frame may be another program's.
const MOST_CHANGE = 2;
const CORE_SAMPLES = (2 * CORE + 1) ** 2;
const SCALES = [1, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125];

export class Pace {
  /** @param {boolean} isSoftware Whether there is no graphics card. */
  constructor(isSoftware) {
    /** Pixels times samples that fit into a frame. */
    this.work = isSoftware ? WORK.software : WORK.hardware;
  }

  /**
   * A frame has been drawn.
   * @param {number} work Pixels times samples.
   * @param {number} ms
   */
  measured(work, ms) {
    // The screen's own pace, not the card's: it could have done more.
    const couldDoMore = ms < FRAME_MS;
    const fits = (work * FRAME_MS) / Math.max(ms, 1);
    if (couldDoMore && fits < this.work) return;
    const most = this.work * MOST_CHANGE;
    const least = this.work / MOST_CHANGE;
    const next = Math.min(Math.max(fits, least), most);
    this.work = Math.min(Math.max(next, LEAST_WORK), MOST_WORK);
  }

  /**
   * The largest scale at which a whole picture fits into a frame.
   * @param {Size} full
   * @param {number} radius px, the largest of a picture of full size
   * @returns {number}
   */
  scaleFor(full, radius) {
    const fits = (/** @type {number} */ scale) =>
      workOf(scaled(full, scale), radius * scale) <= this.work;
    return SCALES.find(fits) ?? SCALES[SCALES.length - 1];
  }

  /**
   * Samples that fit into a frame, of a picture that takes several.
   * @param {Size} size
   */
  samplesFor({ width, height }) {
    return Math.max(1, Math.floor(this.work / (width * height)));
  }
}

/**
 * What a finished picture takes.
 * @param {Size} size
 * @param {number} radius px, the largest
 */
export function workOf({ width, height }, radius) {
  return width * height * (CORE_SAMPLES + samplesFor(radius));
}

/**
 * @param {Size} size
 * @param {number} scale
 * @returns {Size}
 */
export function scaled({ width, height }, scale) {
  return {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
}
