// What the user does to keyframes, without the page: choose, drag, nudge, add, ease and remove them,
// and move the time cursor.

import { F_NUMBERS, stepped } from "../camera/scales.js";
import { MAX_FRAMES, changed, focusText, valueAtFrame } from "./keyframes.js";
import { frameAt, layoutOf, valueAtHeight, xOf, yOf } from "./layout.js";

/** @typedef {import("./keyframes.js").Timeline} Timeline */
/** @typedef {import("./keyframes.js").Track} Track */
/** @typedef {import("./keyframes.js").Keyframe} Keyframe */
/** @typedef {import("../shared/view.js").Point} Point */
/** @typedef {{ keyframe: Keyframe, track: Track }} Handle What a keyframe sets on a track. */

export const TRACKS = /** @type {const} */ (["disparity", "fNumber"]);
// As far from a keyframe, in px, a press still takes hold of it.
const REACH = 12;
const FOCUS_STEP = 0.02; // of the height
const START_F_NUMBER = 2.8;

export class KeyframeEditor {
  constructor() {
    /** @type {Timeline | null} null: it cannot be read. */
    this.timeline = null;
    /** @type {Handle | null} */
    this.selected = null;
    /** The frame whose values are shown. */
    this.cursor = 0;
    /** Frozen while dragging. */
    this.layout = layoutOf({ isMetric: true, keyframes: [] }, 1, 0);
    this._frames = 0;
    /** @type {{ timeline: Timeline, selected: Handle | null } | null} As it was before the drag. */
    this._before = null;
  }

  /**
   * Another timeline; what is chosen stays so where there still is one at its frame.
   * @param {Timeline | null} timeline
   * @param {number} frames
   */
  load(timeline, frames) {
    this._frames = frames;
    this.timeline = timeline;
    const { selected } = this;
    const same = timeline?.keyframes.find((each) => each.frame === selected?.keyframe.frame);
    this.selected = same && selected ? { keyframe: same, track: selected.track } : null;
  }

  /** @param {number} width px */
  layOut(width) {
    if (this.timeline && !this._before) {
      this.layout = layoutOf(this.timeline, width, this._frames);
    }
  }

  /**
   * A drag begins: of a keyframe that is there, else of the time cursor.
   * @param {Point} place
   */
  press(place) {
    if (!this.timeline) return;
    this.selected = this._handleAt(place);
    this._before = { timeline: this.timeline, selected: this.selected };
    if (!this.selected) this.cursor = clamped(frameAt(this.layout, place.x));
  }

  /** @param {Point} place */
  drag({ x, y }) {
    if (!this._before) return;
    this.cursor = clamped(frameAt(this.layout, x));
    if (!this.selected) return;
    const { track } = this.selected;
    this._change({ frame: this.cursor, [track]: valueAtHeight(this.layout, track, y) });
  }

  /** @returns {boolean} Whether the drag has changed something. */
  release() {
    const isChanged = this._before !== null && this._before.timeline !== this.timeline;
    this._before = null;
    return isChanged;
  }

  /** The drag was none. */
  takeBack() {
    if (this._before) Object.assign(this, this._before);
    this._before = null;
  }

  /** @param {number} by */
  moveCursor(by) {
    this.cursor = clamped(this.cursor + by);
  }

  /**
   * Move the chosen keyframe; choose the first where none is chosen.
   * @param {number} frames
   * @param {number} steps
   */
  nudge(frames, steps) {
    if (!this.selected) return this.next();
    const { keyframe, track } = this.selected;
    this.cursor = clamped(keyframe.frame + frames);
    const value = this._stepped(track, Number(keyframe[track]), steps);
    this._change({ frame: this.cursor, ...(steps !== 0 && { [track]: value }) });
  }

