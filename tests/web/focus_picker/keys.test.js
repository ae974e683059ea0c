import { expect, test } from "vitest";
import { actionOf } from "../../../web/js/focus_picker/keys.js";

/**
 * @param {string} key
 * @param {Partial<KeyboardEvent>} [modifiers]
 */
const pressed = (key, modifiers) =>
  actionOf({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...modifiers });

test("arrows move by the step of the node's widgets, with Shift ten times as far", () => {
  expect(pressed("ArrowLeft")).toEqual({ kind: "move", x: -0.005, y: 0 });
  expect(pressed("ArrowDown", { shiftKey: true })).toEqual({ kind: "move", x: 0, y: 0.05 });
});

test("letters mean regions and their corners, in either case", () => {
  expect(pressed("r")).toEqual({ kind: "region" });
  expect(pressed("C", { shiftKey: true })).toEqual({ kind: "corner" });
});

test("plus and minus are opposites", () => {
  const [larger, smaller] = [pressed("+"), pressed("-")];
  if (larger?.kind !== "zoom" || smaller?.kind !== "zoom") throw new Error("no zoom");
  expect(larger.factor).toBeGreaterThan(1);
  expect(larger.factor * smaller.factor).toBeCloseTo(1, 12);
});

test.each(["z", "Enter", "Tab", "Escape"])("%s is left to ComfyUI", (key) => {
  expect(pressed(key)).toBeNull();
});

test("so is everything with Ctrl, such as undo and paste", () => {
  expect(pressed("ArrowLeft", { ctrlKey: true })).toBeNull();
  expect(pressed("0", { metaKey: true })).toBeNull();
});
