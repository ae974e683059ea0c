// A picture through a lens that follows its settings: at once at the size that the graphics card
// manages in a frame, then finer, until it is finished.

import { LensPicture, Scene } from "./lens_picture.js";
import { largestRadius } from "./optics.js";
import { scaled } from "./pace.js";
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
// From one scale to the next.
const GROWTH = 2;

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
    /** @type {LensPicture | null} What is being drawn. */
    this._picture = null;
    /** Its size, of the size that is wanted. */
    this._scale = 1;
    this._isNew = false;
    this._frame = 0;
    this._last = { time: 0, work: 0 };
    this._stop = onCardChange(() => this._startAgain());
  }

  /** @param {Wish | null} wish */
  show(wish) {
    this._wish = wish;
    this._isNew = true;
    if (!this._frame) this._last = { time: 0, work: 0 }; // it has rested
    this._dropPicture();
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
    this._picture = null;
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
    if (this._isNew) {
      this._isNew = false;
      this._scale = pace.scaleFor(wish.size, largestRadius(wish.depth, wish.blur));
      // All of it, in this frame.
      this._last = { time, work: this._draw(wish, this._scene, Infinity) };
    } else {
      const samples = pace.samplesFor(scaled(wish.size, this._scale));
      this._last = { time, work: this._draw(wish, this._scene, samples) };
    }
    if (this._last.work > 0) this._schedule();
  }

  /**
   * Draw more of the picture at the present scale; when it is finished, begin the next larger one.
   * @param {Wish} wish
   * @param {Scene} scene
   * @param {number} samples At most.
   * @returns {number} Pixels times samples; 0 when there is nothing left to do.
   */
  _draw({ size, blur, iris }, scene, samples) {
    const scale = this._scale;
    const smaller = { ...blur, level: blur.level * scale, limit: blur.limit * scale };
    const before = this._picture?.work ?? 0;
    const picture = (this._picture ??= new LensPicture(scene, scaled(size, scale), smaller, iris));
    picture.refine(samples);
    const work = picture.work - before;
    if (picture.samples >= WORTH_SHOWING * picture.wanted) {
      this._take(picture, picture.isFinished && scale === 1);
    }
    if (!picture.isFinished) return work;
    this._dropPicture();
    this._scale = Math.min(1, GROWTH * scale);
    return scale === 1 ? 0 : work;
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

  _dropPicture() {
    this._picture?.dispose();
    this._picture = null;
  }

  _dropScene() {
    this._dropPicture();
    this._scene?.dispose();
    this._scene = null;
  }
}
