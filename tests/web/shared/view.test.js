import { describe, expect, test } from "vitest";
import {
  MAX_ZOOM,
  WHOLE,
  constrained,
  panned,
  revealed,
  shownSize,
  toPicture,
  toStage,
  zoomed,
} from "../../../web/js/shared/view.js";

const PICTURE = { width: 300, height: 200 };
const STAGE = { width: 600, height: 600 };

describe("the whole picture", () => {
  test("is as large as it fits, in the middle", () => {
    expect(shownSize(WHOLE, PICTURE, STAGE)).toEqual({ width: 600, height: 400 });
    expect(toStage({ x: 0, y: 0 }, WHOLE, PICTURE, STAGE)).toEqual({ x: 0, y: 100 });
    expect(toStage({ x: 1, y: 1 }, WHOLE, PICTURE, STAGE)).toEqual({ x: 600, y: 500 });
  });

  test("cannot be moved", () => {
    expect(panned(WHOLE, { x: 50, y: -80 }, PICTURE, STAGE)).toEqual(WHOLE);
  });
});

test.each([
  [{ x: 0.2, y: 0.9 }, WHOLE],
  [
    { x: 0.61, y: 0.33 },
    { zoom: 5, centre: { x: 0.6, y: 0.4 } },
  ],
])("a place of the picture %o is found again on the stage", (point, view) => {
  const back = toPicture(toStage(point, view, PICTURE, STAGE), view, PICTURE, STAGE);
  expect(back.x).toBeCloseTo(point.x, 12);
  expect(back.y).toBeCloseTo(point.y, 12);
});

describe("zooming", () => {
  const anchor = { x: 400, y: 250 };

  test("leaves what is under the pointer where it is", () => {
    const before = toPicture(anchor, WHOLE, PICTURE, STAGE);
    const view = zoomed(WHOLE, 3, anchor, PICTURE, STAGE);
    const after = toPicture(anchor, view, PICTURE, STAGE);
    expect(view.zoom).toBe(3);
    expect(after.x).toBeCloseTo(before.x, 12);
    expect(after.y).toBeCloseTo(before.y, 12);
  });

  test("ends at the whole picture and at a limit", () => {
    expect(zoomed(WHOLE, 0.1, anchor, PICTURE, STAGE)).toEqual(WHOLE);
    expect(zoomed(WHOLE, 1e6, anchor, PICTURE, STAGE).zoom).toBe(MAX_ZOOM);
  });
});

describe("panning", () => {
  const view = { zoom: 4, centre: { x: 0.5, y: 0.5 } };

  test("moves the picture with the pointer", () => {
    const place = toStage({ x: 0.5, y: 0.5 }, view, PICTURE, STAGE);
    const moved = panned(view, { x: 30, y: -12 }, PICTURE, STAGE);
    const after = toStage({ x: 0.5, y: 0.5 }, moved, PICTURE, STAGE);
    expect(after.x - place.x).toBeCloseTo(30, 9);
    expect(after.y - place.y).toBeCloseTo(-12, 9);
  });

  test("stops where the picture would leave the stage", () => {
    const moved = panned(view, { x: 1e5, y: 1e5 }, PICTURE, STAGE);
    expect(toStage({ x: 0, y: 0 }, moved, PICTURE, STAGE)).toEqual({ x: 0, y: 0 });
  });
});

test("a side that is smaller than the stage stays in its middle", () => {
  const view = constrained({ zoom: 1.2, centre: { x: 0.1, y: 0.1 } }, PICTURE, STAGE);
  expect(view.centre.y).toBe(0.5);
  expect(toStage({ x: 0, y: 0 }, view, PICTURE, STAGE).x).toBeCloseTo(0, 9);
});

test("a point out of sight is brought into sight, one in sight moves nothing", () => {
  const view = { zoom: 4, centre: { x: 0.5, y: 0.5 } };
  expect(revealed(view, { x: 0.52, y: 0.48 }, PICTURE, STAGE)).toEqual(view);
  const moved = revealed(view, { x: 0.9, y: 0.2 }, PICTURE, STAGE);
  const place = toStage({ x: 0.9, y: 0.2 }, moved, PICTURE, STAGE);
  expect(place.x).toBeCloseTo(600, 6);
  expect(place.y).toBeCloseTo(0, 6);
});
