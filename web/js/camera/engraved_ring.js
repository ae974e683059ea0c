// A ring with engraved values that it snaps to: f-number, focal length, bokeh level.

import { Ring } from "./ring.js";
import { engravedMarks, stepped, stepsOf, turned } from "./scales.js";

/** @typedef {import("./scales.js").Scale} Scale */

export class EngravedRing {
  /**
   * @param {string} name Of the slider.
   * @param {Scale} scale
   * @param {(value: number) => string} textOf
   * @param {(value: number, isDone: boolean) => void} onChange Called while the user turns it;
   *   `isDone` when it rests.
   */
  constructor(name, scale, textOf, onChange) {
    this._scale = scale;
    this._textOf = textOf;
    this._onChange = onChange;
    this._value = scale.engraved[0];
    /** The value when a drag began. */
    this._before = this._value;
    this._isEnabled = true;
    const { engraved } = scale;
    const title = `${name}: drag, with Alt for values between the marks; arrow keys; wheel`;
    this._ring = new Ring(name, title, {
      start: () => {
        this._before = this._value;
      },
      turn: (px, isFree) => this._set(turned(engraved, this._before, stepsOf(scale, px), !isFree)),
      step: (steps) => this._set(stepped(engraved, this._value, steps)),
      press: (key) => this._press(key),
      done: () => onChange(this._value, true),
      cancel: () => this._set(this._before),
    });
  }

  get element() {
    return this._ring.element;
  }

  /**
   * @param {number} value
   * @param {boolean} isEnabled
   */
  show(value, isEnabled) {
    const { engraved } = this._scale;
    this._value = value;
    this._isEnabled = isEnabled;
    this._ring.show({
      marks: engravedMarks(this._scale, value),
      now: value,
      min: engraved[0],
      max: engraved[engraved.length - 1],
      text: this._textOf(value),
      isEnabled,
    });
  }

  /** @param {number} value */
  _set(value) {
    if (value === this._value) return;
    this.show(value, this._isEnabled);
    this._onChange(value, false);
  }

  /**
   * @param {string} key
   * @returns {boolean} Whether it means something.
   */
  _press(key) {
    const { engraved } = this._scale;
    const end = { Home: engraved[0], End: engraved[engraved.length - 1] }[key];
    if (end === undefined) return false;
    if (this._isEnabled) {
      this._set(end);
      this._onChange(end, true);
    }
    return true;
  }
}
