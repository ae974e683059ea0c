import { describe, expect, test } from "vitest";
import { blurFor, cameraValues, sharpDisparities } from "../../../web/js/preview/settings.js";
import { wiringOf } from "../../../web/js/preview/wiring.js";

/** @typedef {{ kind: string, from?: Record<string, Fake>, values?: Record<string, unknown> }} Fake */

/** @type {import("../../../web/js/preview/wiring.js").Reader<Fake>} */
const READER = {
  classOf: ({ kind }) => `FocusPuller${kind}`,
  sourceOf: ({ from }, input) => from?.[input] ?? null,
  valueOf: ({ values }, name) => values?.[name],
};
const PHOTO = { kind: "LoadPhoto" };
const POINT = {
  kind: "FocusPoint",
  values: { x: 0.2, y: 0.4, focus_range: 0, also_sharp: "0.5,0.5", region: "" },
};

/**
 * @param {Partial<{ image: Fake, focus: Fake, camera: Fake, lens: Fake, aperture: Fake, linear: boolean }>} given
 */
function rendered({ image = PHOTO, focus = POINT, camera, lens, aperture, linear = false } = {}) {
  /** @type {Record<string, Fake>} */
  const before = { depth: PHOTO, focus, ...(camera && { camera }) };
  const defocus = {
    kind: "DefocusMap",
    from: before,
    values: { bokeh_level: 20, focus_scale: 1 },
  };
  /** @type {Record<string, Fake>} */
  const from = { image, defocus, ...(lens && { lens }), ...(aperture && { aperture }) };
  return wiringOf({ kind: "RenderBokeh", from, values: { linear } }, READER);
}

describe("what is wired", () => {
  test("all areas of the focus, the level, a circle where there is no aperture", () => {
    expect(rendered()).toMatchObject({
      focus: {
        areas: [
          { x: 0.2, y: 0.4 },
          { x: 0.5, y: 0.5 },
        ],
        range: 0,
      },
      bokehLevel: 20,
      camera: null,
      iris: { blades: 0 },
      leftOut: [],
    });
  });

  test("the strength is set on the camera, or on Defocus Map where there is none", () => {
    const values = { f_number: 2, focal_length_mm: 50, sensor_width_mm: 36 };
    const camera = { kind: "Camera", values };
    expect(rendered({ camera })).toMatchObject({ strength: { node: camera, input: "f_number" } });
    expect(rendered()).toMatchObject({
      strength: { node: { kind: "DefocusMap" }, input: "bokeh_level" },
    });
    expect(rendered({ camera: PHOTO })).toMatchObject({ strength: null });
  });

  test("what is not shown is named", () => {
    const numbers = { blades: 7, rotation_degrees: 0, roundness: 0, squeeze: 1, obstruction: 0 };
    const aperture = { kind: "Aperture", values: { ...numbers, swirl: 0.5, cats_eye: 0 } };
    const wiring = rendered({ aperture, lens: { kind: "TafLens" } });
    expect(wiring).toMatchObject({ leftOut: ["the chosen lens", "swirl"], iris: { blades: 7 } });
  });

  test("before Recover Highlights lies the picture", () => {
    const recovered = { kind: "RecoverHighlights", from: { image: PHOTO } };
    expect(rendered({ image: recovered })).toMatchObject({
      picture: PHOTO,
      leftOut: ["recovered highlights"],
    });
  });

  test.each([
    ["nothing connected", wiringOf({ kind: "RenderBokeh" }, READER)],
    ["a focus that has to run", rendered({ focus: { kind: "FocusFromMask" } })],
    ["a camera that has to run", rendered({ camera: { kind: "FitLens" } })],
    ["an aperture that has to run", rendered({ aperture: { kind: "Aperture" } })],
    ["linear light", rendered({ linear: true })],
  ])("with %s there is a reason instead", (_, wiring) => expect(wiring).toBeTypeOf("string"));
});

describe("the camera", () => {
  const own = { ownFNumber: 2, ownFocalLengthMm: 50, ownSensorWidthMm: 36, photo: null };
  const facts = {
    longest_edge: 4000,
    depth_longest_edge: 768,
    focal_length_mm: 6.8,
    f_number: 1.8,
    sensor_width_mm: null,
  };

  test("takes from the photo what it tells, but the f-number of the node", () => {
    const values = cameraValues(own, facts);
    expect(values).toEqual({ fNumber: 2, focalLengthMm: 6.8, sensorWidthMm: 36 });
  });

  test("takes the photo's f-number for 0, and is none where a value is missing", () => {
    expect(cameraValues({ ...own, ownFNumber: 0 }, facts)?.fNumber).toBe(1.8);
    expect(cameraValues({ ...own, ownFNumber: 0 }, null)).toBeNull();
  });
});

describe("the blur", () => {
  const depth = {
    width: 1,
    height: 1,
    disparity: new Float32Array([0.5]),
    low: 0.5,
    high: 0.5,
    isMetric: true,
  };

  test("metres have their range in metres", () => {
    const sharp = sharpDisparities({ metres: 2, range: 1 }, depth);
    expect(sharp).toEqual({ plane: 0.5, near: 1 / 1.5, far: 1 / 2.5 });
  });

  test("a disparity has its range in disparity", () => {
    const sharp = sharpDisparities({ disparity: 0.1, range: 0.4 }, depth);
    expect(sharp.near).toBeCloseTo(0.3);
    expect(sharp.far).toBe(0);
  });

  test("a bokeh level counts in px of the full picture", () => {
    const sharp = sharpDisparities({ disparity: 0, range: 0 }, depth);
    const lens = { camera: null, bokehLevel: 40, levelEdge: 4000, focusScale: 1 };
    expect(blurFor(lens, sharp, { width: 1000, height: 500 })?.level).toBe(10);
  });

  test("there is none where no image forms", () => {
    const camera = { fNumber: 2, focalLengthMm: 50, sensorWidthMm: 36 };
    const lens = { camera, bokehLevel: 0, levelEdge: 1, focusScale: 1 };
    const sharp = sharpDisparities({ metres: 0.04, range: 0 }, depth);
    expect(blurFor(lens, sharp, { width: 1000, height: 500 })).toBeNull();
  });
});
