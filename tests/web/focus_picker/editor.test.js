import { beforeEach, describe, expect, test } from "vitest";
import { AreaEditor } from "../../../web/js/focus_picker/editor.js";

/** @typedef {import("../../../web/js/shared/view.js").Point} Point */

const REGION = { left: 0.4, top: 0.4, right: 0.6, bottom: 0.6 };
// A stage of 1000 px on which the whole picture is shown.
const toStage = (/** @type {Point} */ { x, y }) => ({ x: 1000 * x, y: 1000 * y });

/** @type {AreaEditor} */
let editor;

beforeEach(() => {
  editor = new AreaEditor();
});

/**
 * @param {[number, number][]} path
 * @param {"takeHold" | "draw"} [begin]
 */
function drag(path, begin = "takeHold") {
  const [first, ...rest] = path.map(([x, y]) => ({ x, y }));
  editor[begin](first, toStage(first), toStage);
  for (const point of rest) editor.drag(point, toStage(point));
  editor.release();
}

describe("points", () => {
  test("come to where the picture is pressed, and follow", () => {
    drag([[0.2, 0.3]]);
    expect(editor.areas).toEqual([{ x: 0.2, y: 0.3 }]);
    drag([
      [0.8, 0.3],
      [0.7, 0.1],
    ]);
    expect(editor.areas).toEqual([{ x: 0.7, y: 0.1 }]);
  });

  test("that are near are chosen", () => {
    editor.load([
      { x: 0.2, y: 0.2 },
      { x: 0.8, y: 0.8 },
    ]);
    drag([[0.805, 0.8]]);
    expect(editor.selected).toBe(1);
    expect(editor.areas[0]).toEqual({ x: 0.2, y: 0.2 });
  });

  test("are no longer dragged once let go", () => {
    drag([[0.2, 0.3]]);
    editor.drag({ x: 0.9, y: 0.9 }, { x: 900, y: 900 });
    expect(editor.areas).toEqual([{ x: 0.2, y: 0.3 }]);
  });
});

describe("drawing", () => {
  test("makes a region of what is passed over", () => {
    const path = /** @type {[number, number][]} */ ([
      [0.6, 0.1],
      [0.7, 0.2],
      [0.4, 0.3],
    ]);
    drag(path, "draw");
    expect(editor.chosen).toEqual({ left: 0.4, top: 0.1, right: 0.6, bottom: 0.3 });
    expect(editor.areas).toHaveLength(2);
  });

  test("makes a point where the pointer stays", () => {
    drag(
      [
        [0.6, 0.1],
        [0.603, 0.1],
      ],
      "draw",
    );
    expect(editor.chosen).toEqual({ x: 0.6, y: 0.1 });
  });

  test("can be taken back", () => {
    editor.draw({ x: 0.6, y: 0.1 }, { x: 600, y: 100 });
    editor.drag({ x: 0.9, y: 0.9 }, { x: 900, y: 900 });
    editor.takeBack();
    expect(editor.areas).toEqual([{ x: 0.5, y: 0.5 }]);
    expect(editor.selected).toBe(0);
  });
});

describe("a region", () => {
  beforeEach(() => editor.load([REGION]));

  test("is moved from inside, without a leap", () => {
    drag([
      [0.55, 0.5],
      [0.65, 0.4],
    ]);
    expect(editor.chosen).toEqual({ left: 0.5, top: 0.3, right: 0.7, bottom: 0.5 });
  });

  test("comes to where it is pressed beside it", () => {
    drag([[0.2, 0.3]]);
    expect(editor.chosen).toEqual({ left: 0.1, top: 0.2, right: 0.3, bottom: 0.4 });
  });

  test("is resized at a corner, also beyond the opposite one", () => {
    drag([
      [0.605, 0.6],
      [0.8, 0.9],
    ]);
    expect(editor.chosen).toEqual({ left: 0.4, top: 0.4, right: 0.8, bottom: 0.9 });
    drag([
      [0.8, 0.9],
      [0.1, 0.2],
    ]);
    expect(editor.chosen).toEqual({ left: 0.1, top: 0.2, right: 0.4, bottom: 0.4 });
  });

  test("lets presses inside through to another area that is chosen", () => {
    editor.load([REGION, { x: 0.1, y: 0.1 }]);
    editor.next();
    drag([[0.5, 0.5]]);
    expect(editor.areas).toEqual([REGION, { x: 0.5, y: 0.5 }]);
    drag([
      [0.5, 0.405],
      [0.5, 0.505],
    ]);
    expect(editor.areas[0]).toEqual({ left: 0.4, top: 0.5, right: 0.6, bottom: 0.7 });
  });

  test("is resized with keys, a corner after the other", () => {
    editor.nextCorner();
    editor.step({ x: -0.1, y: 0.05 });
    expect(editor.chosen).toEqual({ left: 0.3, top: 0.45, right: 0.6, bottom: 0.6 });
    editor.nextCorner();
    editor.nextCorner();
    editor.step({ x: 0.1, y: 0 });
    expect(editor.chosen).toEqual({ left: 0.3, top: 0.45, right: 0.7, bottom: 0.6 });
    editor.nextCorner();
    editor.nextCorner();
    expect(editor.corner).toBeNull();
    editor.step({ x: 0.1, y: 0.1 });
    expect(editor.chosen).toEqual({ left: 0.4, top: 0.55, right: 0.8, bottom: 0.7 });
  });

  test("keeps the corner that keys move when that passes the opposite one", () => {
    editor.nextCorner();
    editor.step({ x: 0.5, y: 0 });
    expect(editor.chosen).toEqual({ left: 0.6, top: 0.4, right: 0.9, bottom: 0.6 });
    editor.step({ x: 0.05, y: 0 });
    expect(editor.chosen).toEqual({ left: 0.6, top: 0.4, right: 0.95, bottom: 0.6 });
  });

  test("becomes a point and a region again", () => {
    editor.nextCorner();
    editor.changeKind();
    expect(editor.chosen).toEqual({ x: 0.5, y: 0.5 });
    expect(editor.corner).toBeNull();
    editor.changeKind();
    expect(editor.chosen).toEqual(REGION);
  });

  test("keeps its corner when the node tells what is there", () => {
    editor.nextCorner();
    editor.load([{ ...REGION, left: 0.1 }]);
    expect(editor.corner).toBe(0);
    editor.load([{ x: 0.5, y: 0.5 }]);
    expect(editor.corner).toBeNull();
  });
});

test("what is chosen is removed, the last one is not", () => {
  editor.load([REGION, { x: 0.1, y: 0.1 }]);
  expect(editor.remove()).toBe(true);
  expect(editor.areas).toEqual([{ x: 0.1, y: 0.1 }]);
  expect(editor.remove()).toBe(false);
  expect(editor.areas).toHaveLength(1);
});

test("a new point is beside the chosen one", () => {
  editor.load([REGION]);
  editor.addBeside();
  expect(editor.chosen).toEqual({ x: 0.55, y: 0.5 });
});
