// The curve editor of Rack Focus Timeline. Knows no ComfyUI; see ../rack_focus_timeline.js.

import { svg } from "../camera/svg.js";
import { button, element } from "../shared/elements.js";
import { listenToGestures } from "../shared/gestures.js";
import { isShortcut } from "../shared/keys.js";
import { drawnCursor, drawnTrack } from "./drawing.js";
import { KeyframeEditor, TRACKS } from "./keyframe_editor.js";
import { HEIGHT } from "./layout.js";

/** @typedef {import("./keyframes.js").Timeline} Timeline */

const COARSE_STEPS = 10;
const UNREADABLE = "The keyframes cannot be read; see the help page. Correct the text above.";
const DESCRIPTION =
  "Rack focus timeline. Arrow keys move the chosen keyframe: left and right in time, up and down in " +
  "value. N chooses the next one, A adds one at the time cursor, Delete removes it, E changes its " +
  "easing, comma and full stop move the time cursor.";

export class TimelineEditor {
  /** @param {(timeline: Timeline, isDone: boolean) => void} onChange */
  constructor(onChange) {
    this._onChange = onChange;
    const model = new KeyframeEditor();
    this._model = model;
    const labels = { role: "application", tabindex: "0", "aria-label": DESCRIPTION };
    this._drawing = svg("svg", { width: "100%", height: String(HEIGHT), "aria-hidden": "true" });
    this._stage = element("div", { class: "timeline", "data-capture-wheel": "true", ...labels });
    this._stage.append(this._drawing);
    this._readout = element("output", { class: "readout", "aria-live": "polite" });
    /** @type {(label: string, title: string, act: () => void) => HTMLButtonElement} */
    const tool = (label, title, act) => button(label, title, () => this._act(act));
    const bar = element(
      "div",
      { class: "bar" },
      this._readout,
      tool("+ focus", "Add a keyframe of the focus at the time cursor (A)", () =>
        model.add("disparity"),
      ),
      tool("+ f/", "Add a keyframe of the f-number at the time cursor", () => model.add("fNumber")),
      tool("Easing", "Smooth or linear, for the move to the chosen keyframe (E)", () =>
        model.ease(),
      ),
      tool("−", "Remove the chosen keyframe (Delete)", () => model.remove()),
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
    this._model.load(timeline, frames);
    this._draw();
  }

  dispose() {
    this._observer.disconnect();
  }

  _listen() {
    const model = this._model;
    listenToGestures(this._stage, {
      press: (place) => this._edit(() => model.press(place)),
      drag: (place) => this._edit(() => model.drag(place)),
      release: () => {
        const isChanged = model.release();
        if (isChanged && model.timeline) this._onChange(model.timeline, true);
        this._draw();
      },
      cancel: () => this._edit(() => model.takeBack()),
      pan: () => {},
      zoom: () => {},
      hover: () => {},
    });
    this._stage.addEventListener("keydown", (event) => {
      const act = isShortcut(event) ? null : this._actOf(event.key, event.shiftKey);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation(); // Delete would remove the node
      this._act(act);
    });
  }

  /**
   * What a key does; undefined: it is not for the timeline.
   * @param {string} key
   * @param {boolean} isCoarse
   * @returns {(() => void) | undefined}
   */
  _actOf(key, isCoarse) {
    const model = this._model;
    const steps = isCoarse ? COARSE_STEPS : 1;
    const acts = /** @type {Record<string, () => void>} */ ({
      ArrowLeft: () => model.nudge(-steps, 0),
      ArrowRight: () => model.nudge(steps, 0),
      ArrowUp: () => model.nudge(0, steps),
      ArrowDown: () => model.nudge(0, -steps),
      n: () => model.next(),
      a: () => model.add("disparity"),
      e: () => model.ease(),
      ",": () => model.moveCursor(-steps),
      ".": () => model.moveCursor(steps),
      Delete: () => model.remove(),
      Backspace: () => model.remove(),
    });
    return acts[key.length === 1 ? key.toLowerCase() : key];
  }

  /**
   * Change something, as one step of undo.
   * @param {() => void} act
   */
  _act(act) {
    const isChanged = this._edit(act);
    if (isChanged && this._model.timeline) this._onChange(this._model.timeline, true);
  }

  /**
   * @param {() => void} act
   * @returns {boolean} Whether the timeline is another now.
   */
  _edit(act) {
    const before = this._model.timeline;
    act();
    const { timeline } = this._model;
    const isChanged = timeline !== null && timeline !== before;
    if (isChanged) this._onChange(timeline, false);
    this._draw();
    return isChanged;
  }

  _draw() {
    const model = this._model;
    const { timeline, cursor, selected } = model;
    if (!timeline) {
      this._drawing.replaceChildren();
      this._readout.textContent = UNREADABLE;
      return;
    }
    model.layOut(this._stage.clientWidth || 1);
    const { layout } = model;
    const tracks = TRACKS.flatMap((track) => drawnTrack(timeline, layout, track, selected));
    this._drawing.replaceChildren(drawnCursor(layout, cursor), ...tracks);
    this._readout.textContent = model.text();
  }
}
