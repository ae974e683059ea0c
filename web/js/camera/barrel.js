// The lens barrel: rings for the distance, the f-number and the focal length, the scale of the depth
// of field between them, and the sensor. Knows no ComfyUI; see ../camera.js.

import { button, element } from "../shared/elements.js";
import { acceptableCocMm, depthOfField, hyperfocalDistance } from "./depth_of_field.js";
import { Ring } from "./ring.js";
import {
  DOF_F_NUMBERS,
  DOF_PX,
  FOCAL_LENGTHS_MM,
  F_NUMBERS,
  distanceMarks,
  distanceText,
  fNumberMarks,
  focalLengthMarks,
  focalStepsOf,
  focusForInfinity,
  focusedBy,
  nearestDisparity,
  stepped,
  thirdsOf,
  turned,
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
    /** The value when a drag began. */
    this._before = 0;
    this._distance = this._distanceRing();
    this._aperture = this._engravedRing("fNumber", "f-number", F_NUMBERS, thirdsOf);
    this._focalLength = this._engravedRing(
      "focalLengthMm",
      "Focal length",
      FOCAL_LENGTHS_MM,
      focalStepsOf,
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
      ...rings.map((each) => (each instanceof Ring ? each.element : each)),
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
    this._aperture.show({
      marks: fNumberMarks(fNumber),
      now: fNumber,
      min: F_NUMBERS[0],
      max: F_NUMBERS[F_NUMBERS.length - 1],
      text: `f/${fNumber}`,
      isEnabled: !fixed.has("fNumber"),
    });
    this._focalLength.show({
      marks: focalLengthMarks(focalLengthMm),
      now: focalLengthMm,
      min: FOCAL_LENGTHS_MM[0],
      max: FOCAL_LENGTHS_MM[FOCAL_LENGTHS_MM.length - 1],
      text: `${focalLengthMm} mm`,
      isEnabled: !fixed.has("focalLengthMm"),
    });
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
   * A ring with values that it snaps to.
   * @param {"fNumber" | "focalLengthMm"} setting
   * @param {string} name
   * @param {readonly number[]} engraved
   * @param {(px: number) => number} stepsOf How far px turn it.
   */
  _engravedRing(setting, name, engraved, stepsOf) {
    const title = `${name}: drag, with Alt for values between the marks; arrow keys; wheel`;
    return new Ring(name, title, {
      ...this._turningOf(setting),
      turn: (px, isFree) =>
        this._set(setting, turned(engraved, this._before, stepsOf(px), !isFree)),
      step: (steps) => this._set(setting, stepped(engraved, this._state.settings[setting], steps)),
      press: (key) => {
        const end = { Home: engraved[0], End: engraved[engraved.length - 1] }[key];
        return this._setDone(setting, end);
      },
    });
  }

  _distanceRing() {
    const title = "Focus distance: drag; arrow keys; wheel; H for the hyperfocal distance";
    return new Ring("Focus distance", title, {
      ...this._turningOf("focusM"),
      turn: (px) => this._set("focusM", focusedBy(this._state.settings, this._before, px)),
      step: (steps) => {
        const { settings } = this._state;
        this._set("focusM", focusedBy(settings, settings.focusM, -steps * FOCUS_STEP_PX));
      },
      press: (key) => {
        const { settings } = this._state;
        const places = /** @type {Record<string, number>} */ ({
          Home: 1 / nearestDisparity(settings),
          End: Infinity,
          h: focusForInfinity(settings),
        });
        return this._setDone("focusM", places[key]);
      },
    });
  }

  /** @param {Setting} setting */
  _turningOf(setting) {
    return {
      start: () => {
        this._before = this._state.settings[setting];
      },
      done: () => this._onChange(setting, this._state.settings[setting], true),
      cancel: () => this._set(setting, this._before),
    };
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

  /**
   * @param {Setting} setting
   * @param {number | undefined} value
   * @returns {boolean} Whether there was a value.
   */
  _setDone(setting, value) {
    if (value === undefined) return false;
    if (!this._state.fixed.has(setting)) this._onChange(setting, value, true);
    return true;
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
