// Two pictures over each other, with a divider. Knows no ComfyUI; see ../compare.js.

import { button, element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { pictureOf, pixelsOf } from "../shared/pixels.js";
import { Stage } from "../shared/stage.js";
import { clamp, shownSize } from "../shared/view.js";
import { blurText, defocusPixels } from "./defocus.js";
import { colourText, pixelAt } from "./inspector.js";
import { actionOf } from "./keys.js";

/** @typedef {import("../shared/view.js").Point} Point */
/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {Size & { radius: Float32Array }} DefocusMap px of the picture */
/**
 * @typedef {object} Pair
 * @property {HTMLImageElement} before
 * @property {HTMLImageElement} after
 * @property {DefocusMap | null} defocus
 */

const LABEL =
  "Divider between before and after, in percent from the left. Arrow keys move it, with Shift in " +
  "larger steps. Space shows the other picture alone, D the defocus map, plus and minus zoom, 0 " +
  "shows the whole picture.";

export class CompareView {
  constructor() {
    /** @type {Pair[]} */
    this._pairs = [];
    this._frame = 0;
    this._divider = 0.5;
    /** @type {"both" | "before" | "after"} */
    this._shows = "both";
    this._showsDefocus = false;
    /** @type {HTMLCanvasElement | null} */
    this._overlay = null;
    /** @type {{ before: ImageData, after: ImageData } | null} */
    this._pixels = null;

    const labels = {
      role: "slider",
      tabindex: "0",
      "aria-label": LABEL,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "data-capture-wheel": "true",
    };
    this.stage = new Stage(labels, (context, stage) => this._draw(context, stage));
    this.stage.element.classList.add("divided");
    this._readout = element("output", { class: "readout" });
    this._swapButton = button("A/B", "Show one picture alone, then the other (Space)", () =>
      this._act({ kind: "swap" }),
    );
    this._dividerButton = button("Divide", "Show both, with the divider", () => this._show("both"));
    this._defocusButton = button("Defocus", "Lay the defocus map over the picture (D)", () =>
      this._act({ kind: "defocus" }),
    );
    this._frameButton = button("1", "Show the other end of the batch", () => this._nextFrame());
    this._wholeButton = button("Fit", "Show the whole picture (0)", () =>
      this._act({ kind: "whole" }),
    );
    const buttons = [
      this._dividerButton,
      this._swapButton,
      this._defocusButton,
      this._frameButton,
      this._wholeButton,
    ];
    const bar = element("div", { class: "bar" }, this._readout, ...buttons);
    this.element = element("div", { class: "focus-puller" }, this.stage.element, bar);
    this._listen();
    this._showState();
  }

  /** @param {Pair[]} pairs The first and the last of a batch, or one. */
  setPairs(pairs) {
    this._pairs = pairs;
    this._frame = Math.min(this._frame, Math.max(0, pairs.length - 1));
    this._refresh();
  }

  dispose() {
    this.stage.dispose();
  }

  get _pair() {
    return this._pairs[this._frame];
  }

  _refresh() {
    this._overlay = null;
    this._pixels = null;
    const after = this._pair?.after;
    if (after) {
      this.stage.resizePicture({ width: after.naturalWidth, height: after.naturalHeight });
    }
    this._showState();
  }

  _listen() {
    listenToGestures(this.stage.element, {
      press: (place) => this._moveDivider(this.stage.toPicture(place).x),
      drag: (place) => this._moveDivider(this.stage.toPicture(place).x),
      release: () => {},
      cancel: () => {},
      pan: (by) => this.stage.pan(by),
      zoom: (factor, around) => this.stage.zoom(factor, around),
      hover: (place) => this._inspect(place && this.stage.toPicture(place)),
    });
    this.stage.element.addEventListener("keydown", (event) => {
      const action = actionOf(event);
      if (!action) return;
      event.preventDefault();
      event.stopPropagation();
      this._act(action);
    });
  }

  /** @param {import("./keys.js").Action} action */
  _act(action) {
    switch (action.kind) {
      case "divide":
        return this._moveDivider(this._divider + action.by);
      case "place":
        return this._moveDivider(action.at);
      case "zoom":
        return this.stage.zoom(action.factor);
      case "whole":
        return this.stage.showWhole();
      case "swap":
        return this._show(this._shows === "after" ? "before" : "after");
      case "defocus":
        this._showsDefocus = !this._showsDefocus && this._pair?.defocus != null;
        return this._showState();
    }
  }

  /** @param {number} at A fraction of the picture's width. */
  _moveDivider(at) {
    this._divider = clamp(at, 0, 1);
    this._show("both");
  }

  /** @param {"both" | "before" | "after"} which */
  _show(which) {
    this._shows = which;
    this._showState();
  }

  _nextFrame() {
    this._frame = (this._frame + 1) % this._pairs.length;
    this._refresh();
  }

  _showState() {
    const percent = Math.round(100 * this._divider);
    const { element: stage } = this.stage;
    stage.setAttribute("aria-valuenow", String(percent));
    stage.setAttribute(
      "aria-valuetext",
      this._shows === "both" ? `${percent} %` : `only ${this._shows}`,
    );
    this._dividerButton.setAttribute("aria-pressed", String(this._shows === "both"));
    this._swapButton.textContent = { both: "A/B", before: "A", after: "B" }[this._shows];
    this._swapButton.setAttribute("aria-pressed", String(this._shows !== "both"));
    this._defocusButton.setAttribute("aria-pressed", String(this._showsDefocus));
    this._defocusButton.disabled = !this._pair?.defocus;
    this._frameButton.hidden = this._pairs.length < 2;
    this._frameButton.textContent = this._frame === 0 ? "First" : "Last";
    this.stage.hint.textContent = this._pair ? "" : "Run to compare the pictures.";
    this.stage.repaint();
  }

  /** @param {Point | null} point */
  _inspect(point) {
    const pair = this._pair;
    const pixel = pair && point && pixelAt(this.stage.pictureSize, point);
    this._readout.textContent = pixel ? this._texts(pair, point, pixel).join(" · ") : "";
  }

  /**
   * @param {Pair} pair
   * @param {Point} point
   * @param {Point} pixel
   */
  _texts({ before, after, defocus }, point, pixel) {
    this._pixels ??= {
      before: pixelsOf(before, { width: before.naturalWidth, height: before.naturalHeight }),
      after: pixelsOf(after, { width: after.naturalWidth, height: after.naturalHeight }),
    };
    const texts = [
      `${pixel.x}, ${pixel.y}`,
      `${colourText(this._pixels.before, point)} → ${colourText(this._pixels.after, point)}`,
    ];
    const at = defocus && pixelAt(defocus, point);
    if (at) texts.push(blurText(defocus.radius[at.y * defocus.width + at.x]));
    return texts;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Stage} stage
   */
  _draw(context, stage) {
    const { width, height } = stage.size;
    context.clearRect(0, 0, width, height);
    const pair = this._pair;
    if (!pair) return;
    const corner = stage.toStage({ x: 0, y: 0 });
    const shown = shownSize(stage.view, stage.pictureSize, stage.size);
    const line = corner.x + this._divider * shown.width;
    const edge = { both: line, before: width, after: 0 }[this._shows];
    context.imageSmoothingEnabled = shown.width < 4 * stage.pictureSize.width;
    /** @param {CanvasImageSource} picture */
    const paint = (picture) =>
      context.drawImage(picture, corner.x, corner.y, shown.width, shown.height);
    clipped(context, { x: 0, y: 0, width: edge, height }, () => paint(pair.before));
    clipped(context, { x: edge, y: 0, width: width - edge, height }, () => paint(pair.after));
    if (this._showsDefocus && pair.defocus) {
      this._overlay ??= pictureOf(defocusPixels(pair.defocus.radius), pair.defocus);
      paint(this._overlay);
    }
    if (this._shows === "both") drawDivider(context, line, height);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{ x: number, y: number, width: number, height: number }} box
 * @param {() => void} paint
 */
function clipped(context, { x, y, width, height }, paint) {
  if (width <= 0) return;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  paint();
  context.restore();
}

/**
 * A line with a handle, dark below bright so that it is seen on any picture.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} height
 */
function drawDivider(context, x, height) {
  for (const [colour, line, radius] of /** @type {const} */ ([
    ["rgb(0 0 0 / 60%)", 4, 9],
    ["#fff", 2, 7],
  ])) {
    context.fillStyle = colour;
    context.fillRect(x - line / 2, 0, line, height);
    context.beginPath();
    context.arc(x, height / 2, radius, 0, 2 * Math.PI);
    context.fill();
  }
}
