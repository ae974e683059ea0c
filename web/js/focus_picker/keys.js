// What the keys do while the picture has the keyboard.

import { isShortcut, viewActionOf } from "../shared/keys.js";

const STEP = 0.005;
const COARSE_STEP = 0.05;
const DIRECTIONS = new Map([
  ["ArrowLeft", [-1, 0]],
  ["ArrowRight", [1, 0]],
  ["ArrowUp", [0, -1]],
  ["ArrowDown", [0, 1]],
]);

/**
 * @typedef {{ kind: "move", x: number, y: number } | { kind: "peaking" } | { kind: "remove" }
 *   | { kind: "add" } | { kind: "next" } | { kind: "region" } | { kind: "corner" }
 *   | import("../shared/keys.js").ViewAction} Action
 */

/**
 * @param {import("../shared/keys.js").Key} event
 * @returns {Action | null} null: the key is not for the picture.
 */
export function actionOf(event) {
  if (isShortcut(event)) return null;
  const direction = DIRECTIONS.get(event.key);
  if (direction) {
    const step = event.shiftKey ? COARSE_STEP : STEP;
    return { kind: "move", x: direction[0] * step, y: direction[1] * step };
  }
  switch (event.key) {
    case "p":
    case "P":
      return { kind: "peaking" };
    case "a":
    case "A":
      return { kind: "add" };
    case "n":
    case "N":
      return { kind: "next" };
    case "r":
    case "R":
      return { kind: "region" };
    case "c":
    case "C":
      return { kind: "corner" };
    case "Delete":
    case "Backspace":
      return { kind: "remove" };
    default:
      return viewActionOf(event);
  }
}
