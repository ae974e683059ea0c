import { beforeEach, describe, expect, test } from "vitest";
import { KeyframeEditor } from "../../../web/js/timeline/keyframe_editor.js";
import { textOfTimeline, timelineFromText } from "../../../web/js/timeline/keyframes.js";
import { xOf, yOf } from "../../../web/js/timeline/layout.js";

/** @type {KeyframeEditor} */
let editor;

beforeEach(() => {
  editor = new KeyframeEditor();
  editor.load(timelineFromText("0: 2m f/2; 24: 2m; 48: 1m f/4"), 49);
  editor.layOut(600);
});

function text() {
  if (!editor.timeline) throw new Error("There is no timeline.");
  return textOfTimeline(editor.timeline);
}

/**
 * Where a distance is at a frame.
 * @param {number} frame
 * @param {number} metres
 */
const placeOf = (frame, metres) => ({
  x: xOf(editor.layout, frame),
  y: yOf(editor.layout, "disparity", 1 / metres),
});

describe("dragging", () => {
  test("moves a keyframe in time and value", () => {
    editor.press(placeOf(24, 2));
    editor.drag(placeOf(30, 1));
    expect(editor.release()).toBe(true);
    expect(text()).toBe("0: 2m f/2; 30: 1m; 48: 1m f/4");
    expect(editor.text()).toBe("frame 30: 1m f/3.21 · keyframe 30, smooth");
  });

  test("over another keyframe replaces it only while it is there", () => {
    editor.press(placeOf(24, 2));
    editor.drag(placeOf(48, 2));
    expect(text()).toBe("0: 2m f/2; 48: 2m");
    editor.drag(placeOf(40, 2));
    expect(text()).toBe("0: 2m f/2; 40: 2m; 48: 1m f/4");
  });

  test("that was none leaves all as it was", () => {
    editor.press(placeOf(24, 2));
    editor.drag(placeOf(30, 1));
    editor.takeBack();
    expect(text()).toBe("0: 2m f/2; 24: 2m; 48: 1m f/4");
    expect(editor.selected?.keyframe.frame).toBe(24);
  });

  test("beside the keyframes moves the time cursor alone", () => {
    editor.press({ x: xOf(editor.layout, 12), y: 2 });
    editor.drag({ x: xOf(editor.layout, 36), y: 2 });
    expect(editor.release()).toBe(false);
    expect(editor.cursor).toBe(36);
  });

  test("does not change the scale under the pointer", () => {
    const { layout } = editor;
    editor.press(placeOf(48, 1));
    editor.drag(placeOf(60, 1));
    editor.layOut(600);
    expect(editor.layout).toBe(layout);
    editor.release();
    editor.layOut(600);
    expect(editor.layout.lastFrame).toBe(60);
  });
});

describe("keys", () => {
  test("go through focus and f-number of each keyframe, and round", () => {
    const visited = Array.from({ length: 6 }, () => {
      editor.next();
      return `${editor.selected?.keyframe.frame} ${editor.selected?.track}`;
    });
    expect(visited).toEqual([
      ...["0 disparity", "0 fNumber", "24 disparity", "48 disparity", "48 fNumber"],
      "0 disparity",
    ]);
  });

  test("first choose, then move", () => {
    editor.nudge(1, 0);
    expect(text()).toBe("0: 2m f/2; 24: 2m; 48: 1m f/4");
    editor.nudge(3, 0);
    expect(text()).toBe("3: 2m f/2; 24: 2m; 48: 1m f/4");
    editor.next();
    editor.nudge(0, 1);
    expect(text()).toBe("3: 2m f/2.2; 24: 2m; 48: 1m f/4");
  });

  test("do not go before the first frame or nearer than relative depth is", () => {
    editor.load(timelineFromText("0: 0.5; 9: 0.99"), 10);
    editor.next();
    editor.nudge(-5, 0);
    editor.next();
    editor.nudge(0, 10);
    expect(text()).toBe("0: 0.5; 9: 1");
  });
});

test("a keyframe is added with the value that is there", () => {
  editor.moveCursor(36);
  editor.add("fNumber");
  expect(text()).toBe("0: 2m f/2; 24: 2m; 36: f/3.59; 48: 1m f/4");
  editor.add("disparity");
  expect(text()).toBe("0: 2m f/2; 24: 2m; 36: 1.33m f/3.59; 48: 1m f/4");
});

test("easing is that of the move to the chosen keyframe", () => {
  editor.ease();
  expect(text()).not.toContain("linear");
  editor.next();
  editor.ease();
  expect(text()).toBe("0: 2m f/2 linear; 24: 2m; 48: 1m f/4");
});

test("what is chosen is removed, but the last focus stays", () => {
  editor.load(timelineFromText("0: 2m f/2; 24: f/4"), 25);
  editor.next();
  editor.remove();
  expect(text()).toBe("0: 2m f/2; 24: f/4");
  editor.next();
  editor.remove();
  expect(text()).toBe("0: 2m; 24: f/4");
  expect(editor.selected).toBeNull();
});

test("what is chosen stays so when the node tells the same again", () => {
  editor.next();
  editor.load(timelineFromText("0: 3m f/2; 24: 2m"), 49);
  expect(editor.selected).toMatchObject({ keyframe: { disparity: 1 / 3 }, track: "disparity" });
  editor.load(timelineFromText("5: 3m"), 49);
  expect(editor.selected).toBeNull();
});

test("nothing is done to what cannot be read", () => {
  editor.load(null, 49);
  for (const act of /** @type {const} */ (["next", "ease", "remove", "takeBack"])) editor[act]();
  editor.press({ x: 0, y: 0 });
  editor.drag({ x: 10, y: 0 });
  editor.add("disparity");
  editor.nudge(1, 1);
  expect(editor.timeline).toBeNull();
  expect(editor.text()).toBe("");
});
