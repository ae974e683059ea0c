// The focus picker: a picture to point at. Knows no ComfyUI; see ../focus_picker.js.

import { isRegion } from "../shared/areas.js";
import { depthText, disparityAt, disparityOf, sharpRange } from "../shared/depth_map.js";
import { button, element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { pictureOf, pixelsOf } from "../shared/pixels.js";
import { Stage } from "../shared/stage.js";
import { draw } from "./drawing.js";
import { AreaEditor } from "./editor.js";
import { actionOf } from "./keys.js";
import { contrastOf, peakingPixels } from "./peaking.js";

/** @typedef {import("../shared/depth_map.js").DepthMap} DepthMap */
/** @typedef {import("../shared/areas.js").Area} Area */
/** @typedef {import("../shared/depth_map.js").SharpRange} SharpRange */
/** @typedef {import("../shared/view.js").Point} Point */

const DESCRIPTION =
  "Focus picker. Arrow keys move the focus point, with Shift in larger steps. R makes a region of it, " +
  "and a point again; C goes to the next corner of a region, which arrow keys move then. A adds a " +
  "point that shall be sharp too, N goes to the next point or region, Delete removes it. Plus and " +
  "minus zoom, 0 shows the whole picture, P switches focus peaking.";
const CORNERS = ["Top left", "Top right", "Bottom right", "Bottom left"];

export class FocusPicker {
  /**
   * @param {(areas: readonly Area[], isDone: boolean) => void} onChange Called while the user
   *   moves points and regions; `isDone` when a move has ended.
   */
  constructor(onChange) {
    this._onChange = onChange;
    this._editor = new AreaEditor();
    this._focusRange = 0;
    /** @type {SharpRange | null} Measured when it is first needed: a region has many pixels. */
    this._range = null;
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
    this._regionButton = button("▭", "Focus on a region instead of a point (R)", () =>
      this._act({ kind: "region" }),
    );
    this._addButton = button(
      "+",
      "Add a point, or drag a region, that shall be sharp too (A)",
      () => {
        this._addsNext = !this._addsNext;
        this._showState();
      },
    );
    this._removeButton = button("−", "Remove the chosen point or region (Delete)", () =>
      this._act({ kind: "remove" }),
    );
    this._wholeButton = button("Fit", "Show the whole picture (0)", () =>
      this._act({ kind: "whole" }),
    );
    const buttons = [
      this._peakingButton,
      this._regionButton,
      this._addButton,
      this._removeButton,
      this._wholeButton,
    ];
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
   * @param {readonly Area[]} areas
   * @param {number} focusRange
   */
  setFocus(areas, focusRange) {
    this._editor.load(areas);
    this._focusRange = focusRange;
    this._refresh();
  }

  /**
   * Whether the user may move anything.
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
      drag: (place) => this._edit(() => this._editor.drag(this.stage.toPicture(place), place)),
      release: () => {
        this._editor.release();
        this._finish();
      },
      // A second finger has come: the first did not mean to point.
      cancel: () => this._editDone(() => this._editor.takeBack()),
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
    const editor = this._editor;
    switch (action.kind) {
      case "move":
        this._edit(() => editor.step(action));
        this.stage.reveal(editor.place);
        return this._finish();
      case "region":
        return this._editDone(() => editor.changeKind());
      case "add":
        return this._editDone(() => editor.addBeside());
      case "remove":
        return this._editDone(() => editor.remove());
      case "next":
      case "corner":
        if (action.kind === "next") editor.next();
        else editor.nextCorner();
        this.stage.reveal(editor.place);
        this._showState();
        return this._speak();
      case "zoom":
        return this.stage.zoom(action.factor, this.stage.toStage(editor.place));
      case "whole":
        return this.stage.showWhole();
      case "peaking":
        this._showsPeaking = !this._showsPeaking;
        this._showState();
        return this.stage.repaint();
    }
  }

  /**
   * @param {Point} place
   * @param {boolean} adds
   */
  _press(place, adds) {
    const point = this.stage.toPicture(place);
    this._edit(() => {
      if (adds || this._addsNext) this._editor.draw(point, place);
      else this._editor.takeHold(point, place, (each) => this.stage.toStage(each));
      this._addsNext = false;
    });
  }

  /** @param {() => void} change */
  _edit(change) {
    if (!this._isEnabled) return;
    change();
    this._refresh();
    this._onChange(this._editor.areas, false);
  }

  /** @param {() => void} change */
  _editDone(change) {
    this._edit(change);
    this._finish();
  }

  _finish() {
    if (!this._isEnabled) return;
    this._onChange(this._editor.areas, true);
    this._speak();
  }

  /** @param {Point | null} place */
  _hover(place) {
    this._hovered = place && this.stage.toPicture(place);
    this._showReadout();
  }

  _refresh() {
    this._peaking = null;
    this._range = null;
    this._showState();
    this.stage.repaint();
  }

  /** @param {DepthMap} depth */
  _sharp(depth) {
    return (this._range ??= sharpRange(depth, this._editor.areas, this._focusRange));
  }

  /** The focus peaking for the depth and the areas as they are. */
  _paintedPeaking() {
    if (!this._depth || !this._picture) return null;
    this._contrast ??= contrastOf(pixelsOf(this._picture, this._depth).data, this._depth);
    const range = this._sharp(this._depth);
    return pictureOf(peakingPixels(this._depth, range, this._contrast), this._depth);
  }

  _showState() {
    this._peakingButton.setAttribute("aria-pressed", String(this._showsPeaking));
    this._peakingButton.disabled = !this._depth;
    this._regionButton.setAttribute("aria-pressed", String(isRegion(this._editor.chosen)));
    this._regionButton.disabled = !this._isEnabled;
    this._addButton.setAttribute("aria-pressed", String(this._addsNext));
    this._addButton.disabled = !this._isEnabled;
    this._removeButton.disabled = !this._isEnabled || this._editor.areas.length === 1;
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
    const depth = this._depth;
    if (!depth) return "";
    const range = this._sharp(depth);
    const [plane, near, far] = [range.plane, range.near, range.far].map((disparity) =>
      depthText(disparity, depth.isMetric),
    );
    return near === far ? plane : `${plane}, sharp ${near} to ${far}`;
  }

  /** Say where what is chosen is. */
  _speak() {
    const { chosen, selected, corner, place } = this._editor;
    const kind = isRegion(chosen) ? "region" : "point";
    const name = selected === 0 ? `focus ${kind}` : `${kind} ${selected + 1}`;
    const depth = this._depth;
    const distance = depth ? `, ${depthText(disparityOf(depth, chosen), depth.isMetric)}` : "";
    const isWhole = isRegion(chosen) && corner === null;
    const across = isWhole ? percents(chosen.left, chosen.right) : percent(place.x);
    const down = isWhole ? percents(chosen.top, chosen.bottom) : percent(place.y);
    const subject = corner === null ? name : `${CORNERS[corner]} of the ${name}`;
    const text = `${subject}: ${across} across, ${down} down${distance}`;
    this._spoken.textContent = text[0].toUpperCase() + text.slice(1);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Stage} stage
   */
  _draw(context, stage) {
    const { areas, selected, corner } = this._editor;
    const scene = {
      picture: this._picture,
      pictureSize: stage.pictureSize,
      peaking: this._showsPeaking ? (this._peaking ??= this._paintedPeaking()) : null,
      ...{ areas, selected, corner },
      view: stage.view,
    };
    draw(context, scene, stage.size);
  }
}

/** @param {number} fraction */
function percent(fraction) {
  return `${Number((100 * fraction).toFixed(1))} %`;
}

/**
 * @param {number} from
 * @param {number} to
 */
function percents(from, to) {
  return `${percent(from)} to ${percent(to)}`;
}
