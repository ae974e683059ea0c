import { expect, test } from "vitest";
import { actionOf } from "../../../web/js/compare/keys.js";

/**
 * @param {string} key
 * @param {Partial<KeyboardEvent>} [modifiers]
 */
const pressed = (key, modifiers) =>
  actionOf({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...modifiers });

test("arrows move the divider, with Shift ten times as far", () => {
  expect(pressed("ArrowLeft")).toEqual({ kind: "divide", by: -0.01 });
  expect(pressed("ArrowRight", { shiftKey: true })).toEqual({ kind: "divide", by: 0.1 });
});

test.each([
  [" ", "swap"],
  ["d", "defocus"],
  ["0", "whole"],
  ["+", "zoom"],
  ["End", "place"],
])("%o means %s", (key, kind) => {
  expect(pressed(key)?.kind).toBe(kind);
});

test("other keys are left to ComfyUI", () => {
  expect(pressed("Delete")).toBeNull();
  expect(pressed("d", { ctrlKey: true })).toBeNull();
});
