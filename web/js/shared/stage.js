// The part of a widget that shows a picture: a canvas as sharp as the screen, magnified and moved.

import { element } from "./elements.js";
import { WHOLE, constrained, panned, revealed, toPicture, toStage, zoomed } from "./view.js";

/** @typedef {import("./view.js").Point} Point */
/** @typedef {import("./view.js").Size} Size */

// Of canvas pixels per CSS px: the graph may be zoomed in.
const MAX_DENSITY = 2;

export class Stage {
  /**
   * @param {Record<string, string>} attributes Of the element: role, label and the like.
   * @param {(context: CanvasRenderingContext2D, stage: Stage) => void} paint Draws it all, in CSS
   *   px; called before the next frame after `repaint`.
   */
  constructor(attributes, paint) {
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.hint = element("div", { class: "hint" });
    this.element = element("div", { class: "stage", ...attributes }, this.canvas, this.hint);
    /** @type {Size} Of the picture, in its pixels. */
    this.pictureSize = { width: 3, height: 2 };
    this.view = WHOLE;
    this._paint = paint;
    this._frame = 0;
    this._observer = new ResizeObserver(() => {
      this.view = constrained(this.view, this.pictureSize, this.size);
      this.repaint();
    });
    this._observer.observe(this.element);
  }

  /** @returns {Size} In CSS px. */
  get size() {
    return { width: this.element.clientWidth || 1, height: this.element.clientHeight || 1 };
  }

  /**
   * Another picture; the view stays where it has the same shape.
   * @param {Size} size
   */
  resizePicture(size) {
    const shape = (/** @type {Size} */ { width, height }) => width / height;
    if (Math.abs(shape(size) / shape(this.pictureSize) - 1) > 0.01) this.view = WHOLE;
    this.pictureSize = { width: size.width, height: size.height };
    this.repaint();
  }

  /** @param {Point} point */
  toStage(point) {
    return toStage(point, this.view, this.pictureSize, this.size);
  }

  /** @param {Point} place */
  toPicture(place) {
    return toPicture(place, this.view, this.pictureSize, this.size);
  }

  /**
   * @param {number} factor
   * @param {Point} [around] A place of the stage; by default its middle.
   */
  zoom(factor, around) {
    const { width, height } = this.size;
    const anchor = around ?? { x: width / 2, y: height / 2 };
    this.view = zoomed(this.view, factor, anchor, this.pictureSize, this.size);
    this.repaint();
  }

  /** @param {Point} by */
  pan(by) {
    this.view = panned(this.view, by, this.pictureSize, this.size);
    this.repaint();
  }

  showWhole() {
    this.view = WHOLE;
    this.repaint();
  }

  /** @param {Point} point */
  reveal(point) {
    this.view = revealed(this.view, point, this.pictureSize, this.size);
    this.repaint();
  }

  repaint() {
    this._frame ||= requestAnimationFrame(() => {
      this._frame = 0;
      this._paintNow();
    });
  }

  dispose() {
    cancelAnimationFrame(this._frame);
    this._observer.disconnect();
  }

  _paintNow() {
    const { width, height } = this.size;
    const onScreen = this.element.getBoundingClientRect().width / this.element.offsetWidth || 1;
    const density = Math.min(MAX_DENSITY, devicePixelRatio * Math.max(1, onScreen));
    const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
    if (this.canvas.width !== columns) this.canvas.width = columns;
    if (this.canvas.height !== rows) this.canvas.height = rows;
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.setTransform(columns / width, 0, 0, rows / height, 0, 0);
    this._paint(context, this);
  }
}
