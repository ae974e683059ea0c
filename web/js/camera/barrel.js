// The lens barrel: rings for the distance, the f-number and the focal length, the scale of the depth
// of field between them, and the sensor. Knows no ComfyUI; see ../camera.js.

import { button, element } from "../shared/elements.js";
import { acceptableCocMm, depthOfField, hyperfocalDistance } from "./depth_of_field.js";
import { EngravedRing } from "./engraved_ring.js";
import { Ring } from "./ring.js";
import {
  DOF_F_NUMBERS,
  DOF_PX,
  SCALES,
  distanceMarks,
  distanceText,
  focusForInfinity,
  focusedBy,
  nearestDisparity,
} from "./scales.js";
import { SENSORS, sensorOf } from "./sensors.js";
import { svg } from "./svg.js";

/** @typedef {import("./depth_of_field.js").Camera} Camera */
/** @typedef {"fNumber" | "focalLengthMm" | "sensorWidthMm" | "focusM"} Setting */
/** @typedef {Camera & { focusM: number }} Settings */
/**
 * @typedef {object} BarrelState
 * @property {Settings} settings
 * @property {ReadonlySet<Setting>} fixed What cannot be set here.
 * @property {string} note Where the numbers come from.
 * @property {number | null} [photoFNumber] That of the photo, where another one is set.
 */

const SCALE_HEIGHT = 26;
const FOCUS_STEP_PX = 12;

export class LensBarrel {
  /**
   * @param {(setting: Setting, value: number, isDone: boolean) => void} onChange Called while the
   *   user turns a ring; `isDone` when it rests.
   */
  constructor(onChange) {
    this._onChange = onChange;
    /** @type {BarrelState} */
    this._state = {
      settings: { fNumber: 2.8, focalLengthMm: 50, sensorWidthMm: 36, focusM: 2 },
      fixed: new Set(),
      note: "",
    };
    /** The distance when a drag began. */
    this._before = 0;
    this._distance = this._distanceRing();
    this._aperture = this._engravedRing("fNumber", "f-number", (value) => `f/${value}`);
    this._focalLength = this._engravedRing(
      "focalLengthMm",
      "Focal length",
      (value) => `${value} mm`,
    );
    this._scale = svg("svg", { x: "50%", overflow: "visible" });
    this._sensor = element("select", { "aria-label": "Sensor" });
    this._readout = element("output", { class: "readout" });
    this._note = element("div", { class: "readout" });
    this._ofPhoto = button("", "Use the f-number of the photo", () =>
      this._onChange("fNumber", 0, true),
    );
    const scale = svg("svg", { class: "scale dof", height: String(SCALE_HEIGHT) }, this._scale);
    scale.setAttribute("aria-hidden", "true");
    const rings = [this._distance, scale, this._aperture, this._focalLength];
    this.element = element(
      "div",
      { class: "focus-puller barrel" },
      ...rings.map((each) => ("element" in each ? each.element : each)),
      element("div", { class: "bar" }, this._sensor, this._ofPhoto, this._readout, this._note),
    );
    this._sensor.addEventListener("change", () => {
      const sensor = SENSORS[Number(this._sensor.value)];
      if (sensor) this._onChange("sensorWidthMm", sensor.widthMm, true);
    });
    this.show(this._state);
  }

  /** @param {BarrelState} state */
  show(state) {
    this._state = state;
    const { settings, fixed, note, photoFNumber } = state;
    const { fNumber, focalLengthMm, focusM } = settings;
    const hyperfocal = hyperfocalDistance(settings);
    const { near, far } = depthOfField(settings, focusM);
    const limits = `${distanceText(near)} to ${distanceText(far)}`;
    this._distance.show({
      marks: distanceMarks(settings, focusM, hyperfocal),
      now: Math.min(focusM, 1e6),
      min: 1 / nearestDisparity(settings),
      max: 1e6,
      text: `${distanceText(focusM)}, sharp ${limits}`,
      isEnabled: !fixed.has("focusM"),
    });
    this._aperture.show(fNumber, !fixed.has("fNumber"));
    this._focalLength.show(focalLengthMm, !fixed.has("focalLengthMm"));
    this._scale.replaceChildren(...scaleMarks(fNumber));
    this._showSensor(settings.sensorWidthMm, fixed.has("sensorWidthMm"));
    const coc = Number(acceptableCocMm(settings).toPrecision(2));
    this._readout.textContent =
      `${focalLengthMm} mm f/${fNumber} at ${distanceText(focusM)}: sharp ${limits}, ` +
      `hyperfocal ${distanceText(hyperfocal)}`;
    this._readout.title = `Sharp is what is blurred by less than ${coc} mm on the sensor.`;
    this._note.textContent = note;
    this._ofPhoto.hidden = !photoFNumber || fixed.has("fNumber");
    this._ofPhoto.textContent = `f/${photoFNumber} of the photo`;
  }

