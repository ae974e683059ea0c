// A picture through a lens that follows its settings: at once at the size that the graphics card
// manages in a frame, then finer, until it is finished.

import { LensPicture, Scene } from "./lens_picture.js";
import { largestRadius } from "./optics.js";
import { onCardChange, sharedCard } from "./shared_graphics.js";

/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {import("../shared/depth_map.js").DepthMap} DepthMap */
/**
 * @typedef {object} Wish What to show.
 * @property {CanvasImageSource} picture
 * @property {DepthMap} depth
 * @property {Size} size
 * @property {import("./optics.js").Blur} blur At this size.
 * @property {import("./aperture.js").Iris} iris
 */

// Before that share of its samples, a fine picture looks worse than the coarse one before it.
const WORTH_SHOWING = 0.5;

export class LivePicture {
  /**
   * @param {(isFinished: boolean) => void} changed There is another picture on `canvas`.
   * @param {(error: Error) => void} failed
   */
  constructor(changed, failed) {
    this.canvas = document.createElement("canvas");
    this._changed = changed;
    this._failed = failed;
    /** @type {Wish | null} */
    this._wish = null;
    /** @type {Scene | null} */
    this._scene = null;
    /** @type {LensPicture | null} The fine one. */
    this._fine = null;
    this._isNew = false;
    this._frame = 0;
    this._last = { time: 0, work: 0 };
    this._stop = onCardChange(() => this._startAgain());
  }

  /** @param {Wish | null} wish */
  show(wish) {
    this._wish = wish;
    this._isNew = true;
    this._dropFine();
    const isSame =
      wish && this._scene?.picture === wish.picture && this._scene.depth === wish.depth;
    if (!isSame) this._dropScene();
    if (wish) this._schedule();
  }

  dispose() {
    this._wish = null;
    cancelAnimationFrame(this._frame);
    this._dropScene();
    this._stop();
  }

  _startAgain() {
    // What was on a lost card need not be freed.
    this._scene = null;
    this._fine = null;
    this._isNew = true;
    this._schedule();
  }

  _schedule() {
    this._frame ||= requestAnimationFrame((time) => {
      this._frame = 0;
      try {
        this._drawFrame(time);
      } catch (error) {
        this._wish = null;
        this._failed(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /** @param {number} time */
  _drawFrame(time) {
    const card = sharedCard();
    const wish = this._wish;
    if (!card || !wish) return;
    const { pace } = card;
    if (this._last.work > 0) pace.measured(this._last.work, time - this._last.time);
    this._scene ??= new Scene(card.graphics, wish.picture, wish.depth);
    const work = this._isNew ? this._drawAtOnce(wish, this._scene, pace) : this._refine(wish, pace);
    this._isNew = false;
    this._last = { time, work };
    if (work > 0) this._schedule();
  }

  /**
   * @param {Wish} wish
   * @param {Scene} scene
   * @param {import("./pace.js").Pace} pace
   * @returns {number} Pixels times samples.
   */
  _drawAtOnce({ depth, size, blur, iris }, scene, pace) {
    const coarse = pace.sizeFor(size, largestRadius(depth, blur));
    const ratio = coarse.width / size.width;
    const smaller = { ...blur, level: blur.level * ratio, limit: blur.limit * ratio };
    const picture = new LensPicture(scene, coarse, smaller, iris);
    picture.refine(picture.wanted);
    this._take(picture, coarse.width === size.width);
    const { work } = picture;
    picture.dispose();
    return coarse.width === size.width ? 0 : work;
  }

  /**
   * @param {Wish} wish
   * @param {import("./pace.js").Pace} pace
   * @returns {number} Pixels times samples; 0 when it was finished before.
   */
  _refine({ size, blur, iris }, pace) {
    if (!this._scene) return 0;
    this._fine ??= new LensPicture(this._scene, size, blur, iris);
    const fine = this._fine;
    const before = fine.samples === 0 ? 0 : fine.work;
    fine.refine(pace.samplesFor(size));
    const work = fine.work - before;
    if (fine.samples >= WORTH_SHOWING * fine.wanted) this._take(fine, fine.isFinished);
    if (!fine.isFinished) return work;
    this._dropFine();
    return 0;
  }

  /**
   * Copy a picture from the card.
   * @param {LensPicture} picture
   * @param {boolean} isFinished
   */
  _take(picture, isFinished) {
    picture.show();
    const { width, height } = picture.size;
    Object.assign(this.canvas, { width, height });
    this.canvas.getContext("2d")?.drawImage(picture.graphics.canvas, 0, 0);
    this._changed(isFinished);
  }

  _dropFine() {
    this._fine?.dispose();
    this._fine = null;
  }

  _dropScene() {
    this._dropFine();
    this._scene?.dispose();
    this._scene = null;
  }
}