  next() {
    const all = (this.timeline?.keyframes ?? []).flatMap((keyframe) =>
      TRACKS.filter((track) => keyframe[track] !== null).map((track) => ({ keyframe, track })),
    );
    const { selected } = this;
    const now = all.findIndex(
      (each) => each.keyframe === selected?.keyframe && each.track === selected.track,
    );
    this.selected = all[(now + 1) % all.length] ?? null;
    this.cursor = this.selected?.keyframe.frame ?? this.cursor;
  }

  /**
   * Add a keyframe at the time cursor, with the value that is there already.
   * @param {Track} track
   */
  add(track) {
    if (!this.timeline) return;
    const value = valueAtFrame(this.timeline, track, this.cursor) ?? START_F_NUMBER;
    const former = this.timeline.keyframes.find((each) => each.frame === this.cursor) ?? null;
    const empty = { frame: this.cursor, disparity: null, fNumber: null, isLinear: false };
    const shown = track === "fNumber" ? Number(value.toFixed(2)) : value;
    const keyframe = { ...(former ?? empty), [track]: shown };
    this.timeline = changed(this.timeline, former, keyframe);
    this.selected = { keyframe, track };
  }

  ease() {
    if (this.selected) this._change({ isLinear: !this.selected.keyframe.isLinear });
  }

  remove() {
    if (!this.timeline || !this.selected) return;
    const { keyframe, track } = this.selected;
    const rest = { ...keyframe, [track]: null };
    const isEmpty = TRACKS.every((each) => rest[each] === null);
    const next = changed(this.timeline, keyframe, isEmpty ? null : rest);
    // One keyframe of the focus has to stay.
    if (!next.keyframes.some((each) => each.disparity !== null)) return;
    this.timeline = next;
    this.selected = null;
  }

  /** What there is at the time cursor, and what is chosen, in words. */
  text() {
    const { timeline, cursor, selected } = this;
    if (!timeline) return "";
    const focus = valueAtFrame(timeline, "disparity", cursor);
    const fNumber = valueAtFrame(timeline, "fNumber", cursor);
    const parts = [`frame ${cursor}:`];
    if (focus !== null) parts.push(focusText(focus, timeline.isMetric));
    if (fNumber !== null) parts.push(`f/${Number(fNumber.toFixed(2))}`);
    if (selected) {
      const { frame, isLinear } = selected.keyframe;
      parts.push(`· keyframe ${frame}, ${isLinear ? "linear" : "smooth"}`);
    }
    return parts.join(" ");
  }

  /** Change the chosen keyframe. @param {Partial<Keyframe>} values */
  _change(values) {
    if (!this.timeline || !this.selected) return;
    // Others that it passes over in a drag come back: all is made of how it was before.
    const { timeline, selected } = this._before ?? this;
    const next = { ...this.selected.keyframe, ...values };
    this.timeline = changed(timeline ?? this.timeline, selected?.keyframe ?? null, next);
    this.selected = { keyframe: next, track: this.selected.track };
  }

  /**
   * @param {Track} track
   * @param {number} value
   * @param {number} steps
   */
  _stepped(track, value, steps) {
    if (track === "fNumber") return stepped(F_NUMBERS, value, steps);
    const nearest = this.timeline?.isMetric ? Infinity : 1;
    return Math.min(Math.max(0, value + steps * FOCUS_STEP * this.layout.nearest), nearest);
  }

  /**
   * @param {Point} place
   * @returns {Handle | null}
   */
  _handleAt({ x, y }) {
    for (const keyframe of this.timeline?.keyframes ?? []) {
      for (const track of TRACKS) {
        const value = keyframe[track];
        if (value === null) continue;
        const at = { x: xOf(this.layout, keyframe.frame), y: yOf(this.layout, track, value) };
        if (Math.hypot(at.x - x, at.y - y) <= REACH) return { keyframe, track };
      }
    }
    return null;
  }
}

/** @param {number} frame */
function clamped(frame) {
  return Math.min(Math.max(0, frame), MAX_FRAMES - 1);
}