  /**
   * @param {number} widthMm
   * @param {boolean} isFixed
   */
  _showSensor(widthMm, isFixed) {
    const chosen = sensorOf(widthMm);
    const options = SENSORS.map(({ name, widthMm: each }, index) =>
      element("option", { value: String(index) }, `${name}, ${each} mm`),
    );
    if (chosen < 0) options.push(element("option", { value: "-1" }, `Other, ${widthMm} mm`));
    this._sensor.replaceChildren(...options);
    this._sensor.value = String(chosen);
    this._sensor.disabled = isFixed;
  }

  /**
   * @param {"fNumber" | "focalLengthMm"} setting
   * @param {string} name
   * @param {(value: number) => string} textOf
   */
  _engravedRing(setting, name, textOf) {
    return new EngravedRing(name, SCALES[setting], textOf, (value, isDone) => {
      if (isDone) this._onChange(setting, value, true);
      else this._set(setting, value);
    });
  }

  _distanceRing() {
    const title = "Focus distance: drag; arrow keys; wheel; H for the hyperfocal distance";
    return new Ring("Focus distance", title, {
      start: () => {
        this._before = this._state.settings.focusM;
      },
      turn: (px) => this._set("focusM", focusedBy(this._state.settings, this._before, px)),
      step: (steps) => {
        const { settings } = this._state;
        this._set("focusM", focusedBy(settings, settings.focusM, -steps * FOCUS_STEP_PX));
      },
      press: (key) => this._focusWithKey(key),
      done: () => this._onChange("focusM", this._state.settings.focusM, true),
      cancel: () => this._set("focusM", this._before),
    });
  }

  /**
   * @param {string} key
   * @returns {boolean} Whether it means something.
   */
  _focusWithKey(key) {
    const { settings, fixed } = this._state;
    const places = /** @type {Record<string, number>} */ ({
      Home: 1 / nearestDisparity(settings),
      End: Infinity,
      h: focusForInfinity(settings),
    });
    if (places[key] === undefined) return false;
    if (!fixed.has("focusM")) this._onChange("focusM", places[key], true);
    return true;
  }

  /**
   * @param {Setting} setting
   * @param {number} value
   */
  _set(setting, value) {
    if (value === this._state.settings[setting]) return;
    this.show({ ...this._state, settings: { ...this._state.settings, [setting]: value } });
    this._onChange(setting, value, false);
  }
}

/**
 * The scale of the depth of field: the mark in the middle, f-numbers on either side, and between
 * those of the f-number that is set what is sharp.
 * @param {number} fNumber
 */
function scaleMarks(fNumber) {
  const reach = fNumber * DOF_PX;
  const bottom = String(SCALE_HEIGHT);
  const zone = { x: String(-reach), width: String(2 * reach), y: "0", height: "6", class: "zone" };
  /** @type {SVGElement[]} */
  const marks = [
    svg("rect", zone),
    svg("path", { d: `M0 2 L-5 ${bottom} L5 ${bottom} Z`, class: "index" }),
  ];
  for (const each of DOF_F_NUMBERS) {
    for (const place of [-each * DOF_PX, each * DOF_PX].map(String)) {
      marks.push(svg("line", { x1: place, x2: place, y1: "0", y2: "9", class: "engraved" }));
      marks.push(svg("text", { x: place, y: "21", class: "between" }, String(each)));
    }
  }
  return marks;
}
