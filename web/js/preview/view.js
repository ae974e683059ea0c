// The picture through the lens, with what it shows in words. Knows no ComfyUI; see
// ../lens_preview.js.

import { EngravedRing } from "../camera/engraved_ring.js";
import { SCALES } from "../camera/scales.js";
import { button, element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { isShortcut, viewActionOf } from "../shared/keys.js";
import { Stage } from "../shared/stage.js";
import { shownSize } from "../shared/view.js";
import { LivePicture } from "./live.js";

/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {import("./live.js").Wish} Wish */
/** @typedef {"fNumber" | "bokehLevel"} StrengthKind */
/**
 * @typedef {object} Strength How strong the blur is.
 * @property {StrengthKind} kind
 * @property {number} value
 * @property {boolean} isEnabled Whether it can be set here.
 */

const LABEL =
  "Live preview of the picture through the lens. Plus and minus zoom, 0 shows the whole picture.";

export class LensView {
  /**
   * @param {(isShown: boolean) => void} toggled The user has shown or hidden the picture.
   * @param {(value: number, isDone: boolean) => void} turned The user turns the ring that is shown;
   *   `isDone` when it rests.
   */
  constructor(toggled, turned) {
    this.stage = new Stage(
      { role: "img", tabindex: "0", "aria-label": LABEL, "data-capture-wheel": "true" },
      (context, stage) => this._draw(context, stage),
    );
    this._isShown = true;
    this._hasPicture = false;
    this._live = new LivePicture(
      (isFinished) => this._arrived(isFinished),
      (error) => this.say(error.message),
    );
    this._rings = {
      fNumber: new EngravedRing("f-number", SCALES.fNumber, (value) => `f/${value}`, turned),
      bokehLevel: new EngravedRing("Bokeh level", SCALES.bokehLevel, String, turned),
    };
    /** @type {Strength | null} */
    this._strength = null;
    this._readout = element("output", { class: "readout" });
    const title = "Show the picture through the lens while its settings change";
    this._toggle = button("Live", title, () => {
      this.setShown(!this._isShown);
      toggled(this._isShown);
    });
    this._whole = button("Fit", "Show the whole picture (0)", () => this.stage.showWhole());
    const bar = element("div", { class: "bar" }, this._readout, this._toggle, this._whole);
    const rings = Object.values(this._rings).map((ring) => ring.element);
    this.element = element(
      "div",
      { class: "focus-puller preview" },
      ...[this.stage.element, ...rings, bar],
    );
    this._listen();
    this.setShown(true);
  }

  get isShown() {
    return this._isShown;
  }

  /** @param {boolean} isShown */
  setShown(isShown) {
    this._isShown = isShown;
    this._toggle.setAttribute("aria-pressed", String(isShown));
    this.stage.element.hidden = !isShown;
    this._whole.hidden = !isShown;
    this._readout.hidden = !isShown;
    this._showRings();
    if (!isShown) this._live.show(null);
  }

  /**
   * Show a picture through a lens.
   * @param {Wish} wish
   * @param {string} words About it.
   * @param {Strength} strength
   */
  show(wish, words, strength) {
    this._readout.textContent = words;
    this._strength = strength;
    this._showRings();
    this.stage.resizePicture(wish.size);
    this.stage.element.setAttribute("aria-busy", "true");
    if (!this._hasPicture) this.stage.hint.textContent = "";
    this._live.show(wish);
  }

  /**
   * Say why there is no picture.
   * @param {string} words
   */
  say(words) {
    this._hasPicture = false;
    this._strength = null;
    this._showRings();
    this._live.show(null);
    this._readout.textContent = "";
    this.stage.hint.textContent = words;
    this.stage.element.setAttribute("aria-busy", "false");
    this.stage.repaint();
  }

  dispose() {
    this._live.dispose();
    this.stage.dispose();
  }

  _showRings() {
    const strength = this._isShown ? this._strength : null;
    for (const kind of /** @type {const} */ (["fNumber", "bokehLevel"])) {
      this._rings[kind].element.hidden = strength?.kind !== kind;
    }
    if (strength) this._rings[strength.kind].show(strength.value, strength.isEnabled);
  }

  /** @param {boolean} isFinished */
  _arrived(isFinished) {
    this._hasPicture = true;
    if (isFinished) this.stage.element.setAttribute("aria-busy", "false");
    this.stage.repaint();
  }

  _listen() {
    listenToGestures(this.stage.element, {
      press: () => {},
      drag: () => {},
      release: () => {},
      cancel: () => {},
      pan: (by) => this.stage.pan(by),
      zoom: (factor, around) => this.stage.zoom(factor, around),
      hover: () => {},
    });
    this.stage.element.addEventListener("keydown", (event) => {
      const action = isShortcut(event) ? null : viewActionOf(event);
      if (!action) return;
      event.preventDefault();
      event.stopPropagation();
      if (action.kind === "zoom") this.stage.zoom(action.factor);
      else this.stage.showWhole();
    });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Stage} stage
   */
  _draw(context, stage) {
    context.clearRect(0, 0, stage.size.width, stage.size.height);
    if (!this._hasPicture) return;
    const corner = stage.toStage({ x: 0, y: 0 });
    const { width, height } = shownSize(stage.view, stage.pictureSize, stage.size);
    context.imageSmoothingQuality = "high";
    context.drawImage(this._live.canvas, corner.x, corner.y, width, height);
  }
}
