// The curve editor of Rack Focus Timeline. Knows no ComfyUI; see ../rack_focus_timeline.js.

import { svg } from "../camera/svg.js";
import { F_NUMBERS, stepped } from "../camera/scales.js";
import { button, element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { isShortcut } from "../shared/keys.js";
import { MAX_FRAMES, changed, focusText, valueAtFrame } from "./keyframes.js";
import { BANDS, HEIGHT, frameAt, layoutOf, valueAtHeight, xOf, yOf } from "./layout.js";

/** @typedef {import("./keyframes.js").Timeline} Timeline */
/** @typedef {import("./keyframes.js").Track} Track */
/** @typedef {import("./keyframes.js").Keyframe} Keyframe */
/** @typedef {import("../shared/view.js").Point} Point */

// As far from a keyframe, in px, a press still takes hold of it.
const REACH = 12;
const FOCUS_STEP = 0.02; // of the height
const CURVE_STEP_PX = 3;
const START_F_NUMBER = 2.8;
const TRACKS = /** @type {const} */ (["disparity", "fNumber"]);
const UNREADABLE = "The keyframes cannot be read; see the help page. Correct the text above.";
const DESCRIPTION =
  "Rack focus timeline. Arrow keys move the chosen keyframe: left and right in time, up and down in " +
  "value. N chooses the next one, A adds one at the time cursor, Delete removes it, E changes its " +
  "easing, comma and full stop move the time cursor.";

export class TimelineEditor {
  /** @param {(timeline: Timeline, isDone: boolean) => void} onChange */
  constructor(onChange) {
    this._onChange = onChange;
    /** @type {Timeline | null} */
    this._timeline = null;
    this._frames = 0;
    this._cursor = 0;
    /** @type {{ keyframe: Keyframe, track: Track } | null} */
    this._selected = null;
    /** @type {Timeline | null} As it was before the drag. */
    this._before = null;
    /** Frozen while dragging. */
    this._layout = layoutOf({ isMetric: true, keyframes: [] }, 1, 0);
    this._isDragging = false;
    /** @type {Keyframe | undefined} What is dragged, as it was before. */
    this._origin = undefined;

    const labels = { role: "application", tabindex: "0", "aria-label": DESCRIPTION };
    this._drawing = svg("svg", { width: "100%", height: String(HEIGHT), "aria-hidden": "true" });
    this._stage = element("div", { class: "timeline", "data-capture-wheel": "true", ...labels });
    this._stage.append(this._drawing);
    this._readout = element("output", { class: "readout", "aria-live": "polite" });
    const bar = element(
      "div",
      { class: "bar" },
      this._readout,
      button("+ focus", "Add a keyframe of the focus at the time cursor (A)", () =>
        this._add("disparity"),
      ),
      button("+ f/", "Add a keyframe of the f-number at the time cursor", () =>
        this._add("fNumber"),
      ),
      button("Easing", "Smooth or linear, for the move to the chosen keyframe (E)", () =>
        this._ease(),
      ),
      button("−", "Remove the chosen keyframe (Delete)", () => this._remove()),
    );
    this.element = element("div", { class: "focus-puller" }, this._stage, bar);
    this._observer = new ResizeObserver(() => this._draw());
    this._observer.observe(this._stage);
    this._listen();
  }

  /**
   * @param {Timeline | null} timeline null: it cannot be read.
   * @param {number} frames
   */
  show(timeline, frames) {
    this._frames = frames;
    this._timeline = timeline;
    const { frame } = this._selected?.keyframe ?? {};
    const same = timeline?.keyframes.find((each) => each.frame === frame);
    this._selected = same && this._selected ? { ...this._selected, keyframe: same } : null;
    this._draw();
  }

  dispose() {
    this._observer.disconnect();
  }

  _listen() {
    listenToGestures(this._stage, {
      press: (place) => this._press(place),
      drag: (place) => this._drag(place),
      release: () => this._release(),
      cancel: () => {
        if (this._before) this._set(this._before, this._selected);
        this._isDragging = false;
      },
      pan: () => {},
      zoom: () => {},
      hover: () => {},
    });
    this._stage.addEventListener("keydown", (event) => {
      if (isShortcut(event) || !this._pressKey(event.key, event.shiftKey)) return;
      event.preventDefault();
      event.stopPropagation(); // Delete would remove the node
    });
  }

  /** @param {Point} place */
  _press(place) {
    if (!this._timeline) return;
    this._before = this._timeline;
    this._isDragging = true;
    this._selected = this._handleAt(place);
    if (!this._selected) this._cursor = this._clamped(frameAt(this._layout, place.x));
    this._draw();
  }

  /** @param {Point} place */
  _drag({ x, y }) {
    const frame = this._clamped(frameAt(this._layout, x));
    this._cursor = frame;
    if (!this._selected) return this._draw();
    const { track } = this._selected;
    this._move({ frame, [track]: valueAtHeight(this._layout, track, y) });
  }

  _release() {
    this._isDragging = false;
    if (this._timeline && this._timeline !== this._before) this._onChange(this._timeline, true);
    this._draw();
  }

  /** @param {number} frame */
  _clamped(frame) {
    return Math.min(Math.max(0, frame), MAX_FRAMES - 1);
  }

  /** @param {Point} place */
  _handleAt({ x, y }) {
    for (const keyframe of this._timeline?.keyframes ?? []) {
      for (const track of TRACKS) {
        const value = keyframe[track];
        if (value === null) continue;
        const at = { x: xOf(this._layout, keyframe.frame), y: yOf(this._layout, track, value) };
        if (Math.hypot(at.x - x, at.y - y) <= REACH) return { keyframe, track };
      }
    }
    return null;
  }

  /**
   * @param {string} key
   * @param {boolean} isCoarse
   * @returns {boolean} Whether it means something.
   */
  _pressKey(key, isCoarse) {
    const steps = isCoarse ? 10 : 1;
    const acts = /** @type {Record<string, () => void>} */ ({
      ArrowLeft: () => this._nudge(-steps, 0),
      ArrowRight: () => this._nudge(steps, 0),
      ArrowUp: () => this._nudge(0, steps),
      ArrowDown: () => this._nudge(0, -steps),
      n: () => this._next(),
      a: () => this._add("disparity"),
      e: () => this._ease(),
      ",": () => this._moveCursor(-steps),
      ".": () => this._moveCursor(steps),
      Delete: () => this._remove(),
      Backspace: () => this._remove(),
    });
    const act = acts[key.length === 1 ? key.toLowerCase() : key];
    act?.();
    return Boolean(act);
  }

  /** @param {number} by */
  _moveCursor(by) {
    this._cursor = this._clamped(this._cursor + by);
    this._draw();
  }

  /**
   * @param {number} frames
   * @param {number} steps
   */
  _nudge(frames, steps) {
    if (!this._selected) return this._next();
    const { keyframe, track } = this._selected;
    const value = Number(keyframe[track]);
    const next =
      track === "fNumber"
        ? stepped(F_NUMBERS, value, steps)
        : Math.min(Math.max(0, value + steps * FOCUS_STEP * this._layout.nearest), this._limit());
    const frame = this._clamped(keyframe.frame + frames);
    this._cursor = frame;
    this._move({ frame, ...(steps !== 0 && { [track]: next }) });
    this._done();
  }

  _limit() {
    return this._timeline?.isMetric ? Infinity : 1;
  }

  /** Change the chosen keyframe. @param {Partial<Keyframe>} values */
  _move(values) {
    if (!this._timeline || !this._selected) return;
    const { keyframe, track } = this._selected;
    // Others that it passes over in a drag come back: all is made of how it was before.
    const base = this._isDragging && this._before ? this._before : this._timeline;
    const former = this._isDragging ? (this._origin ??= keyframe) : keyframe;
    const next = { ...keyframe, ...values };
    this._set(changed(base, former, next), { keyframe: next, track });
  }

  _next() {
    const all = (this._timeline?.keyframes ?? []).flatMap((keyframe) =>
      TRACKS.filter((track) => keyframe[track] !== null).map((track) => ({ keyframe, track })),
    );
    const { _selected: selected } = this;
    const now = all.findIndex(
      (each) => each.keyframe === selected?.keyframe && each.track === selected.track,
    );
    this._selected = all[(now + 1) % all.length] ?? null;
    this._cursor = this._selected?.keyframe.frame ?? this._cursor;
    this._draw();
  }

  /** @param {Track} track */
  _add(track) {
    if (!this._timeline) return;
    const value = valueAtFrame(this._timeline, track, this._cursor) ?? START_F_NUMBER;
    const former = this._timeline.keyframes.find((each) => each.frame === this._cursor) ?? null;
    const empty = { frame: this._cursor, disparity: null, fNumber: null, isLinear: false };
    const shown = track === "fNumber" ? Number(value.toFixed(2)) : value;
    const keyframe = { ...(former ?? empty), [track]: shown };
    this._set(changed(this._timeline, former, keyframe), { keyframe, track });
    this._done();
  }

  _ease() {
    if (!this._selected) return;
    this._move({ isLinear: !this._selected.keyframe.isLinear });
    this._done();
  }

  _remove() {
    if (!this._timeline || !this._selected) return;
    const { keyframe, track } = this._selected;
    const rest = { ...keyframe, [track]: null };
    const isEmpty = TRACKS.every((each) => rest[each] === null);
    const next = changed(this._timeline, keyframe, isEmpty ? null : rest);
    // One keyframe of the focus has to stay.
    if (!next.keyframes.some((each) => each.disparity !== null)) return;
    this._set(next, null);
    this._done();
  }

  _done() {
    if (this._timeline) this._onChange(this._timeline, true);
  }

  /**
   * @param {Timeline} timeline
   * @param {{ keyframe: Keyframe, track: Track } | null} selected
   */
  _set(timeline, selected) {
    this._timeline = timeline;
    this._selected = selected;
    this._onChange(timeline, false);
    this._draw();
  }

  _draw() {
    const width = this._stage.clientWidth || 1;
    const timeline = this._timeline;
    if (!timeline) {
      this._drawing.replaceChildren();
      this._readout.textContent = UNREADABLE;
      return;
    }
    if (!this._isDragging) {
      this._origin = undefined;
      this._layout = layoutOf(timeline, width, this._frames);
    }
    const parts = TRACKS.flatMap((track) => [
      ...this._axis(track),
      ...this._curve(timeline, track),
      ...this._handles(timeline, track),
    ]);
    const x = String(xOf(this._layout, Math.min(this._cursor, this._layout.lastFrame)));
    const cursor = svg("line", { x1: x, x2: x, y1: "0", y2: String(HEIGHT), class: "cursor" });
    this._drawing.replaceChildren(cursor, ...parts);
    this._readout.textContent = this._text(timeline);
  }

  /** @param {Track} track */
  _axis(track) {
    const { top, bottom } = BANDS[track];
    const [low, high] =
      track === "disparity"
        ? ["far", "near"]
        : [F_NUMBERS[0], F_NUMBERS[F_NUMBERS.length - 1]].map((each) => `f/${each}`);
    const x2 = String(this._layout.width);
    return [
      svg("line", { x1: "0", x2, y1: String(bottom), y2: String(bottom), class: "axis" }),
      svg("text", { x: "2", y: String(top), class: "axis" }, high),
      svg("text", { x: "2", y: String(bottom - 3), class: "axis" }, low),
    ];
  }

  /**
   * @param {Timeline} timeline
   * @param {Track} track
   */
  _curve(timeline, track) {
    const { _layout: layout } = this;
    const points = [];
    const [start, end] = [xOf(layout, 0), xOf(layout, layout.lastFrame)];
    for (let x = start; x <= end + 0.01; x += CURVE_STEP_PX) {
      const frame = ((x - start) / (end - start)) * layout.lastFrame;
      const value = valueAtFrame(timeline, track, frame);
      if (value !== null) points.push(`${x.toFixed(1)},${yOf(layout, track, value).toFixed(1)}`);
    }
    return [svg("polyline", { points: points.join(" "), class: "curve" })];
  }

  /**
   * @param {Timeline} timeline
   * @param {Track} track
   */
  _handles(timeline, track) {
    return timeline.keyframes.flatMap((keyframe) => {
      const value = keyframe[track];
      if (value === null) return [];
      const chosen = this._selected?.keyframe === keyframe && this._selected.track === track;
      const [x, y] = [xOf(this._layout, keyframe.frame), yOf(this._layout, track, value)];
      const name = `handle${chosen ? " chosen" : ""}`;
      const size = 5;
      // Square where the move to it is linear.
      const shape = keyframe.isLinear
        ? svg("rect", {
            ...{ x: String(x - size), y: String(y - size), class: name },
            ...{ width: String(2 * size), height: String(2 * size) },
          })
        : svg("circle", { cx: String(x), cy: String(y), r: String(size), class: name });
      return [shape];
    });
  }

  /** @param {Timeline} timeline */
  _text(timeline) {
    const frame = this._cursor;
    const focus = valueAtFrame(timeline, "disparity", frame);
    const fNumber = valueAtFrame(timeline, "fNumber", frame);
    const parts = [`frame ${frame}:`];
    if (focus !== null) parts.push(focusText(focus, timeline.isMetric));
    if (fNumber !== null) parts.push(`f/${Number(fNumber.toFixed(2))}`);
    const { keyframe } = this._selected ?? {};
    if (keyframe)
      parts.push(`· keyframe ${keyframe.frame}, ${keyframe.isLinear ? "linear" : "smooth"}`);
    return parts.join(" ");
  }
}
