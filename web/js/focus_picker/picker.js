// The focus picker: a picture to point at. Knows no ComfyUI; see ../focus_picker.js.

import { depthText, disparityAt, sharpRange } from "../shared/depth_map.js";
import { button, element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { pictureOf, pixelsOf } from "../shared/pixels.js";
import { nearestWithin, stored } from "../shared/points.js";
import { Stage } from "../shared/stage.js";
import { draw } from "./drawing.js";
import { actionOf } from "./keys.js";
import { contrastOf, peakingPixels } from "./peaking.js";

/** @typedef {import("../shared/depth_map.js").DepthMap} DepthMap */
/** @typedef {import("../shared/view.js").Point} Point */

// As far from a point, in px, a press still takes hold of it.
const REACH = 16;
const DESCRIPTION =
  "Focus picker. Arrow keys move the focus point, with Shift in larger steps. A adds a point that " +
  "shall be sharp too, N goes to the next point, Delete removes it. Plus and minus zoom, 0 shows " +
  "the whole picture, P switches focus peaking.";

export class FocusPicker {
  /**
   * @param {(points: readonly Point[], isDone: boolean) => void} onChange Called while the user
   *   moves points; `isDone` when a move has ended.
   */
  constructor(onChange) {
    this._onChange = onChange;
    /** @type {Point[]} The first is in the focus plane, the others are sharp too. */
    this._points = [{ x: 0.5, y: 0.5 }];
    /** As they were before the drag. */
    this._pointsBefore = this._points;
    this._selected = 0;
    this._focusRange = 0;
    this._isEnabled = true;
    /** @type {HTMLImageElement | null} */
    this._picture = null;
    /** @type {DepthMap | null} */
    this._depth = null;
    /** @type {Uint8Array | null} */
    this._contrast = null;
    /** @type {HTMLCanvasElement | null} Painted when it is first shown. */
    this._peaking = null;
    this._showsPeaking = true;
    /** @type {Point | null} */
    this._hovered = null;
    this._addsNext = false;
    this._text = "";

    const labels = {
      role: "application",
      tabindex: "0",
      "aria-roledescription": "focus picker",
      "aria-label": DESCRIPTION,
      // Asks ComfyUI's new nodes to leave the wheel to us while we have the keyboard.
      "data-capture-wheel": "true",
    };
    this.stage = new Stage(labels, (context, stage) => this._draw(context, stage));
    this._readout = element("output", { class: "readout" });
    this._spoken = element("div", { class: "spoken", role: "status", "aria-live": "polite" });
    this._peakingButton = button("Peaking", "Focus peaking: tint what is in focus (P)", () =>
      this._act({ kind: "peaking" }),
    );
    this._addButton = button("+", "Add a point that shall be sharp too (A)", () => {
      this._addsNext = !this._addsNext;
      this._showState();
    });
    this._removeButton = button("−", "Remove the chosen point (Delete)", () =>
      this._act({ kind: "remove" }),
    );
    this._wholeButton = button("Fit", "Show the whole picture (0)", () =>
      this._act({ kind: "whole" }),
    );
    const buttons = [this._peakingButton, this._addButton, this._removeButton, this._wholeButton];
    const bar = element("div", { class: "bar" }, this._readout, ...buttons);
    this.element = element("div", { class: "focus-puller" }, this.stage.element, bar, this._spoken);
    this._listen();
    this._showState();
  }

  /** @param {HTMLImageElement | null} picture */
  setPicture(picture) {
    this._picture = picture;
    this._contrast = null;
    if (picture) {
      this.stage.resizePicture({ width: picture.naturalWidth, height: picture.naturalHeight });
    }
    this._refresh();
  }

  /** @param {DepthMap | null} depth */
  setDepth(depth) {
    this._depth = depth;
    this._contrast = null;
    this._refresh();
  }

  /**
   * @param {readonly Point[]} points
   * @param {number} focusRange
   */
  setFocus(points, focusRange) {
    this._points = [...points];
    this._focusRange = focusRange;
    this._selected = Math.min(this._selected, points.length - 1);
    this._refresh();
  }

  /**
   * Whether the user may move points.
   * @param {boolean} isEnabled
   */
  setEnabled(isEnabled) {
    this._isEnabled = isEnabled;
    this.stage.element.setAttribute("aria-disabled", String(!isEnabled));
    this._showState();
  }

  /**
   * What to say while nothing is pointed at and there is no depth.
   * @param {string} text
   */
  setText(text) {
    this._text = text;
    this._showReadout();
  }

  dispose() {
    this.stage.dispose();
  }

  _listen() {
    listenToGestures(this.stage.element, {
      press: (place, event) => this._press(place, event.altKey),
      drag: (place) => this._moveTo(this.stage.toPicture(place)),
      release: () => this._finish(),
      cancel: () => this._takeBack(),
      pan: (by) => this.stage.pan(by),
      zoom: (factor, around) => this.stage.zoom(factor, around),
      hover: (place) => this._hover(place),
    });
    this.stage.element.addEventListener("keydown", (event) => {
      const action = actionOf(event);
      if (!action) return;
      event.preventDefault();
      event.stopPropagation(); // Delete would remove the node
      this._act(action);
    });
  }

  /** @param {import("./keys.js").Action} action */
  _act(action) {
    const point = this._points[this._selected];
    switch (action.kind) {
      case "move":
        this._moveTo({ x: point.x + action.x, y: point.y + action.y });
        this.stage.reveal(this._points[this._selected]);
        return this._finish();
      case "zoom":
        return this.stage.zoom(action.factor, this.stage.toStage(point));
      case "whole":
        return this.stage.showWhole();
      case "peaking":
        this._showsPeaking = !this._showsPeaking;
        this._showState();
        return this.stage.repaint();
      case "add":
        return this._add({ x: point.x + 0.05, y: point.y });
      case "next":
        this._selected = (this._selected + 1) % this._points.length;
        this.stage.reveal(this._points[this._selected]);
        this._showState();
        return this._speak();
      case "remove":
        return this._remove();
    }
  }

  /**
   * @param {Point} place
   * @param {boolean} adds
   */
  _press(place, adds) {
    if (!this._isEnabled) return;
    this._pointsBefore = [...this._points];
    const point = this.stage.toPicture(place);
    if (adds || this._addsNext) return this._add(point);
    const places = this._points.map((each) => this.stage.toStage(each));
    const hit = nearestWithin(places, place, REACH);
    if (hit >= 0) this._selected = hit;
    this._moveTo(point);
  }

  /** A second finger has come: the first did not mean to point. */
  _takeBack() {
    this._points = this._pointsBefore;
    this._selected = Math.min(this._selected, this._points.length - 1);
    this._refresh();
    this._finish();
  }

  /** @param {Point} point */
  _moveTo(point) {
    if (!this._isEnabled) return;
    this._points[this._selected] = stored(point);
    this._refresh();
    this._onChange(this._points, false);
  }

  /** @param {Point} point */
  _add(point) {
    if (!this._isEnabled) return;
    this._addsNext = false;
    this._points.push(stored(point));
    this._selected = this._points.length - 1;
    this._refresh();
    this._finish();
  }

  _remove() {
    if (!this._isEnabled || this._points.length === 1) return;
    this._points.splice(this._selected, 1);
    this._selected = Math.max(0, this._selected - 1);
    this._refresh();
    this._finish();
  }

  _finish() {
    if (!this._isEnabled) return;
    this._onChange(this._points, true);
    this._speak();
  }

  /** @param {Point | null} place */
  _hover(place) {
    this._hovered = place && this.stage.toPicture(place);
    this._showReadout();
  }

  _refresh() {
    this._peaking = null;
    this._showState();
    this.stage.repaint();
  }

  /** The focus peaking for the depth and the points as they are. */
  _paintedPeaking() {
    if (!this._depth || !this._picture) return null;
    this._contrast ??= contrastOf(pixelsOf(this._picture, this._depth).data, this._depth);
    const range = sharpRange(this._depth, this._points, this._focusRange);
    return pictureOf(peakingPixels(this._depth, range, this._contrast), this._depth);
  }

  _showState() {
    this._peakingButton.setAttribute("aria-pressed", String(this._showsPeaking));
    this._peakingButton.disabled = !this._depth;
    this._addButton.setAttribute("aria-pressed", String(this._addsNext));
    this._addButton.disabled = !this._isEnabled;
    this._removeButton.disabled = !this._isEnabled || this._points.length === 1;
    this._showReadout();
  }

  _showReadout() {
    const { _depth: depth, _hovered: hovered } = this;
    const isInside = hovered && [hovered.x, hovered.y].every((value) => value >= 0 && value <= 1);
    if (depth && isInside) {
      const here = depthText(disparityAt(depth, hovered), depth.isMetric);
      this._readout.textContent = `${here} here · focus ${this._focusText()}`;
    } else {
      this._readout.textContent = depth ? `focus ${this._focusText()}` : this._text;
    }
  }

  _focusText() {
    if (!this._depth) return "";
    const range = sharpRange(this._depth, this._points, this._focusRange);
    const [plane, near, far] = [range.plane, range.near, range.far].map((disparity) =>
      depthText(disparity, this._depth?.isMetric ?? false),
    );
    return near === far ? plane : `${plane}, sharp ${near} to ${far}`;
  }

  /** Say where the chosen point is. */
  _speak() {
    const { x, y } = this._points[this._selected];
    const name = this._selected === 0 ? "Focus point" : `Point ${this._selected + 1}`;
    const depth = this._depth;
    const distance = depth ? `, ${depthText(disparityAt(depth, { x, y }), depth.isMetric)}` : "";
    this._spoken.textContent = `${name}: ${percent(x)} across, ${percent(y)} down${distance}`;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Stage} stage
   */
  _draw(context, stage) {
    const scene = {
      picture: this._picture,
      pictureSize: stage.pictureSize,
      peaking: this._showsPeaking ? (this._peaking ??= this._paintedPeaking()) : null,
      points: this._points,
      selected: this._selected,
      view: stage.view,
    };
    draw(context, scene, stage.size);
  }
}

/** @param {number} fraction */
function percent(fraction) {
  return `${Number((100 * fraction).toFixed(1))} %`;
}
